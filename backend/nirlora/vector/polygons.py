"""Polygon labels: read, checked, and handed to the burner."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from nirlora.errors import LabelsError
from nirlora.protocol.colors import default_colors
from nirlora.raster.source import RasterSource

from .blocks import BlockLabels, Items
from .burner import PolygonBurner
from .geodesy import crs_positions
from .groups import spatial_groups
from .items import MAX_CLASSES
from .palette import field_colors, vector_style
from .reading import Geometries, read_layer, to_pixels

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def open_polygons(
    path: str, source: RasterSource, class_field: str, point_buffer_m: float, classes: Sequence[str]
) -> BlockLabels:
    """Read polygons and points as labels; see :func:`nirlora.vector.labels.open_labels`."""
    if not class_field:
        raise LabelsError(
            "No class field was named.", hint="Name the field that holds the class of a polygon."
        )
    layer = read_layer(path, class_field, optional=("color", "colour"))
    texts = class_texts(layer.columns[class_field])
    warnings = list(layer.warnings)
    missing = int(sum(t is None for t in texts))
    if missing:
        warnings.append(f"{missing} feature(s) have no value in field {class_field!r}; skipped.")
    found = to_pixels(layer, source, point_buffer_m)
    warnings += found.warnings
    names = np.array([texts[i] for i in found.feature], dtype=object)
    usable = np.array([n is not None and (not classes or n in classes) for n in names], dtype=np.bool_)
    there = sorted_classes(names)
    wanted = tuple(classes) or there
    absent = [c for c in classes if c not in there]
    if not usable.any():
        raise _nothing_usable(path, class_field, len(layer.geometries), there, classes)
    if absent:
        warnings.append(f"No label of class {', '.join(absent)} in {path}; it has {', '.join(there)}.")
    if len(wanted) > MAX_CLASSES:
        raise LabelsError(
            f"Field {class_field!r} has {len(wanted)} values, expected at most {MAX_CLASSES} classes.",
            hint="Is it a number of the polygon? Choose the field that holds the class.",
        )
    geometries, names = found.geometries[usable], names[usable]
    geometries, names = _inside(path, geometries, names, source, warnings)
    color_field = next((layer.columns[c] for c in ("color", "colour") if c in layer.columns), None)
    known = vector_style(path.split("|")[0], layer.name)
    if color_field is not None:
        known |= field_colors(np.array(texts, dtype=object), color_field)
    values = np.array([wanted.index(n) for n in names], dtype=np.uint8)
    colors = default_colors(wanted, {n: c for n, c in known.items() if n in wanted})
    return _build(geometries, values, source, wanted, colors, warnings)


def class_texts(column: NDArray[Any]) -> list[str | None]:
    """Class names of a column: whole numbers without a fraction, text on one line, null and blank as None."""
    if column.dtype.kind in "biu":
        return [str(int(v)) for v in column]
    if column.dtype.kind == "f":
        return [None if np.isnan(v) else str(int(v)) if float(v).is_integer() else str(v) for v in column]
    return [None if v is None or v != v else _CONTROL.sub(" ", str(v)).strip() or None for v in column]


def sorted_classes(names: Sequence[str | None] | NDArray[np.object_]) -> tuple[str, ...]:
    """Distinct names: by number if all are whole numbers, else alphabetically."""
    distinct = {n for n in names if n is not None}
    if all(n.removeprefix("-").isdecimal() for n in distinct):
        return tuple(sorted(distinct, key=lambda n: (int(n), n)))
    return tuple(sorted(distinct))


def _nothing_usable(
    path: str, class_field: str, features: int, there: Sequence[str], classes: Sequence[str]
) -> LabelsError:
    if classes and there:
        return LabelsError(
            f"None of the classes wanted ({', '.join(classes)}) is in {path}; it has {', '.join(there)}.",
            hint="Check the spelling of the class names.",
        )
    return LabelsError(
        f"{path} has no usable polygons or points: of {features} feature(s), none has both a geometry "
        f"with an area and a value in {class_field!r}.",
        hint="Draw polygons and give each a class.",
    )


def _inside(
    path: str, geometries: Geometries, names: NDArray[np.object_], source: RasterSource, warnings: list[str]
) -> tuple[Geometries, NDArray[np.object_]]:
    """Only what touches the raster; the rest is counted."""
    frame = shapely.box(0, 0, source.width, source.height)
    good = shapely.intersects(geometries, frame)
    outside = int((~good).sum())
    if not good.any():
        raise LabelsError(
            f"All {len(geometries)} polygons of {path} lie outside the raster: they cover "
            f"{_extent(geometries, source)}, the raster {_extent(frame, source)} "
            f"({source.crs.to_string() if source.crs else 'no CRS'}).",
            hint="Check the CRS of both layers, and that they show the same place.",
        )
    if outside:
        warnings.append(f"{outside} of {len(geometries)} polygons lie outside the raster; skipped.")
    return geometries[good], names[good]


def _extent(geometries: Geometries | shapely.Geometry, source: RasterSource) -> str:
    corners = shapely.get_coordinates(geometries)
    x, y = crs_positions(source.transform, corners[:, 0], corners[:, 1])
    return f"x {x.min():.8g} to {x.max():.8g}, y {y.min():.8g} to {y.max():.8g}"


def _build(
    geometries: Geometries,
    values: NDArray[np.uint8],
    source: RasterSource,
    classes: Sequence[str],
    colors: Sequence[str],
    warnings: list[str],
) -> BlockLabels:
    shapely.prepare(geometries)
    tree = shapely.STRtree(geometries)
    loader = PolygonBurner(geometries, values, tree, source.width, source.height)
    entries = loader.count()
    warnings += loader.remarks(entries, classes)
    items = Items(values, spatial_groups(geometries, tree), _windows(geometries, source))
    result = BlockLabels(loader, items, entries, classes, colors, warnings)
    if not result.items:
        raise LabelsError(
            "No pixel is labelled: the polygons of different classes cover each other.",
            hint="Draw polygons that do not overlap.",
        )
    return result


def _windows(geometries: Geometries, source: RasterSource) -> NDArray[np.int64]:
    limits = np.array([source.width, source.height])
    bounds = shapely.bounds(geometries)
    low = np.clip(np.floor(bounds[:, :2]), 0, limits - 1).astype(np.int64)
    high = np.clip(np.ceil(bounds[:, 2:]), low + 1, limits).astype(np.int64)
    return np.hstack([low, high - low])
