"""From what a network puts out to one logit per class and raster pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def class_logits(logits: Tensor) -> Tensor:
    """Return one logit per class: a single-logit (binary) output ``l`` becomes ``[0, l]``.

    Softmax of ``[0, l]`` is the sigmoid of ``l``, and its cross-entropy is binary cross-entropy with
    logits, so binary models need no second code path. Shapes ``(N, 1 or K, H, W) -> (N, K, H, W)``.
    """
    if logits.shape[1] > 1:
        return logits
    return torch.cat((torch.zeros_like(logits), logits), dim=1)


def to_raster(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize logits ``(N, K, h, w)`` of model pixels to ``size`` (rows, cols) raster pixels, bilinear."""
    if tuple(logits.shape[-2:]) == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
