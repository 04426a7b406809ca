"""The images on which the exported model is compared: tiles of a raster, or noise where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from nirlora.bands import ChannelReader, InputTransform
from nirlora.errors import NirLoraError, RasterError
from nirlora.inference.options import PredictOptions
from nirlora.models.card import ModelCard
from nirlora.protocol import LayerRef
from nirlora.raster.source import open_raster

_TRIES = 8  # windows looked at for each chip wanted, so that a border of nodata yields none


@dataclass(frozen=True)
class Chips:
    """Model input ``(N, C, H, W)`` and where it comes from, in words."""

    images: torch.Tensor
    source: str
    warnings: tuple[str, ...] = ()


def find_chips(
    card: ModelCard, options: PredictOptions, layer: LayerRef | None = None, *, count: int = 8
) -> Chips:
    """Tiles spread over a raster.

    Args:
        card: Gives the transform, and the training rasters.
        options: Give the tiles.
        layer: The raster; None: the first training raster that is still there, else noise.
        count: Most chips; a small raster has fewer.

    Raises:
        NirLoraError: ``layer`` cannot be read or does not fit the model.
    """
    transform = InputTransform.from_dict(card.transform)
    if layer is not None:
        return _read(layer, transform, options, count)
    reasons = []
    for told in _training_layers(card):
        try:
            return _read(told, transform, options, count)
        except NirLoraError as error:
            reasons.append(error.message)
    why = reasons[0] if reasons else "The model does not say what it was trained on."
    return Chips(
        _noise(transform, options, count),
        "noise of the training range",
        (f"Compared on noise and not on a real raster: {why} Give one with --layer.",),
    )


def _training_layers(card: ModelCard) -> Iterator[LayerRef]:
    for told in card.training.get("layers", []):
        path = told.get("path") if isinstance(told, dict) else None
        if isinstance(path, str) and Path(path).is_file():
            yield LayerRef(path)


def _read(layer: LayerRef, transform: InputTransform, options: PredictOptions, count: int) -> Chips:
    with open_raster(layer) as source, closing(ChannelReader(source, transform)) as reader:
        grid = options.grid(source.width, source.height)
        windows = list(grid)
        tries = min(len(windows), _TRIES * count)
        spread = [windows[i * len(windows) // tries] for i in range(tries)]
        # Middle ones first: the edges of a raster often hold nothing.
        spread.sort(key=lambda w: abs(2 * w.row_off + grid.tile_h - source.height))
        images = []
        for window in spread:
            x, valid = reader.read(window, options.model_px(grid))
            if valid.any():
                images.append(torch.from_numpy(x))
            if len(images) == count:
                break
    if not images:
        raise RasterError(
            f"{layer.path} has no valid pixel in {tries} tiles looked at.", hint="Give another --layer."
        )
    return Chips(torch.stack(images), f"{len(images)} tiles of {layer.path}")


def _noise(transform: InputTransform, options: PredictOptions, count: int) -> torch.Tensor:
    """Smooth and rough parts in the range that 0 to 1 of training becomes."""
    side = options.model_px(options.grid(1, 1))
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, len(transform.channels), 8, 8, generator=generator)
    unit = torch.nn.functional.interpolate(coarse, side, mode="bilinear", align_corners=False)
    unit = unit + 0.1 * torch.randn(unit.shape, generator=generator)
    mean, std = (torch.from_numpy(transform.column(name)).float() for name in ("mean", "std"))
    return (unit - mean) / std
