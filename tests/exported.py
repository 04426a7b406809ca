"""Models with random weights on real transforms, for the tests of exporting."""

from __future__ import annotations

from pathlib import Path

import torch

from nirlora.bands import fit_transform
from nirlora.models.backbones import swin
from nirlora.models.bundle import write_bundle
from nirlora.models.card import ModelCard
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_segmenter
from nirlora.protocol import ClassInfo
from nirlora.raster.source import open_raster

CLASSES = (
    ClassInfo(0, "soil", "#aa7744"),
    ClassInfo(1, "crop", "#22bb33"),
    ClassInfo(2, "Bäume", "#116622"),
)


def disturbed(segmenter: Segmenter) -> Segmenter:
    """As if trained: every trainable tensor moves, and batch norms have seen data."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in segmenter.parameters():
            if p.requires_grad:
                p += 0.05 * torch.randn(p.shape, generator=generator)
        for name, buffer in segmenter.named_buffers():
            if "running" in name:
                buffer += 0.2 * torch.rand(buffer.shape, generator=generator)
    return segmenter


def shortened(segmenter: Segmenter) -> Segmenter:
    """The same network with fewer blocks: the exporter's time goes with their number."""
    net = segmenter.backbone.net
    if isinstance(segmenter.backbone, swin.SwinBackbone):
        for count, stage in zip((2, 1, 1, 1), net.layers, strict=True):  # the second one shifts its windows
            stage.blocks = stage.blocks[:count]
    else:
        net.blocks = net.blocks[:1]
    return segmenter


def make_model(path: Path, raster: Path, *, bands: str = "nir", zoom: float = 1.0, **config: object) -> Path:
    """A model file whose input is fitted to ``raster``, with logits that differ from pixel to pixel."""
    with open_raster(raster) as source:
        transform = fit_transform([source], bands)
    settings = {"backbone": "vit-demo", "pretrained": False, "head": "linear", "num_classes": len(CLASSES)}
    count = len(transform.channels)
    chosen = ModelConfig(**settings | {"num_channels": count, "channel_roles": transform.roles} | config)
    segmenter = disturbed(build_segmenter(chosen))
    card = ModelCard(
        classes=CLASSES[: max(chosen.num_classes, 2)],
        model=segmenter.config,
        transform=transform.with_normalisation(*segmenter.normalisation).to_dict(),
        zoom=zoom,
        chip_px=24,
        training={"layers": [{"path": str(raster)}]},
    )
    return write_bundle(path, card, segmenter.trainable_state())
