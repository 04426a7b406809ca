"""Chips of unlabelled rasters and views of them, drawn on the fly from windows; nothing is exported to disk.

A batch is a pure function of (seed, step), so that a resumed run sees what an uninterrupted one would have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nirlora.adaptation.rasters import RasterPool
from nirlora.raster.grid import Window
from nirlora.raster.resample import resample
from nirlora.training.augment import AugmentConfig, jitter, orient

_TRIES = 8
_ENOUGH = 0.9  # share of a chip that should be valid; the best of some tries counts
_PARTS = 32  # of a chip, drawn until one shows something
_ASPECT = (3 / 4, 4 / 3)

Image = tuple[NDArray[np.float32], NDArray[np.bool_]]  # (C, h, w) standardised, validity (h, w)


@dataclass(frozen=True)
class ViewSpec:
    """How a view is made of a chip: side in model pixels, share of the chip's area, changes of light."""

    side_px: int
    scale: tuple[float, float]
    augment: AugmentConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]


class ChipSource:
    """Draws chips, every valid pixel of all rasters about as often; used from one thread at a time."""

    def __init__(self, pool: RasterPool, chip_px: int) -> None:
        self.pool = pool
        self.chip_px = chip_px
        area = np.array([c.valid_px for c in pool.data.coverage], float)
        self._share = area / area.sum()

    def draw(self, rng: np.random.Generator) -> Image:
        """One chip of ``chip_px`` raster pixels a side; pixels without a value are 0 and invalid."""
        best: Image | None = None
        for _ in range(_TRIES):
            index = int(rng.choice(len(self._share), p=self._share))
            window = self._window(rng, index)
            image = self.pool.reader(index).read(window)
            if best is None or image[1].mean() > best[1].mean():
                best = image
            if best[1].mean() >= _ENOUGH:
                break
        if best is None:  # there is at least one try
            raise RuntimeError("no chip was read")
        return best

    def _window(self, rng: np.random.Generator, index: int) -> Window:
        coverage = self.pool.data.coverage[index]
        cell = coverage.cells[int(rng.integers(len(coverage.cells)))]
        starts = []
        for at, size, count in zip(cell, coverage.size, coverage.grid, strict=True):
            pixel = (int(at) + rng.random()) * size / count
            start = int(pixel - rng.random() * self.chip_px)
            inside = size - self.chip_px
            starts.append(min(max(start, 0), inside) if inside >= 0 else inside // 2)
        return Window(starts[0], starts[1], self.chip_px, self.chip_px)


def view(chip: Image, spec: ViewSpec, rng: np.random.Generator) -> Image:
    """A random part of a chip at another size, turned, mirrored and in other light.

    A part without a valid pixel, of which nothing can be learnt, is drawn again a number of times.
    """
    x, valid = chip
    for _ in range(_PARTS):
        rows, cols = _part(valid.shape, spec.scale, rng)
        if valid[rows, cols].any():
            break
    x, valid = resample(x[:, rows, cols], valid[rows, cols], (spec.side_px, spec.side_px))
    if spec.augment.gain or spec.augment.offset:
        mean, std = np.asarray(spec.mean, np.float32), np.asarray(spec.std, np.float32)
        jitter(x, mean, std, rng, spec.augment)
        x[:, ~valid] = 0.0
    if spec.augment.orientation:
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        x, valid = orient(x, turns, flip).copy(), orient(valid, turns, flip).copy()
    return x, valid


def patch_validity(valid: NDArray[np.bool_], patch: int) -> NDArray[np.bool_]:
    """(H, W) to (L,): patches without an invalid pixel, row by row."""
    rows, cols = valid.shape[0] // patch, valid.shape[1] // patch
    whole: NDArray[np.bool_] = valid.reshape(rows, patch, cols, patch).all(axis=(1, 3)).ravel()
    return whole


def _part(
    shape: tuple[int, ...], scale: tuple[float, float], rng: np.random.Generator
) -> tuple[slice, slice]:
    """Rows and columns of a random part: ``scale`` of the area, sides between 3:4 and 4:3."""
    height, width = shape
    area = rng.uniform(*scale) * height * width
    aspect = np.exp(rng.uniform(*np.log(_ASPECT)))
    rows = int(np.clip(round(np.sqrt(area / aspect)), 1, height))
    cols = int(np.clip(round(np.sqrt(area * aspect)), 1, width))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - cols + 1))
    return slice(top, top + rows), slice(left, left + cols)
