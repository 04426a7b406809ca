"""LoRand: serial bottlenecks whose two projections are sums of low-rank products that share their kernels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from nirlora.adapters.base import AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.options import within
from nirlora.adapters.parts import AdapterPart, put_behind
from nirlora.models.backbones.base import Backbone, width_of


@dataclass(frozen=True)
class LoRandOptions(AdapterOptions):
    """Options of LoRand.

    Attributes:
        branches: Low-rank products in each projection, alpha in the paper (2, or 4 in its larger variants).
        kernel: Rank of each product, beta in the paper (8, or 16).
    """

    branches: int = within(2, 1, 64)
    kernel: int = within(8, 1, 512)


class LoRandAdapter(AdapterPart):
    """``up(gelu(down(h)))`` from d to d / 2 and back, ``down`` and ``up`` each a sum of ``P_i K_i Q_i``."""

    def __init__(self, dim: int, branches: int, kernel: int) -> None:
        super().__init__()
        hidden = max(1, dim // 2)

        def random(rows: int, cols: int) -> nn.Parameter:
            # keeps the size of what it is multiplied with
            return nn.Parameter(torch.randn(branches, rows, cols) / rows**0.5)

        self.kernels = random(kernel, kernel)
        self.down_left, self.down_right = random(dim, kernel), random(kernel, hidden)
        self.up_left = random(hidden, kernel)
        self.up_right = nn.Parameter(torch.zeros(branches, kernel, dim))
        self.down_bias = nn.Parameter(torch.zeros(hidden))
        self.up_bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., d) to (..., d)."""
        h = functional.gelu(x @ self._weight(self.down_left, self.down_right) + self.down_bias)
        return h @ self._weight(self.up_left, self.up_right) + self.up_bias

    def _weight(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return (left @ self.kernels @ right).sum(0)


def apply(backbone: Backbone, options: LoRandOptions) -> None:
    """Put an adapter behind attention and one behind the MLP of every chosen block."""
    for _, block in blocks_of(backbone, options.blocks):
        for site in ("attn", "mlp"):
            put_behind(block, site, LoRandAdapter(width_of(block), options.branches, options.kernel))


SPEC = AdapterSpec(
    name="lorand",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=LoRandOptions(),
    source="Yin et al. 2023, 1% vs 100%: Parameter-efficient low rank adapter for dense predictions, CVPR",
    licence="",
    inferred="there is no public code: the sharing of kernels between down and up, GELU and the sizes follow "
    "descriptions of the paper; the start (all random but the last factor, which is zero) is ours",
    merges=False,
)
