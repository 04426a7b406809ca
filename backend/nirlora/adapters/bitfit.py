"""BitFit: every bias is trained, and nothing else."""

from __future__ import annotations

from nirlora.adapters.base import AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.models.backbones.base import Backbone


def apply(backbone: Backbone, options: AdapterOptions) -> None:
    """Thaw the biases: all of the network, or those of the last N blocks."""
    inside = tuple(f"{name}." for name, _ in blocks_of(backbone, options.blocks))
    for name, parameter in backbone.named_parameters():
        chosen = options.blocks == "all" or name.startswith(inside)
        parameter.requires_grad_(chosen and name.endswith("bias"))


SPEC = AdapterSpec(
    name="bitfit",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=3.2e-3,
    defaults=AdapterOptions(),
    source="Ben Zaken et al. 2022, BitFit, arXiv:2106.10199",
    licence="",
    inferred="the biases of patch embedding and LayerNorms are among them, as in the paper's released rule",
)
