"""AdaptFormer: a bottleneck in parallel to the MLP of every block, on the residual stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nirlora.adapters.base import AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.blocks import BranchedBlock
from nirlora.adapters.options import within
from nirlora.adapters.parts import Bottleneck, Scaled
from nirlora.models.backbones.base import Backbone, width_of


@dataclass(frozen=True)
class AdaptFormerOptions(AdapterOptions):
    """Options of AdaptFormer.

    Attributes:
        width: Hidden width of the bottleneck.
        scale: Factor of the branch.
        scale_mode: Whether the factor stays or is trained from there.
        input: The residual stream, or the same after the block's second LayerNorm.
        dropout: Of the hidden vector, in training.
    """

    width: int = within(64, 1, 4096)
    scale: float = within(0.1, -100, 100)
    scale_mode: Literal["fixed", "learnable"] = "fixed"
    input: Literal["residual", "norm"] = "residual"
    dropout: float = within(0.1, 0, 0.9)


def apply(backbone: Backbone, options: AdaptFormerOptions) -> None:
    """Put a branch beside every chosen MLP."""
    for name, block in blocks_of(backbone, options.blocks):
        bottleneck = Bottleneck(width_of(block), options.width, dropout=options.dropout)
        branch = Scaled(bottleneck, options.scale, learnable=options.scale_mode == "learnable")
        backbone.set_submodule(name, BranchedBlock(block, mlp=branch, normed=options.input == "norm"))


SPEC = AdapterSpec(
    name="adaptformer",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=AdaptFormerOptions(),
    source="Chen et al. 2022, AdaptFormer, arXiv:2205.13535; defaults of its code, ShoufaChen/AdaptFormer",
    licence="",
    inferred="the paper's formula has a LayerNorm in the branch, its code has none: option input",
    merges=False,
)
