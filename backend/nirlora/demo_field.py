"""A made-up field with known truth, as a five-band drone mosaic: crop rows, weeds, trees, soil and shadow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio.raw
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from .demo_scene import BANDS, CLASSES, CROP, SCALE, SOIL, TREE, WEED, Bools, expose, make_scene
from .errors import OptionError

UNKNOWN = 255
PIXEL_M = 0.05
CRS = "EPSG:32633"
ORIGIN = (438_200.0, 5_355_900.0)
MIN_SIZE_PX = 256

# How many polygons of each class, and how far (px) they reach. They stay one pixel inside: maps are right at
# the edges of narrow rows only where training pixels come that close to them.
_POLYGONS = {SOIL: (16, 20), CROP: (16, 40), WEED: (18, 26), TREE: (12, 18)}


@dataclass(frozen=True)
class DemoField:
    """Files of a generated field: the mosaic, its true classes (nodata 255), polygons to train with."""

    raster: Path
    truth: Path
    training: Path


def generate_field(path: str | Path, seed: int = 0, size: int = 1536) -> DemoField:
    """Write a field as ``path`` (GeoTIFF), ``truth.tif`` and ``<stem>_training.gpkg`` beside it.

    Args:
        path: Of the mosaic: blue, green, red, red edge, NIR as uint16 reflectance * 10000 at 5 cm, nodata 0.
        seed: Same seed and size, same field.
        size: Pixels a side.

    Raises:
        OptionError: ``size`` is too small for a field with trees.
    """
    if size < MIN_SIZE_PX:
        raise OptionError(
            f"A demo field of {size} pixels is too small.", hint=f"Take at least {MIN_SIZE_PX}."
        )
    rng = np.random.default_rng(seed)
    scene = make_scene(rng, size)
    values = expose(rng, scene)
    truth = np.where(scene.valid, scene.classes, UNKNOWN).astype(np.uint8)
    raster = Path(path)
    field = DemoField(raster, raster.with_name("truth.tif"), raster.with_name(f"{raster.stem}_training.gpkg"))
    _write(
        field.raster, values, 0, BANDS, {"values": f"reflectance * {SCALE}", "source": "generated, not real"}
    )
    legend = json.dumps([{"value": value, "name": name} for value, name in enumerate(CLASSES)])
    _write(field.truth, truth[None], UNKNOWN, ("class",), {"CLASSES": legend})
    _write_polygons(field.training, rng, truth)
    return field


def _transform(col: int = 0, row: int = 0) -> Affine:
    """Of the part of the field that starts at a pixel."""
    return Affine(PIXEL_M, 0.0, ORIGIN[0] + col * PIXEL_M, 0.0, -PIXEL_M, ORIGIN[1] - row * PIXEL_M)


def _write(
    path: Path, data: NDArray[np.generic], nodata: int, names: tuple[str, ...], tags: dict[str, str]
) -> None:
    count, rows, cols = data.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=cols, height=rows, count=count, dtype=data.dtype.name, nodata=nodata,
        crs=CRS, transform=_transform(), tiled=True, blockxsize=256, blockysize=256,
        compress="deflate", predictor=2, zlevel=3, photometric="MINISBLACK",
    ) as file:  # fmt: skip
        file.write(data)
        file.update_tags(**tags)
        for band, name in enumerate(names, 1):
            file.set_band_description(band, name)


def _write_polygons(path: Path, rng: np.random.Generator, truth: NDArray[np.uint8]) -> None:
    """Polygons as a person draws them: small, inside one class, a few of each, nothing complete."""
    shapes: list[bytes] = []
    names: list[str] = []
    for value, (wanted, reach) in _POLYGONS.items():
        inner = ndimage.binary_erosion(truth == value)
        for polygon in _draw(rng, inner, wanted, reach):
            shapes.append(shapely.to_wkb(polygon))
            names.append(CLASSES[value])
    path.unlink(missing_ok=True)
    pyogrio.raw.write(
        path, np.array(shapes, dtype=object), [np.array(names, dtype=object)], ["class"],
        crs=CRS, geometry_type="Polygon", layer="training",
    )  # fmt: skip


def _draw(rng: np.random.Generator, inner: Bools, wanted: int, reach: float) -> list[shapely.Polygon]:
    """Up to ``wanted`` polygons inside ``inner``, kept apart from each other."""
    rows, cols = np.nonzero(inner)
    polygons: list[shapely.Polygon] = []
    chosen: list[tuple[int, int]] = []
    apart = 0.5 * len(inner) / np.sqrt(wanted)
    for pick in rng.permutation(len(rows))[:4000]:
        row, col = int(rows[pick]), int(cols[pick])
        if any(np.hypot(row - r, col - c) < apart for r, c in chosen):
            continue
        polygon = _outline(inner, row, col, reach=reach * rng.uniform(0.4, 1.0))
        if polygon is None:
            continue
        chosen.append((row, col))
        polygons.append(polygon)
        if len(polygons) == wanted:
            break
    return polygons


def _outline(inner: Bools, row: int, col: int, reach: float) -> shapely.Polygon | None:
    """The part of ``inner`` around a pixel, within ``reach`` px, as a smooth polygon; None if a sliver."""
    size, half = len(inner), int(reach) + 2
    top, left = max(0, row - half), max(0, col - half)
    part = inner[top : min(size, row + half), left : min(size, col + half)]
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    near = part & ((y - (row - top)) ** 2 + (x - (col - left)) ** 2 < reach**2)
    labels, _ = ndimage.label(near)
    mine = labels == labels[row - top, col - left]
    if mine.sum() < 40:
        return None
    found = rasterio.features.shapes(mine.astype(np.uint8), mask=mine, transform=_transform(left, top))
    polygon = max((shapely.geometry.shape(g) for g, _ in found), key=lambda p: p.area)
    filled = shapely.Polygon(polygon.exterior)
    if filled.area > 1.05 * polygon.area:  # a person would draw around another spot
        return None
    polygon = filled.simplify(1.2 * PIXEL_M)
    return polygon if polygon.is_valid and polygon.geom_type == "Polygon" else None
