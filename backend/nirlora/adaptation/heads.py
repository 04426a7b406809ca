"""The projection head of DINO and iBOT: features to scores of prototypes.

Source: Caron et al. 2021, DINO, arXiv:2104.14294; Oquab et al. 2023, DINOv2, arXiv:2304.07193.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def in_float32(x: Tensor) -> torch.autocast:
    """A context without autocast on the device of ``x``; a plan's tensors, on ``meta``, have none."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


class DinoHead(nn.Module):
    """Three linear layers, a normalised bottleneck, and one weight-normalised vector per prototype.

    Args:
        width: Of the features, d.
        hidden: Of the layers between.
        bottleneck: Of the normalised vector.
        prototypes: Number of scores, K.
    """

    def __init__(self, width: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.direction = nn.Parameter(torch.empty(prototypes, bottleneck))
        self.gain = nn.Parameter(torch.ones(prototypes, 1))
        nn.init.kaiming_uniform_(self.direction, a=5**0.5)

    def forward(self, features: Tensor) -> Tensor:
        """(..., d) to scores (..., K)."""
        z = functional.normalize(self.mlp(features).float(), dim=-1, eps=1e-6)
        weight = self.gain * functional.normalize(self.direction, dim=-1)
        with in_float32(z):  # temperatures of 0.04 divide them
            return functional.linear(z, weight)

    def last_layer(self) -> tuple[nn.Parameter, ...]:
        """What is held still at the start of a run."""
        return self.direction, self.gain
