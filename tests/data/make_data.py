"""Small synthetic rasters and polygons for the tests.

    make_raster(path, np.array of (bands, rows, cols), nodata=-9999, rotation=30, descriptions=("red", "nir"))
    make_polygons(path, [(geometry, {"class": "crop"}), ...], crs="EPSG:32633")
    pixel_box(transform, col, row, width, height) -> a polygon exactly around those pixels
    pattern(bands, rows, cols, dtype) -> deterministic values that differ between bands and pixels

Import it in a test as ``from data.make_data import make_raster``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from shapely.geometry.base import BaseGeometry

ORIGIN = (500_000.0, 5_400_000.0)  # in the middle of a UTM zone


def pattern(bands: int = 1, rows: int = 64, cols: int = 64, dtype: str = "uint16") -> NDArray[Any]:
    """Deterministic ``(bands, rows, cols)`` values: a ramp with texture, another level in each band.

    Integers span about 1000 to 9000 (bytes 10 to 230), floats 0.05 to 0.95.
    """
    row, col = np.mgrid[0:rows, 0:cols]
    texture = ((row * 7 + col * 13) % 17) / 17
    ramp = (row / max(rows - 1, 1) + col / max(cols - 1, 1)) / 2
    unit = np.stack([0.05 + 0.9 * (0.6 * ramp + 0.2 * texture + 0.2 * b / bands) for b in range(bands)])
    top = {"float32": 1.0, "float64": 1.0, "uint8": 240.0, "int8": 100.0}.get(dtype, 10_000.0)
    return (unit * top).astype(dtype)


def grid_transform(pixel: float = 1.0, rotation: float = 0.0, origin: tuple[float, float] = ORIGIN) -> Affine:
    """North-up transform with square pixels, turned by ``rotation`` degrees."""
    cos, sin = pixel * math.cos(math.radians(rotation)), pixel * math.sin(math.radians(rotation))
    return Affine(cos, sin, origin[0], sin, -cos, origin[1])


def make_raster(
    path: Path,
    data: NDArray[Any] | None = None,
    *,
    crs: str | None = "EPSG:32633",
    pixel: float = 1.0,
    rotation: float = 0.0,
    transform: Affine | None = None,
    nodata: float | None = None,
    descriptions: Sequence[str] = (),
    color_interp: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    band_tags: Sequence[Mapping[str, str]] = (),
    scales: Sequence[float] = (),
    offsets: Sequence[float] = (),
    mask: NDArray[np.bool_] | None = None,
    **profile: Any,
) -> Path:
    """Write a raster (GeoTIFF unless ``driver`` says otherwise) and return its path.

    Args:
        path: Where to.
        data: ``(bands, rows, cols)`` or ``(rows, cols)``; default :func:`pattern`.
        crs: None writes no coordinate reference system.
        pixel, rotation, transform: Pixel size in CRS units and degrees; or the whole transform.
        nodata, descriptions, color_interp, tags, band_tags, scales, offsets: As rasterio has them.
        mask: ``(rows, cols)``, True is valid; written as an internal dataset mask.
        profile: More for ``rasterio.open``, such as ``tiled=True, blockxsize=64, blockysize=64``.
    """
    array = pattern() if data is None else np.asarray(data)
    array = array[None] if array.ndim == 2 else array
    count, rows, cols = array.shape
    options: dict[str, Any] = {"driver": "GTiff", **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(
                path, "w", width=cols, height=rows, count=count, dtype=array.dtype.name, nodata=nodata,
                crs=crs, transform=transform or grid_transform(pixel, rotation), **options,
            ) as file,
        ):  # fmt: skip
            if color_interp:
                file.colorinterp = [rasterio.enums.ColorInterp[name] for name in color_interp]
            file.write(array)
            for band, name in enumerate(descriptions, 1):
                file.set_band_description(band, name)
            for band, values in enumerate(band_tags, 1):
                file.update_tags(band, **values)
            if tags:
                file.update_tags(**tags)
            if scales:
                file.scales = tuple(scales)
            if offsets:
                file.offsets = tuple(offsets)
            if mask is not None:
                file.write_mask(mask)
    return path


def pixel_box(transform: Affine, col: float, row: float, width: float, height: float) -> shapely.Polygon:
    """The polygon around ``width`` x ``height`` pixels from ``(col, row)``, in CRS coordinates."""
    corners = [(col, row), (col + width, row), (col + width, row + height), (col, row + height)]
    a, b, c, d, e, f = tuple(transform)[:6]
    return shapely.Polygon([(a * x + b * y + c, d * x + e * y + f) for x, y in corners])


def make_polygons(
    path: Path,
    features: Sequence[tuple[BaseGeometry | None, Mapping[str, Any]]],
    *,
    crs: str | None = "EPSG:32633",
    geometry_type: str = "Polygon",
    layer: str | None = None,
    driver: str | None = None,
    append: bool = False,
) -> Path:
    """Write features ``[(geometry, {field: value}), ...]`` to any vector format and return the path."""
    names = list(dict.fromkeys(key for _, fields in features for key in fields))
    columns = []
    for name in names:
        values = [fields.get(name) for _, fields in features]
        columns.append(np.array(values, dtype=object if any(isinstance(v, str) for v in values) else None))
    geometry = np.array([None if g is None else shapely.to_wkb(g) for g, _ in features], dtype=object)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*crs.*", category=UserWarning)
        pyogrio.raw.write(
            path, geometry, columns, fields=np.array(names, dtype=object), crs=crs,
            geometry_type=geometry_type, layer=layer, driver=driver, append=append,
        )  # fmt: skip
    return path
