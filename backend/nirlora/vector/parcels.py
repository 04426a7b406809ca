"""Parcels: the features of a vector layer, one by one, on the grid of a raster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from nirlora.errors import LabelsError
from nirlora.protocol.colors import default_colors
from nirlora.raster.grid import Window
from nirlora.raster.source import RasterSource

from .groups import spatial_groups
from .palette import vector_style
from .polygons import class_texts, sorted_classes
from .reading import Geometries, VectorLayer, read_layer, to_pixels

_PROBE_PX = 64  # cells a side that a parcel is looked at by
_SMALL_PX = 2**20  # windows up to this many pixels are read whole where the cells find nothing


@dataclass(frozen=True)
class Parcel:
    """One feature, which lies on the raster.

    Attributes:
        feature: Its number in the file, from 0.
        outline: Polygon or multipolygon in pixel coordinates ``(col, row)``.
        window: Its bounding window, inside the raster.
        group: Parcels that lie close together share a group.
        name: Its class, "" if the file names none.
    """

    feature: int
    outline: shapely.Geometry
    window: Window
    group: int
    name: str = ""


@dataclass(frozen=True)
class ParcelLayer:
    """The parcels of a file that lie on a raster.

    Attributes:
        path: The file, as it was asked for.
        features: How many features the file has.
        parcels: Those with an area on the raster, in the order of the file.
        classes: Their classes, sorted, and ``colors``, one for each.
        warnings: What was repaired or skipped, with counts.
    """

    path: str
    features: int
    parcels: tuple[Parcel, ...]
    classes: tuple[str, ...]
    colors: tuple[str, ...]
    warnings: tuple[str, ...]


def open_parcels(path: str | Path, source: RasterSource, class_field: str = "") -> ParcelLayer:
    """Read the features of a vector file as parcels of a raster.

    A feature of several polygons is one parcel. Features without a polygon, or outside the raster, are left
    out and counted.

    Args:
        path: Anything OGR reads, optionally ``|layername=NAME``; any CRS (reprojected).
        source: The raster.
        class_field: Field with their classes; features without a value are left out. "": no classes.

    Raises:
        LabelsError: No such file, layer or field, or no parcel lies on the raster.
    """
    layer = read_layer(str(path), class_field)
    features, outlines, warnings = _outlines(layer, source)
    names = [""] * len(layer.geometries)
    if class_field:
        texts = class_texts(layer.columns[class_field])
        named = np.array([texts[f] is not None for f in features.tolist()], dtype=np.bool_)
        if skipped := int((~named).sum()):
            warnings.append(f"{skipped} parcel(s) have no value in field {class_field!r}; skipped.")
        features, outlines = features[named], outlines[named]
        names = [text or "" for text in texts]
    if not len(outlines):
        raise LabelsError(
            f"{path} has no parcel that could be used: of {len(layer.geometries)} feature(s), none is a "
            f"polygon on the raster{f' with a value in {class_field!r}' if class_field else ''}.",
            hint="Check the CRS of both, and that they show the same place.",
        )
    groups = spatial_groups(outlines, shapely.STRtree(outlines))
    windows = _windows(outlines, source)
    rows = zip(features.tolist(), outlines, windows, groups.tolist(), strict=True)
    parcels = tuple(Parcel(f, o, w, g, names[f]) for f, o, w, g in rows)
    classes = sorted_classes([p.name for p in parcels]) if class_field else ()
    styled = vector_style(str(path).split("|")[0], layer.name)
    colors = tuple(default_colors(classes, {n: c for n, c in styled.items() if n in classes}))
    return ParcelLayer(str(path), len(layer.geometries), parcels, classes, colors, tuple(warnings))


def inside(outline: shapely.Geometry, window: Window) -> NDArray[np.bool_]:
    """``(height, width)``, True where a pixel's centre lies in the parcel; windows may stick out.

    A parcel that holds no pixel centre of the window has the pixels that it touches.
    """
    frame = shapely.box(*_bounds(window))
    if shapely.covers(outline, frame):
        return np.ones(window.shape, dtype=np.bool_)
    near = shapely.intersection(outline, shapely.buffer(frame, 2, join_style="mitre"))
    parts = shapely.get_parts(shapely.get_parts(near))
    solid = list(parts[shapely.area(parts) > 0])
    result = np.zeros(window.shape, dtype=np.bool_)
    corner = Affine.translation(window.col_off, window.row_off)
    for all_touched in (False, True):
        if solid and not result.any():
            burnt = rasterize(
                solid, out_shape=window.shape, transform=corner, all_touched=all_touched, dtype="uint8"
            )
            result = np.asarray(burnt, dtype=np.bool_)
    return result


def usable_spots(parcel: Parcel, source: RasterSource, bands: list[int]) -> NDArray[np.int64]:
    """Pixels ``(N, 2)`` as ``(col, row)``, spread over the parcel, that are valid; none if it has none.

    A parcel is looked at in at most 64 x 64 cells, so that large ones cost no more than small ones.
    """
    window = parcel.window
    shape = min(window.height, _PROBE_PX), min(window.width, _PROBE_PX)
    _, valid = source.read(window, bands, out_px=shape)
    rows, cols = ((np.arange(n) + 0.5) * size / n for n, size in zip(shape, window.shape, strict=True))
    x, y = np.meshgrid(window.col_off + cols, window.row_off + rows)
    good = valid & shapely.contains_xy(parcel.outline, x, y)
    if good.any():
        return np.asarray(np.floor(np.column_stack([x[good], y[good]])), dtype=np.int64)
    if window.width * window.height > _SMALL_PX:  # a long, narrow parcel between the cells' centres
        on = shapely.intersection(parcel.outline, shapely.box(*_bounds(window)))
        point = shapely.get_coordinates(shapely.representative_point(on))[0]
        window = Window(min(int(point[0]), source.width - 1), min(int(point[1]), source.height - 1), 1, 1)
    exact = source.read(window, bands)[1] & inside(parcel.outline, window)
    found = np.argwhere(exact)[:, ::-1]
    found = found[:: max(1, len(found) // _PROBE_PX)]
    return np.asarray(found + np.array([window.col_off, window.row_off]), dtype=np.int64)


def _outlines(layer: VectorLayer, source: RasterSource) -> tuple[NDArray[np.intp], Geometries, list[str]]:
    """Numbers of the features on the raster, their outlines in pixels, and what was skipped."""
    found = to_pixels(layer, source)
    warnings = [*layer.warnings, *found.warnings]
    features, part_of = np.unique(found.feature, return_inverse=True)
    parts: list[list[shapely.Geometry]] = [[] for _ in features]
    for number, part in zip(part_of.tolist(), found.geometries, strict=True):
        parts[number].append(part)
    outlines = np.array([p[0] if len(p) == 1 else shapely.union_all(p) for p in parts], dtype=object)
    on = np.asarray(shapely.intersects(outlines, shapely.box(0, 0, source.width, source.height)))
    if outside := int((~on).sum()):
        warnings.append(f"{outside} of {len(outlines)} parcel(s) lie outside the raster; skipped.")
    return features[on], outlines[on], warnings


def _bounds(window: Window) -> tuple[int, int, int, int]:
    right, bottom = window.col_off + window.width, window.row_off + window.height
    return window.col_off, window.row_off, right, bottom


def _windows(outlines: Geometries, source: RasterSource) -> list[Window]:
    limits = np.array([source.width, source.height])
    bounds = shapely.bounds(outlines)
    low = np.clip(np.floor(bounds[:, :2]), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(bounds[:, 2:]), low + 1, limits).astype(int)
    return [Window(*a, *(b - a)) for a, b in zip(low.tolist(), high, strict=True)]
