"""The auxiliary head: one convolution on an inner stage, so that the stage itself must tell the classes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nirlora.models.heads.uper import conv_block

CHANNELS = 256
WEIGHT = 0.4  # of its cross-entropy, beside the head's 1
_DROPOUT = 0.1


class AuxiliaryHead(nn.Module):
    """3 x 3 convolution, batch norm, ReLU, dropout and a classifier; used in training alone."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.convolve = conv_block(channels, CHANNELS)
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.classifier = nn.Conv2d(CHANNELS, num_classes, kernel_size=1)

    def forward(self, features: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Logits (N, K, *size) of features (N, C, h, w)."""
        logits = self.classifier(self.dropout(self.convolve(features)))
        return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
