"""Modules that several adapters share: the bottleneck, and how a module joins a layer in series."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import nn

Activation = Literal["relu", "gelu"]
_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class AdapterPart(nn.Module):
    """A module that an adapter adds, all of it: what the pretrained network owns is never inside.

    Parts alone follow train and eval mode (dropout), for the rest of a frozen backbone stays in eval mode;
    their parameters are trained, and their buffers are stored with them.
    """


class Bottleneck(AdapterPart):
    """``up(dropout(act(down(u))))`` of tokens (..., d); starts at zero, for ``up`` does."""

    def __init__(
        self,
        dim: int,
        width: int,
        *,
        activation: Activation = "relu",
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.down = nn.Linear(dim, width, bias=bias)
        self.act = _ACTIVATIONS[activation]()
        self.drop = nn.Dropout(dropout)
        self.up = nn.Linear(width, dim, bias=bias)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)
        if bias:
            nn.init.zeros_(self.down.bias)
            nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., d) to (..., d)."""
        out: torch.Tensor = self.up(self.drop(self.act(self.down(x))))
        return out


class Scaled(AdapterPart):
    """A part times a number that is fixed, or learnt from there."""

    def __init__(self, part: nn.Module, scale: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.part = part
        self.scale: nn.Parameter | float = nn.Parameter(torch.tensor(scale)) if learnable else scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., d) to (..., d)."""
        out: torch.Tensor = self.scale * self.part(x)
        return out


class Serial(nn.Module):
    """A layer of the network with a part behind it: ``h + part(h)`` of the layer's output ``h``."""

    def __init__(self, base: nn.Module, part: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.part = part

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the layer's own."""
        h: torch.Tensor = self.base(*args, **kwargs)
        out: torch.Tensor = h + self.part(h)
        return out


def put_behind(block: nn.Module, site: str, part: nn.Module) -> None:
    """Put ``part`` in series behind a block's attention projection (``attn``) or its MLP (``mlp``).

    Both before the residual addition, and before LayerScale where the block has it.
    """
    owner, name = (block.get_submodule("attn"), "proj") if site == "attn" else (block, "mlp")
    setattr(owner, name, Serial(owner.get_submodule(name), part))
