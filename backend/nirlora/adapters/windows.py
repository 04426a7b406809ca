"""A Swin block whose windows see more keys and values than their own: prompts."""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.models.swin_transformer import window_partition, window_reverse
from torch import nn
from torch.nn import functional


class PromptedSwinBlock(nn.Module):
    """timm's Swin block with extra keys and values in every window; queries are the window's tokens alone.

    Args:
        base: A ``SwinTransformerBlock``.
        prompts: Gives tokens (1, P, d), which become keys and values by the block's own norm and projection.
        key_values: Gives keys and values (1, heads, P', d / heads) each, as they are.
    """

    def __init__(
        self, base: nn.Module, *, prompts: nn.Module | None = None, key_values: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.base = base
        self.prompts, self.key_values = prompts, key_values

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, H, W, d) to the same."""
        block = cast(Any, self.base)
        x = x + block.drop_path1(self._shifted_windows(block.norm1(x)))
        out: torch.Tensor = x + block.drop_path2(block.mlp(block.norm2(x)))
        return out

    def _shifted_windows(self, x: torch.Tensor) -> torch.Tensor:
        """Attention in (shifted) windows of a map (N, H, W, d), as timm's ``_attn`` does it."""
        block = cast(Any, self.base)
        rows, cols = x.shape[1:3]
        down, right = block.shift_size
        x = torch.roll(x, shifts=(-down, -right), dims=(1, 2))
        x = functional.pad(x, (0, 0, 0, -cols % block.window_size[1], 0, -rows % block.window_size[0]))
        mask = block.get_attn_mask(x) if block.dynamic_mask else block.attn_mask
        windows = window_partition(x, block.window_size).flatten(1, 2)
        windows = self._attend(windows, mask).view(-1, *block.window_size, x.shape[-1])
        x = window_reverse(windows, block.window_size, x.shape[1], x.shape[2])[:, :rows, :cols]
        return torch.roll(x, shifts=(down, right), dims=(1, 2))

    def _attend(self, windows: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Windows (N * windows, area, d) attend to themselves and to the extra keys."""
        attention = cast(Any, self.base).attn
        q, k, v = _heads(attention.qkv(windows), attention.num_heads)
        bias = attention._get_rel_pos_bias()  # (1, heads, area, area)
        if mask is not None:
            every = mask.repeat(windows.shape[0] // mask.shape[0], 1, 1)
            bias = bias + every[:, None]
        extra = self._extra(attention)
        if extra is not None:
            keys, values = (e.expand(windows.shape[0], -1, -1, -1) for e in extra)
            k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
            bias = functional.pad(bias, (extra[0].shape[-2], 0))
        weights = attention.softmax((q * attention.scale) @ k.transpose(-2, -1) + bias)
        out: torch.Tensor = attention.proj((weights @ v).transpose(1, 2).flatten(2))
        return out

    def _extra(self, attention: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Keys and values (heads, P, d / heads) beyond the window's own."""
        keys, values = [], []
        if self.key_values is not None:
            k, v = self.key_values(1)
            keys.append(k[0])
            values.append(v[0])
        if self.prompts is not None:
            tokens = cast(Any, self.base).norm1(self.prompts(1))
            _, k, v = _heads(attention.qkv(tokens), attention.num_heads)
            keys.append(k[0])
            values.append(v[0])
        return (torch.cat(keys, 1), torch.cat(values, 1)) if keys else None


def _heads(qkv: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N, L, 3 d) to q, k and v (N, heads, L, d / heads) each."""
    count, length, width = qkv.shape
    q, k, v = qkv.view(count, length, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v
