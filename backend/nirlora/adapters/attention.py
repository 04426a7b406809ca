"""Attention of a ViT with more keys and values than it has tokens."""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.layers import apply_rot_embed_cat
from torch import nn
from torch.nn import functional


class PromptedAttention(nn.Module):
    """timm's attention (of ViT or Eva) with learnt keys and values in front of those of the tokens.

    Args:
        base: The attention module; its projections are used as they are.
        key_values: Gives keys and values (N, heads, P, d / heads) each, of N images.
    """

    def __init__(self, base: nn.Module, key_values: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.key_values = key_values

    def forward(self, x: torch.Tensor, rope: torch.Tensor | None = None, **_: Any) -> torch.Tensor:
        """(N, L, d) to the same; masks are not supported, for no backbone here has any."""
        base = cast(Any, self.base)
        q, k, v = self._projected(x)
        if rope is not None:
            q, k = (self._rotated(t, rope).type_as(v) for t in (q, k))
        keys, values = (t.to(v.dtype) for t in self.key_values(x.shape[0]))
        k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        if base.fused_attn:
            out = functional.scaled_dot_product_attention(q, k, v)
        else:
            out = ((q * base.scale) @ k.transpose(-2, -1)).softmax(dim=-1) @ v
        out = base.norm(out.transpose(1, 2).flatten(2))
        if base.gate is not None:
            out = out * base.gate(x).sigmoid()
        projected: torch.Tensor = base.proj(out)
        return projected

    def _projected(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """q, k and v (N, heads, L, d / heads)."""
        base = cast(Any, self.base)
        qkv = base.qkv(x)
        if getattr(base, "q_bias", None) is not None:  # Eva keeps it outside of the layer
            qkv = qkv + torch.cat((base.q_bias, base.k_bias, base.v_bias))
        count, length, _ = x.shape
        q, k, v = qkv.view(count, length, 3, base.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return base.q_norm(q), base.k_norm(k), v

    def _rotated(self, tokens: torch.Tensor, rope: torch.Tensor) -> torch.Tensor:
        """Rotary positions for all but the tokens in front."""
        base = cast(Any, self.base)
        first = base.num_prefix_tokens
        rotated = apply_rot_embed_cat(tokens[:, :, first:], rope, half=base.rotate_half)
        return torch.cat([tokens[:, :, :first], rotated], dim=2)
