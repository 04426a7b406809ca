"""Burning polygons into blocks of pixels, each pixel to one polygon."""

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

from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window

from .blocks import Entries, block_window, blocks_of
from .groups import contested
from .reading import POLYGON, Geometries

AMBIGUOUS = -2
_MANY_VERTICES = 200


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
        found = self._at(window)
        if self._fills(found, window):
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
        if NO_CLASS not in distinct[:, 1] and one_to_one:
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
        unseen = np.flatnonzero(~seen & (self._values != NO_CLASS))
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
        window = block_window(number, self.width, self.height)
        found = self._at(window)
        if self._fills(found, window):
            return _Count(found.astype(np.int64), np.array([window.width * window.height]), False)
        block = self.load(window)
        pixels = np.bincount(block[block >= 0])
        items = np.flatnonzero(pixels)
        return _Count(items, pixels[items], bool((block == AMBIGUOUS).any()))

    def _overlap(self, number: int) -> Counter[tuple[int, int]]:
        """Pixels of a block on which polygons of two classes lie, per pair of classes."""
        window = block_window(number, self.width, self.height)
        found = self._at(window)
        last, first = self._both_ways(found[self._contested[found]], window)
        both = first >= 0
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
        return np.asarray(found[self._values[found] != NO_CLASS])

    def _fills(self, found: NDArray[np.intp], window: Window) -> bool:
        """Whether the one polygon found covers the whole window."""
        return len(found) == 1 and bool(shapely.covers(self._geometries[found[0]], _box(window)))

    def _burn(self, items: NDArray[np.intp], window: Window, all_touched: bool = False) -> NDArray[np.int32]:
        """Burn polygons; where classes disagree, nobody wins."""
        last, first = self._both_ways(items, window, all_touched)
        both = np.flatnonzero(first >= 0)
        clash = self._values[first.flat[both]] != self._values[last.flat[both]]
        last.flat[both[clash]] = AMBIGUOUS
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
                zip(_geojson(parts[solid]), items[origin[solid]].tolist(), strict=True),
                out_shape=window.shape,
                fill=-1,
                transform=Affine.translation(window.col_off, window.row_off),
                all_touched=all_touched,
                dtype="int32",
            )
        )


def _geojson(polygons: Geometries) -> list[dict[str, Any]]:
    """Polygons as GDAL wants them; many times faster than one by one through ``__geo_interface__``."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    coordinates = shapely.get_coordinates(rings).tolist()
    ends = np.cumsum(shapely.get_num_coordinates(rings)).tolist()
    starts = [0, *ends[:-1]]
    result: list[dict[str, Any]] = [{"type": "Polygon", "coordinates": []} for _ in polygons]
    for polygon, start, end in zip(owner.tolist(), starts, ends, strict=True):
        result[polygon]["coordinates"].append(coordinates[start:end])
    return result


def _box(window: Window, margin: int = 0) -> shapely.Geometry:
    return shapely.box(
        window.col_off - margin,
        window.row_off - margin,
        window.col_off + window.width + margin,
        window.row_off + window.height + margin,
    )
