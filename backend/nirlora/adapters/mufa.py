"""MuFA: bottlenecks of several down-sampling rates, fused into one module in parallel to the network.

``x' = x + attention(LN1(x))``, ``y = x' + mlp(LN2(x')) + s * sum over rates of up(act(down(x')))``. With one
rate and in parallel this is AdaptFormer, with one rate and in series the adapter behind the MLP; the options
``placement`` and ``rates`` are the two axes of the paper's ablation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from nirlora.adapters.base import AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.blocks import BranchedBlock
from nirlora.adapters.options import within
from nirlora.adapters.parts import AdapterPart, Bottleneck, Scaled, Serial, put_behind
from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone, width_of


@dataclass(frozen=True)
class MuFAOptions(AdapterOptions):
    """Options of MuFA.

    Attributes:
        rates: The hidden width of each branch is the token width over its rate.
        placement: Beside a part of the block, or in series behind it.
        site: Which part: the MLP, attention, or the whole block.
        fusion: The branches' outputs are added; or the hidden vectors are concatenated before one
            up-projection, the same function with one bias less for every further branch.
        scale: Factor of the module; 0: 0.1 in parallel (AdaptFormer's) and 1 in series (the adapter's).
        scale_mode: The factor stays, is trained from there, or is trained for each branch (with sum).
        input: In parallel, the residual stream, or the same after the LayerNorm of that half.
        bias: Whether the projections have biases.
        dropout: Of the hidden vectors, in training.
    """

    rates: tuple[int, ...] = within((8, 16, 32), 1, 1024)
    placement: Literal["parallel", "serial"] = "parallel"
    site: Literal["mlp", "attn", "block"] = "mlp"
    fusion: Literal["sum", "concat"] = "sum"
    scale: float = within(0.0, -100, 100)
    scale_mode: Literal["fixed", "learnable", "per-branch"] = "fixed"
    input: Literal["residual", "norm"] = "residual"
    bias: bool = True
    dropout: float = within(0.1, 0, 0.9)


class SumOfBranches(AdapterPart):
    """The branches' outputs added."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., d) to (..., d)."""
        out: torch.Tensor = self.branches[0](x)
        for branch in self.branches[1:]:
            out = out + branch(x)
        return out


def module(dim: int, options: MuFAOptions) -> nn.Module:
    """One MuFA module for tokens of width ``dim``.

    Raises:
        OptionError: A rate is above the width, or the scale is to be trained where nothing could be.
    """
    if max(options.rates) > dim:
        raise OptionError(
            f"Option rates of adapter mufa is {options.rates}, but the tokens are only {dim} wide.",
            hint=f"Choose rates up to {dim}.",
        )
    scale = options.scale or (0.1 if options.placement == "parallel" else 1.0)
    widths = [dim // rate for rate in options.rates]
    per_branch = options.scale_mode == "per-branch"
    if options.fusion == "concat":
        if per_branch:
            raise OptionError(
                "Option scale_mode=per-branch of adapter mufa needs fusion=sum: "
                "concatenated branches have one up-projection.",
                hint="Leave out fusion=concat.",
            )
        fused: nn.Module = Bottleneck(dim, sum(widths), dropout=options.dropout, bias=options.bias)
    else:
        branches: list[nn.Module] = [
            Bottleneck(dim, width, dropout=options.dropout, bias=options.bias) for width in widths
        ]
        if per_branch:
            return SumOfBranches([Scaled(branch, scale, learnable=True) for branch in branches])
        fused = SumOfBranches(branches)
    return Scaled(fused, scale, learnable=options.scale_mode == "learnable")


def apply(backbone: Backbone, options: MuFAOptions) -> None:
    """Put a module beside, or behind, the site of every chosen block."""
    for name, block in blocks_of(backbone, options.blocks):
        part = module(width_of(block), options)
        if options.placement == "parallel":
            branched = BranchedBlock(block, **{options.site: part}, normed=options.input == "norm")
            backbone.set_submodule(name, branched)
        elif options.site == "block":
            backbone.set_submodule(name, Serial(block, part))
        else:
            put_behind(block, options.site, part)


SPEC = AdapterSpec(
    name="mufa",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=MuFAOptions(),
    source="Yin et al. 2024, Multi-Fusion Adapter, J. Electronics & Information Technology 46(9), "
    "doi 10.11999/JEIT240218",
    licence="",
    inferred="rates, activation, fusion, scale, start and the place beside the MLP, which nothing readable "
    "states: rates 8, 16 and 32 reproduce the printed 3.64 % of parameters, the rest is AdaptFormer's, whose "
    "row the paper's single scale in parallel repeats digit for digit",
    merges=False,
)
