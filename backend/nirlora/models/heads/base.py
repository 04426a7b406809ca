"""What every head is: features and the image in, logits at the image's resolution out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class HeadOptions:
    """What a head is built from.

    Attributes:
        dim: Feature channels d.
        stride: Image pixels per feature pixel.
        num_channels: Image channels C.
        num_classes: Classes K.
        aspp_rates: Dilations, for ``aspp``.
        stage_dims: Channels of the backbone's stages, for ``uper``; empty: one stage of ``dim``.
    """

    dim: int
    stride: int
    num_channels: int
    num_classes: int
    aspp_rates: tuple[int, ...] = (12, 24, 36)
    stage_dims: tuple[int, ...] = ()


@dataclass(frozen=True)
class HeadSpec:
    """One row of the head table.

    Attributes:
        name: What the user types.
        build: ``build(options)`` gives a module with ``forward(features (N, d, h, w), image (N, C, H, W))``
            returning logits (N, K, H, W).
        source: Where the design comes from.
        staged: The head wants the backbone's stages, a tuple of maps, in place of one map of features.
    """

    name: str
    build: Callable[[HeadOptions], nn.Module]
    source: str
    staged: bool = False
