"""The families of backbones as narrow networks of two blocks, to try every adapter on all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import timm

from nirlora.models import segmenter
from nirlora.models.backbones import Backbone, backbone_spec, build_backbone
from nirlora.models.backbones.sam import SamBackbone
from nirlora.models.backbones.swin import SwinBackbone
from nirlora.models.backbones.vit import ViTBackbone


def small_backbone(name: str) -> Backbone:
    """As :func:`build_backbone`, but 48 channels wide and two blocks deep (Swin: five, of 48 to 384)."""
    spec = backbone_spec(name)
    if not spec.timm_name:
        backbone = build_backbone(name)
        backbone.net.blocks = backbone.net.blocks[:2]
        return backbone
    if spec.family == "swin":
        swin = timm.create_model(
            spec.timm_name,
            num_classes=0,
            strict_img_size=False,
            embed_dim=48,
            depths=(2, 1, 1, 1),  # the second block shifts its windows
            num_heads=(1, 2, 4, 8),
        )
        return SwinBackbone(replace(spec, dim=48 * 14), swin)
    size = {"num_classes": 0, "embed_dim": 48, "depth": 2, "num_heads": 3}
    if spec.family == "sam":
        sam = timm.create_model(spec.timm_name, **size, neck_chans=32, global_attn_indexes=(1,))
        return SamBackbone(replace(spec, dim=32), sam)
    vit = timm.create_model(spec.timm_name, **size, dynamic_img_size=True)
    return ViTBackbone(replace(spec, dim=48), vit)


def use_small_backbones(patch: pytest.MonkeyPatch) -> None:
    """Let every segmenter be built, and read from a file, with such a network."""
    patch.setattr(segmenter, "build_backbone", small_backbone)
