"""UPerNet's head: pooled context on the deepest stage, then a pyramid over all stages.

With Swin it is the decoder of TransDA and of most published segmentation with Swin. Behind a plain ViT, which
has one stage, what remains is the pooled context and one convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from nirlora.models.heads.aspp import PoolNorm
from nirlora.models.heads.base import HeadOptions, HeadSpec

CHANNELS = 512
POOLS = (1, 2, 3, 6)
_DROPOUT = 0.1


def conv_block(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU; the size stays."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UPerHead(nn.Module):
    """Lateral 1 x 1 convolutions, a top-down sum, and one 3 x 3 convolution over all levels.

    The stages are first normalised over their channels, without weights: the published network has a
    trained LayerNorm behind each stage.
    """

    def __init__(self, options: HeadOptions) -> None:
        super().__init__()
        dims = options.stage_dims or (options.dim,)
        self.pools = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(dims[-1], CHANNELS, 1, bias=False), PoolNorm(CHANNELS, eps=1e-5), nn.ReLU()
            )
            for _ in POOLS
        )
        self.context = conv_block(dims[-1] + len(POOLS) * CHANNELS, CHANNELS)
        self.laterals = nn.ModuleList(conv_block(dim, CHANNELS, 1) for dim in dims[:-1])
        self.levels = nn.ModuleList(conv_block(CHANNELS, CHANNELS) for _ in dims[:-1])
        self.fuse = conv_block(len(dims) * CHANNELS, CHANNELS)
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.classifier = nn.Conv2d(CHANNELS, options.num_classes, kernel_size=1)

    def forward(self, features: torch.Tensor | Sequence[torch.Tensor], image: torch.Tensor) -> torch.Tensor:
        """Logits (N, K, H, W) of stages (N, d_i, h_i, w_i); of the image only the size is used."""
        stages = (features,) if isinstance(features, torch.Tensor) else tuple(features)
        if len(stages) > 1:
            stages = tuple(_normalised(s) for s in stages)
        deepest = stages[-1]
        pooled = [
            _resize(convolve(_pool(deepest, size)), deepest)
            for size, convolve in zip(POOLS, self.pools, strict=True)
        ]
        maps = [lateral(s) for lateral, s in zip(self.laterals, stages[:-1], strict=True)]
        maps.append(self.context(torch.cat([deepest, *pooled], dim=1)))
        for i in range(len(maps) - 1, 0, -1):
            maps[i - 1] = maps[i - 1] + _resize(maps[i], maps[i - 1])
        levels = [convolve(m) for convolve, m in zip(self.levels, maps[:-1], strict=True)] + maps[-1:]
        joined = self.fuse(torch.cat([_resize(m, levels[0]) for m in levels], dim=1))
        logits: torch.Tensor = self.classifier(self.dropout(joined))
        return _resize(logits, image)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2)


def _resize(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _pool(x: torch.Tensor, size: int) -> torch.Tensor:
    """Adaptive average pooling to ``size`` x ``size``, as two products: exporters know it for no odd size."""
    rows, cols = (_averages(n, size).to(x) for n in x.shape[-2:])
    return torch.einsum("ph,nchw,qw->ncpq", rows, x, cols)


def _averages(length: int, size: int) -> torch.Tensor:
    """(size, length): row i averages the pixels from floor(i n / s) to ceil((i + 1) n / s)."""
    weights = torch.zeros(size, length)
    for i in range(size):
        start, stop = i * length // size, -(-(i + 1) * length // size)
        weights[i, start:stop] = 1.0 / (stop - start)
    return weights


SPEC = HeadSpec(
    "uper",
    UPerHead,
    "Xiao et al. 2018, UPerNet, arXiv:1807.10221; widths and pools as in TransDA, arXiv:2203.07988",
    staged=True,
)
