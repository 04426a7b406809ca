"""Plain Vision Transformers through timm, pretrained in many ways, and a small one for demos."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import timm
import torch
from timm.models import eva, vision_transformer
from torch import nn

from nirlora.models.backbones.base import HALF, IMAGENET_MEAN, IMAGENET_STD, Backbone, BackboneSpec


class ViTBackbone(Backbone):
    """Patch tokens of the last block as a map; class and register tokens are dropped."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, d, H / p, W / p)."""
        out = self.net.forward_intermediates(x, indices=1, norm=self.final_norm, intermediates_only=True)
        features: torch.Tensor = out[0]
        return features

    def translate(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """timm's own clean-up of published checkpoints (position grid, register tokens, old names)."""
        module = eva if isinstance(self.net, eva.Eva) else vision_transformer
        return dict(module.checkpoint_filter_fn(dict(state), self.net))


def build_vit(spec: BackboneSpec, options: tuple[str, ...]) -> Backbone:
    """Any timm ViT or Eva; position embeddings follow the size of the input."""
    return ViTBackbone(spec, timm.create_model(spec.timm_name, num_classes=0, dynamic_img_size=True))


def build_demo(spec: BackboneSpec, options: tuple[str, ...]) -> Backbone:
    """A small ViT that starts random, for demos and tests."""
    return _small(spec, img_size=64, depth=4, heads=4)


def build_own(spec: BackboneSpec, options: tuple[str, ...]) -> Backbone:
    """The network whose weights this project trains itself; 192 px are the chips of a training."""
    return _small(spec, img_size=192, depth=6, heads=3)


def _small(spec: BackboneSpec, img_size: int, depth: int, heads: int) -> ViTBackbone:
    net = vision_transformer.VisionTransformer(
        img_size=img_size,
        patch_size=spec.patch,
        embed_dim=spec.dim,
        depth=depth,
        num_heads=heads,
        num_classes=0,
        class_token=False,
        global_pool="",
        dynamic_img_size=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    return ViTBackbone(spec, net)


_AUGREG = "Steiner et al. 2021, How to train your ViT, arXiv:2106.10270 (ImageNet-21k)"
_MAE = "He et al. 2021, Masked Autoencoders, arXiv:2111.06377"
_DINO = "Caron et al. 2021, DINO, arXiv:2104.14294"
_DINOV2 = "Oquab et al. 2023, DINOv2, arXiv:2304.07193"
_DINOV3 = "Simeoni et al. 2025, DINOv3, arXiv:2508.10104"


# Commits on the hub whose files are known to others. What is not listed is pinned in the model's card by its
# first download.
_REVISIONS = {
    "dinov2-small": "4610ca143709d58a633b6397a74412c2c3842454",
    "dinov2-large": "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
    "dinov3-small": "3bf4720a82ec2066db88137180ff1f83a675cef0",
    "dinov3-base": "c6a5fb7d12bbd3cf3b0079253141c3332aaed7da",
}


def _spec(name: str, timm_name: str, patch: int, dim: int, source: str, licence: str) -> BackboneSpec:
    half = "augreg" in timm_name
    satellite = "sat493m" in timm_name
    return BackboneSpec(
        name=name,
        timm_name=timm_name,
        patch=patch,
        stride=patch,
        dim=dim,
        mean=HALF if half else (0.430, 0.411, 0.296) if satellite else IMAGENET_MEAN,
        std=HALF if half else (0.213, 0.156, 0.143) if satellite else IMAGENET_STD,
        hub=f"timm/{timm_name}",
        revision=_REVISIONS.get(name, "main"),
        source=source,
        licence=licence,
        family="vit",
        build=build_vit,
    )


def _own(name: str, patch: int) -> BackboneSpec:
    return BackboneSpec(
        name=name,
        timm_name="",
        patch=patch,
        stride=patch,
        dim=192,
        mean=HALF,
        std=(0.25, 0.25, 0.25),
        hub="",
        revision="",
        source="this project; trained by packaging/pretrain.py on aerial red, green, blue and near-infrared",
        licence="GPL-2.0-or-later",
        family="vit",
        build=build_own,
        token_px=patch,  # its images had the size they have in rasters
    )


_V3 = "dinov3-license"

SPECS: tuple[BackboneSpec, ...] = (
    _spec("vit-tiny", "vit_tiny_patch16_224.augreg_in21k", 16, 192, _AUGREG, "apache-2.0"),
    _spec("vit-small", "vit_small_patch16_224.augreg_in21k", 16, 384, _AUGREG, "apache-2.0"),
    _spec("vit-base", "vit_base_patch16_224.augreg_in21k", 16, 768, _AUGREG, "apache-2.0"),
    _spec("vit-large", "vit_large_patch16_224.augreg_in21k", 16, 1024, _AUGREG, "apache-2.0"),
    _spec("mae-base", "vit_base_patch16_224.mae", 16, 768, _MAE, "cc-by-nc-4.0"),
    _spec("mae-large", "vit_large_patch16_224.mae", 16, 1024, _MAE, "cc-by-nc-4.0"),
    _spec("dino-small", "vit_small_patch16_224.dino", 16, 384, _DINO, "apache-2.0"),
    _spec("dino-base", "vit_base_patch16_224.dino", 16, 768, _DINO, "apache-2.0"),
    _spec("dinov2-small", "vit_small_patch14_dinov2.lvd142m", 14, 384, _DINOV2, "apache-2.0"),
    _spec("dinov2-base", "vit_base_patch14_dinov2.lvd142m", 14, 768, _DINOV2, "apache-2.0"),
    _spec("dinov2-large", "vit_large_patch14_dinov2.lvd142m", 14, 1024, _DINOV2, "apache-2.0"),
    _spec("dinov3-small", "vit_small_patch16_dinov3.lvd1689m", 16, 384, _DINOV3, _V3),
    _spec("dinov3-base", "vit_base_patch16_dinov3.lvd1689m", 16, 768, _DINOV3, _V3),
    _spec("dinov3-large", "vit_large_patch16_dinov3.lvd1689m", 16, 1024, _DINOV3, _V3),
    _spec("dinov3-large-sat", "vit_large_patch16_dinov3.sat493m", 16, 1024, _DINOV3, _V3),
    BackboneSpec(
        name="vit-demo",
        timm_name="",
        patch=8,
        stride=8,
        dim=128,
        mean=HALF,
        std=HALF,
        hub="",
        revision="",
        source="this project; starts from random weights",
        licence="GPL-2.0-or-later",
        family="vit",
        build=build_demo,
        pretrained=False,
    ),
    _own("nirlora-tiny", 8),
    _own("nirlora-tiny-16", 16),
)
