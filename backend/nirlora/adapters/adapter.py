"""Bottleneck adapters in series, behind the attention projection and behind the MLP of every block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from nirlora.adapters.base import AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.options import within
from nirlora.adapters.parts import Activation, Bottleneck, put_behind
from nirlora.models.backbones.base import Backbone, width_of


@dataclass(frozen=True)
class SerialOptions(AdapterOptions):
    """Options of the serial adapter.

    Attributes:
        width: Hidden width of the bottleneck; 0: a sixteenth of the tokens'.
        sites: Two a block, or the one behind the MLP alone (Pfeiffer et al. 2021), or behind attention alone.
        activation: Of the hidden vector.
        dropout: Of the hidden vector, in training.
        train_norms: Whether the LayerNorms of these blocks are trained too, as in the paper.
    """

    width: int = within(0, 0, 4096)
    sites: Literal["both", "mlp", "attn"] = "both"
    activation: Activation = "gelu"
    dropout: float = within(0.0, 0, 0.9)
    train_norms: bool = False


def apply(backbone: Backbone, options: SerialOptions) -> None:
    """Put the adapters behind the layers."""
    for _, block in blocks_of(backbone, options.blocks):
        for site in ("attn", "mlp") if options.sites == "both" else (options.sites,):
            dim = width_of(block)
            part = Bottleneck(
                dim,
                options.width or max(1, dim // 16),
                activation=options.activation,
                dropout=options.dropout,
            )
            put_behind(block, site, part)
        if options.train_norms:
            for norm in (m for m in block.modules() if isinstance(m, nn.LayerNorm)):
                norm.requires_grad_(True)


SPEC = AdapterSpec(
    name="adapter",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=SerialOptions(),
    source="Houlsby et al. 2019, Parameter-efficient transfer learning for NLP, arXiv:1902.00751",
    licence="",
    inferred="up-projections start at zero where the paper says near zero; a sixteenth of the width twice a "
    "block has as many weights as the eighth once a block that the share printed in MuFA's tables fits",
    merges=False,
)
