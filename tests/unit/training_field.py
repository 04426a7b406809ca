"""A tiny labelled field for training tests: the NIR value tells the class, up to a little noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.make_data import grid_transform, make_polygons, make_raster, pixel_box

LEVELS = {"soil": 1000, "crop": 5000, "tree": 9000}


@dataclass(frozen=True)
class Field:
    raster: Path
    labels: Path
    truth: np.ndarray  # (rows, cols) index into sorted class names
    names: tuple[str, ...]


def make_field(folder: Path, *, rows: int = 96, cols: int = 144, name: str = "field", seed: int = 0) -> Field:
    """Vertical stripes of three classes; each class has one polygon in each of several places."""
    names = tuple(sorted(LEVELS))
    truth = (np.arange(cols) // 16 % 3)[None, :].repeat(rows, 0)
    rng = np.random.default_rng(seed)
    values = np.array([LEVELS[n] for n in names])[truth] + rng.normal(0, 200, truth.shape)
    raster = make_raster(
        folder / f"{name}.tif", values.clip(1).astype("uint16"), descriptions=("NIR",), nodata=0
    )
    transform = grid_transform()
    boxes = [
        (pixel_box(transform, 16 * stripe + 3, row, 9, 9), {"class": names[stripe % 3]})
        for stripe in range(cols // 16)
        for row in range(5, rows - 12, 32)
    ]
    labels = make_polygons(folder / f"{name}_training.gpkg", boxes)
    return Field(raster, labels, truth, names)
