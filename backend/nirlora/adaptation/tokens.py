"""A Vision Transformer by its tokens: some of them left out (MAE), some of them masked (iBOT)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.models.eva import Eva
from torch import Tensor, nn

from nirlora.models.backbones.base import Backbone


@dataclass(frozen=True)
class Encoded:
    """What a network makes of images, after its last norm.

    Attributes:
        prefix: Class and register tokens (N, P, d); P may be 0.
        patches: Patch tokens (N, L, d), row by row, or those of them that were kept.
        has_class: Whether the first prefix token is a class token.
    """

    prefix: Tensor
    patches: Tensor
    has_class: bool

    @property
    def summary(self) -> Tensor:
        """One vector (N, d) for each image: the class token, else the mean of the patch tokens."""
        return self.prefix[:, 0] if self.has_class else self.patches.mean(1)


def encode(
    backbone: Backbone,
    images: Tensor,
    *,
    keep: Tensor | None = None,
    masked: Tensor | None = None,
    mask_token: Tensor | None = None,
) -> Encoded:
    """Run the network of ``backbone`` on standardised images (N, C, H, W).

    Args:
        backbone: A plain ViT of timm, Galileo included.
        images: H and W multiples of the patch.
        keep: Indices (N, K) of the patch tokens that are computed at all; None: all L.
        masked: Bool (N, L), patches that ``mask_token`` (d,) stands for.
        mask_token: See ``masked``.
    """
    net = backbone.net
    x = net.patch_embed(images)  # (N, rows, cols, d): the nets are built for any image size
    if masked is not None and mask_token is not None:
        x = torch.where(masked.view(*x.shape[:3], 1), mask_token.to(x.dtype), x)
    rope: Tensor | None = None
    if isinstance(net, Eva):
        x, rope = net._pos_embed(x)
    else:
        x = net._pos_embed(x)
    prefix = int(net.num_prefix_tokens)
    if keep is not None:
        x = torch.cat([x[:, :prefix], _chosen(x[:, prefix:], keep)], dim=1)
        if rope is not None:  # positions go with their tokens; one axis for the heads
            rope = rope[keep][:, None]
    x = net.norm_pre(x)
    x = _blocks(net, x, rope)
    x = net.norm(x)
    return Encoded(x[:, :prefix], x[:, prefix:], net.cls_token is not None)


def _blocks(net: nn.Module, x: Tensor, rope: Tensor | None) -> Tensor:
    blocks = net.get_submodule("blocks").children()
    for block in blocks:
        x = block(x) if not isinstance(net, Eva) else block(x, rope=rope)
    return x


def _chosen(tokens: Tensor, keep: Tensor) -> Tensor:
    """(N, L, d) to (N, K, d)."""
    return tokens.gather(1, keep[:, :, None].expand(-1, -1, tokens.shape[-1]))
