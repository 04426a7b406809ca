"""A transformer block taken apart into its two residual halves, so that modules can run beside them."""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.models import eva, swin_transformer, vision_transformer, vision_transformer_sam
from torch import nn

from nirlora.errors import OptionError

_KNOWN = (
    vision_transformer.Block,
    eva.EvaBlock,
    swin_transformer.SwinTransformerBlock,
    vision_transformer_sam.Block,
)


class BranchedBlock(nn.Module):
    """A pre-norm block with branches beside attention, MLP or both.

    ``x' = x + attention(LN1(x)) + attn_branch(u)`` with ``u = x``, or ``LN1(x)`` for normed input;
    ``y = x' + mlp(LN2(x')) + mlp_branch(u')`` likewise; ``y + block_branch(x)``.

    Args:
        base: A block of timm's ViT, Eva, Swin or SAM.
        attn: Branch beside attention.
        mlp: Branch beside the MLP.
        block: Branch beside the whole block; always sees the block's own input.
        normed: Whether branches see what their half sees, or the residual stream.

    Raises:
        OptionError: The block is of another kind.
    """

    def __init__(
        self,
        base: nn.Module,
        *,
        attn: nn.Module | None = None,
        mlp: nn.Module | None = None,
        block: nn.Module | None = None,
        normed: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(base, _KNOWN):
            raise OptionError(
                f"Nothing can be put beside a block of type {type(base).__name__}.",
                hint="Choose another adapter, for example lora.",
            )
        self.base = base
        self.attn_branch, self.mlp_branch, self.block_branch = attn, mlp, block
        self.normed = normed

    def forward(self, x: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """As the block's own."""
        block = cast(Any, self.base)
        h = block.norm1(x)
        y = x + _attention(block, h, kwargs)
        if self.attn_branch is not None:
            y = y + self.attn_branch(h if self.normed else x)
        h = block.norm2(y)
        out: torch.Tensor = y + _mlp(block, h)
        if self.mlp_branch is not None:
            out = out + self.mlp_branch(h if self.normed else y)
        if self.block_branch is not None:
            out = out + self.block_branch(x)
        return out


def _attention(block: Any, h: torch.Tensor, kwargs: dict[str, Any]) -> torch.Tensor:
    """What the attention half adds to the residual stream, from normed tokens."""
    out: torch.Tensor
    if isinstance(block, swin_transformer.SwinTransformerBlock):
        out = block._attn(h)
    elif isinstance(block, vision_transformer_sam.Block):
        out = _sam_attention(block, h)
    else:
        out = block.attn(h, **kwargs)
    if isinstance(block, eva.EvaBlock):
        out = out if block.gamma_1 is None else block.gamma_1 * out
    elif not isinstance(block, swin_transformer.SwinTransformerBlock):
        out = block.ls1(out)
    return cast(torch.Tensor, block.drop_path1(out))


def _mlp(block: Any, h: torch.Tensor) -> torch.Tensor:
    """What the MLP half adds, from normed tokens."""
    out: torch.Tensor = block.mlp(h)
    if isinstance(block, eva.EvaBlock):
        out = out if block.gamma_2 is None else block.gamma_2 * out
    elif not isinstance(block, swin_transformer.SwinTransformerBlock):
        out = block.ls2(out)
    return cast(torch.Tensor, block.drop_path2(out))


def _sam_attention(block: Any, h: torch.Tensor) -> torch.Tensor:
    """Attention of SAM, in windows or over the whole map (N, H, W, d)."""
    out: torch.Tensor
    if block.window_size == 0:
        out = block.attn(h)
        return out
    rows, cols = h.shape[1:3]
    windows, padded = vision_transformer_sam.window_partition(h, block.window_size)
    out = vision_transformer_sam.window_unpartition(
        block.attn(windows), block.window_size, (rows, cols), padded
    )
    return out
