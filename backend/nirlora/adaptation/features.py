"""What a backbone tells apart, as a picture: the first three principal components of its patch features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nirlora.adaptation.rasters import Coverage, RasterPool
from nirlora.models.backbones import Backbone
from nirlora.raster.grid import Window
from nirlora.raster.resample import resample
from nirlora.training.report import picture

_SIDE_CHIPS = 2
MAX_LOOKS = 2


@dataclass(frozen=True)
class FeatureLook:
    """A part of a raster and its features.

    Attributes:
        title: Name and size.
        image: Input (C, rows, cols) in model pixels, NaN where there is nothing.
        before: Picture (rows / p, cols / p, 3) of the features that the run started with.
        after: Of those it ended with; None until then.
    """

    title: str
    image: NDArray[np.float32]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8] | None = None


def read_looks(pool: RasterPool, chip_px: int, input_px: int) -> list[tuple[str, NDArray[np.float32]]]:
    """Title and input (C, side, side) of a part of each of the first rasters, NaN where invalid."""
    looks = []
    side = _SIDE_CHIPS * input_px
    for index, coverage in enumerate(pool.data.coverage[:MAX_LOOKS]):
        if not len(coverage.cells):
            continue
        reader = pool.reader(index)
        window = _middle(coverage, _SIDE_CHIPS * chip_px)
        x, valid = resample(*reader.read(window), (side, side))
        x[:, ~valid] = np.nan
        looks.append((f"{reader.source.path}, {window.width} x {window.height} px", x))
    return looks


@torch.inference_mode()
def feature_picture(backbone: Backbone, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture (rows / p, cols / p, 3) of the features of an input (C, rows, cols)."""
    device = next(backbone.parameters()).device
    training = backbone.training
    features = backbone.eval()(torch.from_numpy(np.nan_to_num(image))[None].to(device))[0].float().cpu()
    backbone.train(training)
    flat = features.flatten(1).double()
    flat = flat - flat.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(flat @ flat.T)
    top = vectors[:, -3:].flip(1)
    top = top * torch.sign(top.gather(0, top.abs().argmax(0, keepdim=True)))  # else the sign is by chance
    parts = (top.T @ flat).view(3, *features.shape[1:])
    return picture(parts.numpy())


def _middle(coverage: Coverage, side: int) -> Window:
    """A window around the cell nearest to the middle of all valid ones, moved into the raster."""
    cells = coverage.cells.astype(float)
    centre = cells[np.abs(cells - np.median(cells, axis=0)).sum(1).argmin()] + 0.5
    starts = []
    for at, size, count in zip(centre, coverage.size, coverage.grid, strict=True):
        inside = size - side
        start = int(at * size / count - side / 2)
        starts.append(min(max(start, 0), inside) if inside >= 0 else inside // 2)
    return Window(starts[0], starts[1], side, side)
