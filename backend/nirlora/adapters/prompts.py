"""Prompts: learnt tokens that stand between the prefix (class, register) tokens and the patches of a ViT."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from nirlora.adapters.parts import AdapterPart
from nirlora.models.backbones.base import Backbone


class Prompts(AdapterPart):
    """``count`` tokens of width ``dim``, uniform in +-sqrt(6 / (3 patch² + dim)), with dropout in training.

    The bounds are those of VPT's code: Xavier's for the patch embedding of three channels.
    """

    def __init__(self, count: int, dim: int, patch: int, dropout: float = 0.0) -> None:
        super().__init__()
        bound = math.sqrt(6.0 / (3 * patch * patch + dim))
        self.tokens = nn.Parameter(torch.empty(count, dim).uniform_(-bound, bound))
        self.drop = nn.Dropout(dropout)

    @property
    def count(self) -> int:
        """Number of tokens P."""
        return int(self.tokens.shape[0])

    def forward(self, images: int) -> torch.Tensor:
        """(N, P, d), dropped out for each of the N images by itself."""
        out: torch.Tensor = self.drop(self.shown().expand(images, -1, -1))
        return out

    def shown(self) -> torch.Tensor:
        """(P, d) before dropout."""
        return self.tokens


class PromptedBlock(nn.Module):
    """A ViT block in a row of blocks whose tokens are prefix, prompts, patches.

    Args:
        base: The block.
        prefix: Class and register tokens in front.
        count: Prompts P.
        prompts: Enter before this block; None: they are there already.
        gate: Made of the prompts after and before the block; None: those after it.
        leave: The prompts end behind this block.
    """

    def __init__(
        self,
        base: nn.Module,
        prefix: int,
        count: int,
        *,
        prompts: nn.Module | None = None,
        gate: nn.Module | None = None,
        leave: bool = False,
    ) -> None:
        super().__init__()
        self.base = base
        self.prefix, self.count = prefix, count
        self.prompts, self.gate = prompts, gate
        self.leave = leave
        attention: Any = base.get_submodule("attn")
        if hasattr(attention, "num_prefix_tokens"):  # tokens in front that rotary positions pass by
            attention.num_prefix_tokens = prefix + count

    def forward(self, x: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """As the block's own, with P tokens more or less as the arguments say."""
        first, last = self.prefix, self.prefix + self.count
        if self.prompts is not None:
            tokens = self.prompts(x.shape[0]).to(x.dtype)
            x = torch.cat([x[:, :first], tokens, x[:, first:]], dim=1)
        y: torch.Tensor = self.base(x, **kwargs)
        if self.leave:
            return torch.cat([y[:, :first], y[:, last:]], dim=1)
        if self.gate is not None:
            mixed = self.gate(y[:, first:last], x[:, first:last])
            y = torch.cat([y[:, :first], mixed, y[:, last:]], dim=1)
        return y


def prefix_of(backbone: Backbone) -> int:
    """Class and register tokens in front of the patches."""
    return int(backbone.net.num_prefix_tokens)
