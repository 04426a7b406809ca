"""One linear layer per token, then bilinear interpolation: the plainest probe of what the features hold."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nirlora.models.heads.base import HeadOptions, HeadSpec


class LinearHead(nn.Module):
    """A 1 x 1 convolution and bilinear upsampling."""

    def __init__(self, options: HeadOptions) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(options.dim, options.num_classes, kernel_size=1)

    def forward(self, features: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Logits (N, K, H, W) of features (N, d, h, w); of the image only the size is used."""
        logits: torch.Tensor = self.classifier(features)
        return functional.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)


SPEC = HeadSpec("linear", LinearHead, "common practice")
