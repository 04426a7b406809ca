"""Masked autoencoding: most patches of an image are hidden, and a small decoder draws them from the rest.

Source: He et al. 2021, Masked Autoencoders Are Scalable Vision Learners, arXiv:2111.06377.
"""

from __future__ import annotations

from functools import partial

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from nirlora.adaptation.objective import Objective
from nirlora.adaptation.tokens import encode
from nirlora.models.backbones.base import Backbone

_EPS = 1e-6


class MaeDecoder(nn.Module):
    """Visible tokens to the pixels of all patches.

    Args:
        width: Of the encoder's tokens, d.
        dim: Of its own tokens, a multiple of 4.
        depth: Blocks.
        heads: Attention heads.
        outputs: Numbers per patch: patch x patch x channels.
    """

    def __init__(self, width: int, dim: int, depth: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Linear(width, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.blocks = nn.ModuleList(
            Block(dim, heads, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6)) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pred = nn.Linear(dim, outputs)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, prefix: Tensor, visible: Tensor, keep: Tensor, grid: tuple[int, int]) -> Tensor:
        """Predictions (N, L, outputs) of all L = rows x cols patches.

        Args:
            prefix: (N, P, d), may be empty.
            visible: (N, K, d).
            keep: Where these K belong, (N, K).
            grid: (rows, cols).
        """
        tokens = self.embed(torch.cat([prefix, visible], dim=1))
        first = prefix.shape[1]
        n, length = visible.shape[0], grid[0] * grid[1]
        full = self.mask_token.to(tokens.dtype).expand(n, length, -1)
        index = keep[:, :, None].expand(-1, -1, tokens.shape[-1])
        full = full.scatter(1, index, tokens[:, first:])
        full = full + sincos_grid(full.shape[-1], *grid, full.device).to(full.dtype)
        x = torch.cat([tokens[:, :first], full], dim=1)
        for block in self.blocks:
            x = block(x)
        predictions: Tensor = self.pred(self.norm(x))[:, first:]
        return predictions


class MaeObjective(Objective):
    """Backbone and decoder with the loss between them; ``fresh``: of the decoder something starts random."""

    def __init__(self, backbone: Backbone, decoder: MaeDecoder, *, fresh: bool = True) -> None:
        super().__init__()
        self.fresh = fresh
        self.backbone = backbone
        self.decoder = decoder

    def forward(self, batch: dict[str, Tensor], fraction: float) -> dict[str, Tensor]:
        """Loss of ``images`` (N, C, H, W) of which ``keep`` (N, K) is seen and ``target`` (N, L) counts."""
        images = batch["images"]
        patch = self.backbone.patch
        grid = images.shape[-2] // patch, images.shape[-1] // patch
        seen = encode(self.backbone, images, keep=batch["keep"])
        predicted = self.decoder(seen.prefix, seen.patches, batch["keep"], grid)
        return {"loss": mae_loss(predicted.float(), patchify(images, patch), batch["target"])}


def patchify(images: Tensor, patch: int) -> Tensor:
    """(N, C, H, W) to (N, L, patch * patch * C): patches row by row, each pixel by pixel, channels last."""
    n, channels, height, width = images.shape
    x = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, patch * patch * channels)


def mae_loss(predicted: Tensor, patches: Tensor, target: Tensor) -> Tensor:
    """Mean squared error to each patch normalised by its own mean and deviation, over the target patches.

    Args:
        predicted: (N, L, k).
        patches: (N, L, k), as they are.
        target: Bool (N, L): hidden from the encoder and valid.
    """
    mean = patches.mean(-1, keepdim=True)
    variance = patches.var(-1, keepdim=True)
    wanted = (patches - mean) / (variance + _EPS).sqrt()
    error = ((predicted - wanted) ** 2).mean(-1)
    return (error * target).sum() / target.sum().clamp(min=1)


def sincos_grid(dim: int, rows: int, cols: int, device: torch.device) -> Tensor:
    """The fixed position code (rows * cols, dim) of MAE: first half from the column, second from the row."""
    quarter = dim // 4
    omega = 1.0 / 10000 ** (torch.arange(quarter, device=device, dtype=torch.float32) / quarter)
    row, col = torch.meshgrid(
        torch.arange(rows, device=device), torch.arange(cols, device=device), indexing="ij"
    )
    codes = []
    for axis in (col, row):
        angles = axis.flatten().float()[:, None] * omega
        codes += [angles.sin(), angles.cos()]
    return torch.cat(codes, dim=1)
