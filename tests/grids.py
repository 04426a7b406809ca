"""Small rasters and vector files for tests of what lies on them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)
ROTATED = Affine(-0.0538, -0.0114, 282143.3, -0.0114, 0.0538, 4050589.6)


def write_raster(path: Path, values: np.ndarray, transform=NORTH_UP, crs="EPSG:32633", **profile) -> Path:
    """A single-band GeoTIFF of ``values`` (rows, cols)."""
    options = {"driver": "GTiff", "count": 1, "dtype": values.dtype, "transform": transform, "crs": crs}
    height, width = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", width=width, height=height, **(options | profile)) as file:
            file.write(values, 1)
    return path


def empty_raster(path: Path, width=64, height=48, **options) -> Path:
    """An image to be labelled."""
    return write_raster(path, np.zeros((height, width), np.uint16), **options)


def from_pixels(geometries, transform=NORTH_UP) -> np.ndarray:
    """Geometries in pixel coordinates brought to the CRS, by the definition of the transform."""
    t = transform

    def apply(xy):
        return np.column_stack([t.a * xy[:, 0] + t.b * xy[:, 1] + t.c, t.d * xy[:, 0] + t.e * xy[:, 1] + t.f])

    return shapely.transform(np.array(geometries, dtype=object), apply)


def write_vector(path: Path, geometries, columns, crs="EPSG:32633", layer=None, append=False) -> Path:
    """A vector file; ``columns`` maps field names to values."""
    values = [
        np.array(v) if not isinstance(v[0], (str, type(None))) else np.array(v, object)
        for v in columns.values()
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a missing CRS is meant
        pyogrio.raw.write(
            path,
            shapely.to_wkb(np.array(geometries, dtype=object)),
            values,
            list(columns),
            layer=layer or path.stem,
            geometry_type="Unknown",
            crs=crs,
            append=append,
        )
    return path


def centres(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres (cols, rows), each ``(height, width)``."""
    return np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)


def discs(seed: int, num: int, side: float, radii: tuple[float, float]) -> list[shapely.Geometry]:
    """Random discs over a square of ``side`` pixels, each of 360 vertices."""
    rng = np.random.default_rng(seed)
    places, sizes = rng.uniform(0, side, (num, 2)), rng.uniform(*radii, num)
    return [shapely.Point(*p).buffer(r, quad_segs=90) for p, r in zip(places, sizes, strict=True)]
