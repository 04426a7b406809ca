"""Models with random weights on real transforms, for the tests of exporting."""

from __future__ import annotations

from pathlib import Path

import torch

from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.models.bundle import write_bundle
from nirlora.models.card import ModelCard
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_segmenter
from nirlora.protocol import ClassInfo
from nirlora.raster.grid import Window
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


def balance(segmenter: Segmenter, transform: InputTransform, raster: Path) -> None:
    """Shift the logits so that no class wins everywhere."""
    with open_raster(raster) as source, torch.no_grad():
        rows, cols = (n // segmenter.patch * segmenter.patch for n in (source.height, source.width))
        x, _ = ChannelReader(source, transform).read(Window(0, 0, cols, rows))
        logits = segmenter.eval()(torch.from_numpy(x)[None])
        segmenter.head.classifier.bias -= logits.mean((0, 2, 3))


def make_model(path: Path, raster: Path, *, bands: str = "nir", zoom: float = 1.0, **config: object) -> Path:
    """A model file whose input is fitted to ``raster``, with logits that differ from pixel to pixel."""
    with open_raster(raster) as source:
        transform = fit_transform([source], bands)
    settings = {"backbone": "vit-demo", "pretrained": False, "head": "linear", "num_classes": len(CLASSES)}
    count = len(transform.channels)
    chosen = ModelConfig(**settings | {"num_channels": count, "channel_roles": transform.roles} | config)
    segmenter = disturbed(build_segmenter(chosen))
    transform = transform.with_normalisation(*segmenter.normalisation)
    balance(segmenter, transform, raster)
    card = ModelCard(
        classes=CLASSES[: max(chosen.num_classes, 2)],
        model=segmenter.config,
        transform=transform.to_dict(),
        zoom=zoom,
        chip_px=24,
        training={"layers": [{"path": str(raster)}]},
    )
    return write_bundle(path, card, segmenter.trainable_state())
