"""Tiny sets to classify: images and parcels of three kinds of surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.make_data import grid_transform, make_polygons, make_raster, pixel_box

KINDS = ("bare", "crop", "wood")


def texture(kind: str, rows: int, cols: int, rng: np.random.Generator) -> np.ndarray:
    """``(rows, cols)`` in 0..1: bright and smooth, striped, or dark and rough."""
    level, noise = {"bare": (0.8, 0.02), "crop": (0.5, 0.05), "wood": (0.2, 0.15)}[kind]
    values = level + rng.normal(0, noise, (rows, cols))
    if kind == "crop":
        values += 0.2 * np.sign(np.sin((np.arange(cols) + rng.integers(8)) * np.pi / 4 + 0.1))
    return np.clip(values, 0, 1)


def make_images(folder: Path, *, count: int = 8, size: int = 40, suffix: str = ".png", seed: int = 0) -> Path:
    """``folder/<class>/<class><number>.<suffix>``, RGB bytes."""
    rng = np.random.default_rng(seed)
    drivers = {".png": "PNG", ".jpg": "JPEG", ".tif": "GTiff"}
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            grey = texture(kind, size, size, rng)
            data = (255 * np.stack([grey, grey * 0.9, grey * 0.8])).astype(np.uint8)
            path = folder / kind / f"{kind}{number:02d}{suffix}"
            extra = {"photometric": "RGB"} if suffix == ".tif" else {}
            make_raster(path, data, crs=None, driver=drivers[suffix], **extra)
            path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
    return folder


def make_parcel_field(
    folder: Path, *, side: int = 24, across: int = 9, down: int = 6, crs: str = "EPSG:32633"
):
    """A raster of square fields, 8 px apart, and its parcels; every third one has no class in the file.

    Returns:
        ``(raster, parcels, classes)``, the classes of all parcels in the order of the file.
    """
    rng = np.random.default_rng(3)
    step = side + 8
    values = rng.uniform(0.3, 0.7, (down * step, across * step))
    features, classes = [], []
    for number in range(across * down):
        kind = KINDS[number * 7 % 3]
        row, col = step * (number // across) + 4, step * (number % across) + 4
        values[row : row + side, col : col + side] = texture(kind, side, side, rng)
        fields = {"class": kind if number % 4 else None, "owner": f"farm {number}", "area": number}
        features.append((pixel_box(grid_transform(), col, row, side, side), fields))
        classes.append(kind)
    data = (1000 + 8000 * values).astype(np.uint16)
    raster = make_raster(folder / "fields.tif", data, descriptions=("NIR",), nodata=0, crs=crs)
    return raster, make_polygons(folder / "fields.gpkg", features, crs=crs), classes
