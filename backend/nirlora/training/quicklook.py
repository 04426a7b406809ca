"""Pictures for the report: a part of each training raster beside its labels and the model's map of it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nirlora.bands import ChannelReader
from nirlora.inference.blend import RowBlender
from nirlora.models.logits import class_logits, to_raster
from nirlora.models.segmenter import Segmenter
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import TileGrid, Window
from nirlora.training.config import Recipe
from nirlora.training.report import QuickLook
from nirlora.vector.items import LabelSource

if TYPE_CHECKING:
    from nirlora.training.run import Setup

SIDE_PX = 512
MAX_LOOKS = 2


def quick_looks(
    setup: Setup, model: Segmenter, recipe: Recipe, device: torch.device
) -> tuple[QuickLook, ...]:
    """One picture for each of the first rasters, where their labels (held-out ones first) are densest."""
    looks = []
    rows = zip(setup.readers, setup.data.labels, setup.data.split.val, strict=True)
    for reader, labels, held_out in list(rows)[:MAX_LOOKS]:
        window = _busiest(labels, held_out, reader)
        image, valid = reader.read(window)
        prediction = predict_window(model, reader, window, recipe, device)
        prediction[~valid] = NO_CLASS
        image[:, ~valid] = np.nan
        name = PurePath(reader.source.path).name
        looks.append(
            QuickLook(
                title=f"{name}, {window.width} x {window.height} of {reader.source.width} x "
                f"{reader.source.height} px",
                image=image,
                labels=labels.rasterise(window),
                prediction=prediction,
                held_out=labels.rasterise(window, held_out) != NO_CLASS if held_out else None,
            )
        )
    return tuple(looks)


@torch.inference_mode()
def predict_window(
    model: Segmenter, reader: ChannelReader, window: Window, recipe: Recipe, device: torch.device
) -> NDArray[np.uint8]:
    """Class values ``(rows, cols)`` of a window of moderate size, blended as in segmenting."""
    model.eval().to(device)
    side = recipe.chip_px
    grid = TileGrid.cover(window.width, window.height, side, side // 4, multiple=side)
    blender = RowBlender(grid, device)
    out = np.full((window.height, window.width), NO_CLASS, np.uint8)
    for tile in grid:
        where = tile.shift(window.col_off, window.row_off)
        x, _ = reader.read(where, (recipe.input_px, recipe.input_px))
        logits = class_logits(model(torch.from_numpy(x)[None].to(device)).float())
        raster = to_raster(logits, (side, side))[0]
        done, block = blender.add(raster)
        if block is not None:
            rows, cols = done.slices
            out[rows, cols] = block.argmax(0).to(torch.uint8).cpu().numpy()
    return out


def _busiest(labels: LabelSource, held_out: frozenset[int], reader: ChannelReader) -> Window:
    """The window of at most ``SIDE_PX`` a side around the labels, with most labelled pixels."""
    width, height = min(SIDE_PX, reader.source.width), min(SIDE_PX, reader.source.height)
    items = [i for i in labels.items if i.group in held_out] or list(labels.items)
    centres = np.array(
        [(i.window.col_off + i.window.width / 2, i.window.row_off + i.window.height / 2) for i in items]
    )
    weights = np.array([min(i.pixels, 4096) for i in items], float)
    candidates = centres[np.argsort(-weights)[:200]]
    inside = (np.abs(candidates[:, None] - centres[None]) < (width / 2, height / 2)).all(2)
    col, row = candidates[int((inside * weights).sum(1).argmax())]
    return Window(
        int(np.clip(col - width / 2, 0, reader.source.width - width)),
        int(np.clip(row - height / 2, 0, reader.source.height - height)),
        width,
        height,
    )
