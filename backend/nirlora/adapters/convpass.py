"""Convpass: bypasses of attention and MLP that convolve the tokens where they lie in the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from nirlora.adapters.base import AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.blocks import BranchedBlock
from nirlora.adapters.options import within
from nirlora.adapters.parts import AdapterPart, Scaled
from nirlora.models.backbones.base import Backbone, TokenGrid, width_of


@dataclass(frozen=True)
class ConvpassOptions(AdapterOptions):
    """Options of Convpass.

    Attributes:
        width: Hidden channels.
        scale: Factor of both bypasses; the paper searches 0.01 to 100, its code has 10 for the two sets of
            aerial and satellite images.
        sites: Bypasses of both halves of a block, or of one.
        start: The convolution starts as the identity (a one at its centre), or random.
        dropout: Of the hidden channels, in training.
    """

    width: int = within(8, 1, 1024)
    scale: float = within(10.0, -1000, 1000)
    sites: Literal["both", "mlp", "attn"] = "both"
    start: Literal["identity", "xavier"] = "identity"
    dropout: float = within(0.1, 0, 0.9)


class ConvBypass(AdapterPart):
    """``up(drop(q(conv3x3(q(down(u))))))``, ``q`` QuickGELU; class and register tokens are images of 1 x 1.

    Args:
        dim: Token width d.
        options: Width, start and dropout.
        grid: Rows and columns of tokens (N, L, d); maps (N, H, W, d) know their own.
    """

    def __init__(self, dim: int, options: ConvpassOptions, grid: TokenGrid) -> None:
        super().__init__()
        width = options.width
        self.grid = grid
        self.down = nn.Linear(dim, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.drop = nn.Dropout(options.dropout)
        self.up = nn.Linear(width, dim)
        nn.init.xavier_uniform_(self.down.weight)
        nn.init.zeros_(self.up.weight)
        for name, bias in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(bias)
        if options.start == "identity":
            nn.init.dirac_(self.conv.weight)
        else:
            nn.init.xavier_uniform_(self.conv.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, prefix + rows * cols, d) or (N, rows, cols, d) to the same."""
        h = _quick_gelu(self.down(x))
        h = self._on_map(h) if h.ndim == 4 else self._on_tokens(h)
        out: torch.Tensor = self.up(self.drop(_quick_gelu(h)))
        return out

    def _on_map(self, h: torch.Tensor) -> torch.Tensor:
        return self.conv(h.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # type: ignore[no-any-return]

    def _on_tokens(self, h: torch.Tensor) -> torch.Tensor:
        images, tokens, width = h.shape
        rows, cols = self.grid.rows, self.grid.cols
        prefix = tokens - rows * cols
        patches = self._on_map(h[:, prefix:].reshape(images, rows, cols, width))
        patches = patches.reshape(images, rows * cols, width)
        if not prefix:
            return patches
        alone = self._on_map(h[:, :prefix].reshape(images * prefix, 1, 1, width))
        return torch.cat([alone.reshape(images, prefix, width), patches], dim=1)


def _quick_gelu(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.702 * x)


def apply(backbone: Backbone, options: ConvpassOptions) -> None:
    """Put the bypasses beside the halves of every chosen block."""
    for name, block in blocks_of(backbone, options.blocks):
        sites = ("attn", "mlp") if options.sites == "both" else (options.sites,)
        branches: dict[str, nn.Module] = {
            site: Scaled(ConvBypass(width_of(block), options, backbone.grid), options.scale) for site in sites
        }
        backbone.set_submodule(name, BranchedBlock(block, **branches, normed=True))


SPEC = AdapterSpec(
    name="convpass",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=ConvpassOptions(),
    source="Jie and Deng 2022, Convolutional bypasses, arXiv:2207.07039; "
    "defaults of its code, JieShibo/PETL-ViT",
    licence="",
    inferred="every register token is an image of its own, as the class token is; on Swin the convolution "
    "runs over the whole map, not within windows",
    merges=False,
)
