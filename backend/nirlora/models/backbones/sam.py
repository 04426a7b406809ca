"""The image encoder of Segment Anything through timm."""

from __future__ import annotations

from collections.abc import Mapping

import timm
import torch
from timm.models import vision_transformer_sam

from nirlora.models.backbones.base import IMAGENET_MEAN, IMAGENET_STD, Backbone, BackboneSpec


class SamBackbone(Backbone):
    """The 256 channels of the neck, whose norms are part of it: ``final_norm`` makes no difference here."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 256, H / 16, W / 16)."""
        features: torch.Tensor = self.net.forward_features(x)
        return features

    def translate(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Names of the original checkpoint (``image_encoder.``) to timm's."""
        return dict(vision_transformer_sam.checkpoint_filter_fn(dict(state), self.net))


def build_sam(spec: BackboneSpec, options: tuple[str, ...]) -> Backbone:
    """timm's SAM encoder; positions are resized to the input."""
    return SamBackbone(spec, timm.create_model(spec.timm_name, num_classes=0))


SPECS: tuple[BackboneSpec, ...] = (
    BackboneSpec(
        name="sam-base",
        timm_name="samvit_base_patch16.sa1b",
        patch=16,
        stride=16,
        dim=256,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        hub="timm/samvit_base_patch16.sa1b",
        revision="main",
        source="Kirillov et al. 2023, Segment Anything, arXiv:2304.02643",
        licence="apache-2.0",
        family="sam",
        build=build_sam,
    ),
)
