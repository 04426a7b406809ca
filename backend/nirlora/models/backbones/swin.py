"""Swin Transformers through timm.

The last stage of a Swin has one vector per 32 x 32 pixels, too coarse to draw a map from. Stages 2, 3 and 4
(strides 8, 16, 32) are therefore brought to stride 8 bilinearly and concatenated, each first normalised over
its channels (without weights: the stages' own scales differ by an order of magnitude). Nothing is learnt in
this step, so that every head finds the same kind of feature map as behind a ViT.
"""

from __future__ import annotations

from collections.abc import Mapping

import timm
import torch
from timm.models import swin_transformer
from torch.nn import functional

from nirlora.models.backbones.base import IMAGENET_MEAN, IMAGENET_STD, Backbone, BackboneSpec


class SwinBackbone(Backbone):
    """Stages 2-4 at stride 8; the input must be a multiple of 32."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, d2 + d3 + d4, H / 8, W / 8)."""
        return self.join(self.stages(x))

    def stages(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The four stages, strides 4, 8, 16 and 32, as they are."""
        return tuple(
            self.net.forward_intermediates(
                x, indices=(0, 1, 2, 3), norm=self.final_norm, intermediates_only=True
            )
        )

    def join(self, stages: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Stages 2-4, normalised and at the size of stage 2."""
        size = stages[1].shape[-2:]
        return torch.cat([_to_size(_normalised(s), size) for s in stages[1:]], dim=1)

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        return tuple(self.dim // 14 * factor for factor in (1, 2, 4, 8))

    def translate(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Old names and window sizes to timm's."""
        return dict(swin_transformer.checkpoint_filter_fn(dict(state), self.net))


def _normalised(x: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2)


def _to_size(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    if x.shape[-2:] == size:
        return x
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def build_swin(spec: BackboneSpec, options: tuple[str, ...]) -> Backbone:
    """timm's Swin for any input size."""
    return SwinBackbone(spec, timm.create_model(spec.timm_name, num_classes=0, strict_img_size=False))


def _spec(name: str, size: str, width: int) -> BackboneSpec:
    timm_name = f"swin_{size}_patch4_window7_224.ms_in22k"
    return BackboneSpec(
        name=name,
        timm_name=timm_name,
        patch=32,
        stride=8,
        dim=width * (2 + 4 + 8),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        hub=f"timm/{timm_name}",
        revision="main",
        source="Liu et al. 2021, Swin Transformer, arXiv:2103.14030 (ImageNet-22k)",
        licence="mit",
        family="swin",
        build=build_swin,
    )


SPECS: tuple[BackboneSpec, ...] = (
    _spec("swin-tiny", "tiny", 96),
    _spec("swin-small", "small", 96),
    _spec("swin-base", "base", 128),
)
