"""Who tells source features from target features: TransDA's two discriminators.

``D`` is what the adversarial term plays against, ``Dis`` a plain domain classifier whose answer only weighs
pixels. Both look at one stage of the backbone: the last but one of a hierarchical network (stride 16 in
Swin), the tokens of a plain ViT.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

_SLOPE = 0.2


class Discriminator(nn.Module):
    """Three 3 x 3 convolutions, C -> C -> C/2 -> outputs.

    Args:
        channels: C of the features.
        num_classes: 0: one probability of being source. K: 2K logits, K of "target, class k" and then K of
            "source, class k".
    """

    def __init__(self, channels: int, num_classes: int = 0) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(channels, channels // 2, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
        )
        self.classifier = nn.Conv2d(channels // 2, 2 * num_classes or 1, 3, padding=1)

    def forward(self, features: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Features (N, C, h, w) to (N, 1, *size) probabilities, or (N, 2K, *size) logits.

        Source: TransDA upsamples after the sigmoid, with aligned corners.
        """
        out = self.classifier(self.trunk(features))
        if not self.num_classes:
            out = out.sigmoid()
        return functional.interpolate(out, size=size, mode="bilinear", align_corners=True)


def domain_stage(stages: Sequence[torch.Tensor]) -> torch.Tensor:
    """The stage that the discriminators and the auxiliary head look at."""
    return stages[-2] if len(stages) > 1 else stages[-1]


def domain_width(stage_dims: Sequence[int]) -> int:
    """Channels of :func:`domain_stage`."""
    return stage_dims[-2] if len(stage_dims) > 1 else stage_dims[-1]
