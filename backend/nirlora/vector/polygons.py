"""Polygon labels: burnt block by block into the raster's grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from nirlora.errors import LabelsError
from nirlora.raster.grid import Window
from nirlora.raster.source import RasterSource

from .blocks import BlockLabels, Entries, Items, block_window, blocks_of
from .geodesy import crs_positions
from .groups import contested, spatial_groups
from .items import MAX_CLASSES, UNLABELLED
from .palette import default_colors, field_colors, vector_style
from .reading import POLYGON, Geometries, read_layer, to_pixels

AMBIGUOUS = -2
_MANY_VERTICES = 200


def open_polygons(
    path: str, source: RasterSource, class_field: str, point_buffer_m: float, classes: Sequence[str]
) -> BlockLabels:
    """Read polygons and points as labels; see :func:`nirlora.vector.labels.open_labels`."""
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
    known = vector_style(path.split("|")[0])
    if color_field is not None:
        known |= field_colors(np.array(texts, dtype=object), color_field)
    values = np.array([wanted.index(n) for n in names], dtype=np.uint8)
    colors = default_colors(wanted, {n: c for n, c in known.items() if n in wanted})
    return _build(geometries, values, source, wanted, colors, warnings)


def class_texts(column: NDArray[Any]) -> list[str | None]:
    """Class names of a column: whole numbers without a fraction, text stripped, null and blank as None."""
    if column.dtype.kind in "biu":
        return [str(int(v)) for v in column]
    if column.dtype.kind == "f":
        return [None if np.isnan(v) else str(int(v)) if float(v).is_integer() else str(v) for v in column]
    return [None if v is None or v != v else str(v).strip() or None for v in column]


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


@dataclass(frozen=True)
class _Count:
    """Pixels per polygon in one block."""

    items: NDArray[np.int64]
    pixels: NDArray[np.int64]
    disputed: bool


class PolygonBurner:
    """Burns polygons into blocks: a pixel belongs to the polygon that holds its centre.

    A polygon that holds no pixel centre takes the pixels it touches, where no other has them. Pixels in
    polygons of different classes belong to nobody.
    """

    def __init__(
        self,
        geometries: Geometries,
        values: NDArray[np.uint8],
        tree: shapely.STRtree,
        width: int,
        height: int,
    ) -> None:
        self.width, self.height = width, height
        self._geometries, self._values, self._tree = geometries, values, tree
        self._large = shapely.get_num_coordinates(geometries) > _MANY_VERTICES
        self._tiny = np.zeros(len(geometries), dtype=np.bool_)
        self._contested = contested(geometries, values, tree)
        self._overlaps: Counter[tuple[int, int]] = Counter()

    def load(self, window: Window) -> NDArray[np.int32]:
        """Item of every pixel of a window; -1 unlabelled, -2 claimed by several classes."""
        frame = _box(window)
        found = self._at(window)
        if len(found) == 1 and not self._tiny[found[0]] and shapely.covers(self._geometries[found[0]], frame):
            return np.full(window.shape, found[0], dtype=np.int32)
        result = self._burn(found[~self._tiny[found]], window)
        tiny = found[self._tiny[found]]
        if len(tiny):
            touched = self._burn(tiny, window, all_touched=True)
            result = np.where((result == -1) & (touched != -1), touched, result)
        return result

    def revalued(self, values: NDArray[np.uint8]) -> tuple[PolygonBurner, Entries | None]:
        """The same polygons with other classes; counted again if that changes who disputes a pixel."""
        new = PolygonBurner(self._geometries, values, self._tree, self.width, self.height)
        distinct = np.unique(np.column_stack([self._values, values]), axis=0)
        one_to_one = len(distinct) == len(np.unique(distinct[:, 0])) == len(np.unique(distinct[:, 1]))
        if UNLABELLED not in distinct[:, 1] and one_to_one:
            new._tiny = self._tiny
            return new, None
        return new, new.count()

    def count(self) -> Entries:
        """Pixels per polygon and block; finds the polygons without a pixel centre on the way."""
        counts = {b: self._count_block(b) for b in self._occupied()}
        self._overlaps = sum((self._overlap(b) for b in counts if counts[b].disputed), Counter())
        seen = np.zeros(len(self._geometries), dtype=np.bool_)
        for found in counts.values():
            seen[found.items] = True
        unseen = np.flatnonzero(~seen & (self._values != UNLABELLED))
        if len(unseen):
            self._find_tiny(unseen, counts)
        blocks = [np.full(len(c.items), b, dtype=np.int64) for b, c in counts.items()]
        return Entries(
            item=np.concatenate([c.items for c in counts.values()]),
            block=np.concatenate(blocks),
            pixels=np.concatenate([c.pixels for c in counts.values()]),
        )

    def remarks(self, entries: Entries, classes: Sequence[str]) -> list[str]:
        """Warnings about tiny, hidden and overlapping polygons, with counts."""
        result = []
        seen = np.zeros(len(self._geometries), dtype=np.bool_)
        seen[entries.item] = True
        tiny, hidden = int((self._tiny & seen).sum()), int((~seen).sum())
        if tiny:
            result.append(f"{tiny} polygon(s) are smaller than a pixel; they label the pixels they touch.")
        if hidden:
            result.append(f"{hidden} polygon(s) have no pixel of their own, others cover them; skipped.")
        for (a, b), pixels in sorted(self._overlaps.items()):
            result.append(
                f"Polygons of {classes[a]} and {classes[b]} overlap on {pixels} pixel(s); those are ignored."
            )
        return result

    def _occupied(self) -> list[int]:
        bounds = shapely.total_bounds(self._geometries)
        low = np.clip(np.floor(bounds[:2]), 0, [self.width - 1, self.height - 1]).astype(int)
        high = np.clip(np.ceil(bounds[2:]), low + 1, [self.width, self.height]).astype(int)
        numbers = np.array(list(blocks_of(Window(*low, *(high - low)), self.width)))
        frames = np.array([_box(block_window(int(b), self.width, self.height)) for b in numbers])
        hits, _ = self._tree.query(frames, predicate="intersects")
        return [int(b) for b in numbers[np.unique(hits)]]

    def _count_block(self, number: int) -> _Count:
        block = self.load(block_window(number, self.width, self.height))
        pixels = np.bincount(block[block >= 0])
        items = np.flatnonzero(pixels)
        return _Count(items, pixels[items], bool((block == AMBIGUOUS).any()))

    def _overlap(self, number: int) -> Counter[tuple[int, int]]:
        """Pixels of a block on which polygons of two classes lie, per pair of classes."""
        window = block_window(number, self.width, self.height)
        last, first = self._both_ways(self._at(window), window)
        both = (first >= 0) & (last >= 0)
        low, high = self._values[first[both]], self._values[last[both]]
        pairs, pixels = np.unique(np.stack([low, high])[:, low != high], axis=1, return_counts=True)
        return Counter({(int(a), int(b)): int(n) for a, b, n in zip(*pairs, pixels, strict=True)})

    def _find_tiny(self, unseen: NDArray[np.intp], counts: dict[int, _Count]) -> None:
        """Of the polygons without pixels, those that hold no pixel centre (the others are covered)."""
        candidates = shapely.STRtree(self._geometries[unseen])
        centreless = np.ones(len(unseen), dtype=np.bool_)
        affected = []
        for number in counts:
            window = block_window(number, self.width, self.height)
            found = np.sort(candidates.query(_box(window), predicate="intersects"))
            if len(found):
                affected.append(number)
            while len(found):  # those on top may hide others: take them off until nothing shows
                alone = np.isin(unseen[found], self._rasterize(unseen[found], window))
                centreless[found[alone]] = False
                if not alone.any():
                    break
                found = found[~alone]
        self._tiny[unseen[centreless]] = True
        for number in affected:
            counts[number] = self._count_block(number)

    def _at(self, window: Window) -> NDArray[np.intp]:
        found = np.sort(self._tree.query(_box(window), predicate="intersects"))
        return np.asarray(found[self._values[found] != UNLABELLED])

    def _burn(self, items: NDArray[np.intp], window: Window, all_touched: bool = False) -> NDArray[np.int32]:
        """Burn polygons; where classes disagree, nobody wins."""
        last, first = self._both_ways(items, window, all_touched)
        last[(first >= 0) & (last >= 0) & (self._values[first] != self._values[last])] = AMBIGUOUS
        return last

    def _both_ways(
        self, items: NDArray[np.intp], window: Window, all_touched: bool = False
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The polygon of the highest and (among disputed ones) of the lowest class at each pixel."""
        ordered = items[np.argsort(self._values[items], kind="stable")]
        last = self._rasterize(ordered, window, all_touched)
        return last, self._rasterize(ordered[self._contested[ordered]][::-1], window, all_touched)

    def _rasterize(
        self, items: NDArray[np.intp], window: Window, all_touched: bool = False
    ) -> NDArray[np.int32]:
        """Number of the polygon burnt last at each pixel, -1 for none."""
        geometries = self._geometries[items]
        large = np.flatnonzero(self._large[items])
        if len(large):  # conversion to GDAL costs per vertex: leave only what is near the block
            geometries[large] = shapely.intersection(geometries[large], _box(window, margin=2))
        parts, origin = shapely.get_parts(geometries, return_index=True)
        solid = (shapely.get_type_id(parts) == POLYGON) & ~shapely.is_empty(parts)
        if not solid.any():
            return np.full(window.shape, -1, dtype=np.int32)
        return np.asarray(
            rasterize(
                zip(parts[solid], items[origin[solid]].tolist(), strict=True),
                out_shape=window.shape,
                fill=-1,
                transform=Affine.translation(window.col_off, window.row_off),
                all_touched=all_touched,
                dtype="int32",
            )
        )


def _box(window: Window, margin: int = 0) -> shapely.Geometry:
    return shapely.box(
        window.col_off - margin,
        window.row_off - margin,
        window.col_off + window.width + margin,
        window.row_off + window.height + margin,
    )
