"""Groups of labels that lie on the same ground in several rasters, so that a split never parts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nirlora.raster.source import RasterSource

from .geodesy import crs_positions, horizontal_crs
from .groups import cut_large
from .items import LabelItem

_CHUNK = 4096
_INSIDE_PX = 0.25  # neighbouring cells of one label raster on two dates share an edge, but no ground
_OUTSIDE_PX = 0.5  # a polygon that goes on in the next tile meets its other part there

Joined = dict[tuple[int, int], int]
Boxes = NDArray[np.object_]


def join_layers(sources: Sequence[RasterSource], layers: Sequence[Sequence[LabelItem]]) -> Joined:
    """Number the groups of all layers anew; groups on the same ground in two rasters get one number.

    Two dates of one field, overlapping flights, and a raster given twice show the same polygons; without
    this a held-out polygon would be trained on in the other raster. What is compared are the bounding
    windows of items; a raster without a CRS meets itself alone. Chains that join more than a third of all
    groups are cut again as those within a raster are (:func:`nirlora.vector.groups.cut_large`).

    Args:
        sources: Open rasters.
        layers: Items of each of them.

    Returns:
        ``(layer, group)`` -> number, 0-based.
    """
    keys = sorted({(at, item.group) for at, items in enumerate(layers) for item in items})
    number = {key: i for i, key in enumerate(keys)}
    joined = np.arange(len(keys), dtype=np.int64)
    for members in _comparable(sources):
        found = [_boxes(sources[at], layers[at], sources[members[0]]) for at in members]
        boxes, middles = (np.concatenate(parts) for parts in zip(*found, strict=True))
        layer = np.repeat(members, [len(layers[at]) for at in members])
        rows = [number[at, item.group] for at in members for item in layers[at]]
        own, row = np.unique(np.array(rows, dtype=np.int64), return_inverse=True)
        if not len(own):
            continue
        centres = np.zeros((len(own), 2))
        np.add.at(centres, row, middles)
        groups = cut_large(_components(boxes, layer, row, len(own)), centres / np.bincount(row)[:, None])
        _, first, which = np.unique(groups, return_index=True, return_inverse=True)
        joined[own] = own[first[which]]
    return {key: int(joined[i]) for key, i in number.items()}


def _comparable(sources: Sequence[RasterSource]) -> Iterator[list[int]]:
    """Layers whose grounds can be compared, where there are at least two: with a CRS, or the same file."""
    sets: defaultdict[str, list[int]] = defaultdict(list)
    for at, source in enumerate(sources):
        known = horizontal_crs(source.crs) is not None
        sets["" if known else str(Path(source.path).resolve())].append(at)
    yield from (members for members in sets.values() if len(members) > 1)


def _boxes(
    source: RasterSource, items: Sequence[LabelItem], reference: RasterSource
) -> tuple[Boxes, NDArray[np.float64]]:
    """Windows of items ``(N,)`` in the CRS of ``reference``, empty beyond it; their centres ``(N, 2)``."""
    corners = [
        (w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height) for w in (i.window for i in items)
    ]
    low, high = np.split(np.array(corners, dtype=np.float64).reshape(-1, 4), 2, axis=1)
    low = np.where(low <= 0, low - _OUTSIDE_PX, low + _INSIDE_PX)
    high = np.where(high >= (source.width, source.height), high + _OUTSIDE_PX, high - _INSIDE_PX)
    cols = np.stack([low[:, 0], high[:, 0], high[:, 0], low[:, 0]], axis=1)
    rows = np.stack([low[:, 1], low[:, 1], high[:, 1], high[:, 1]], axis=1)
    x, y = crs_positions(source.transform, cols.ravel(), rows.ravel())
    own, wanted = horizontal_crs(source.crs), horizontal_crs(reference.crs)
    if own is not None and wanted is not None and own != wanted:
        x, y = pyproj.Transformer.from_crs(own, wanted, always_xy=True).transform(x, y)
    ring = np.stack([x, y], axis=-1).reshape(-1, 4, 2)
    reached = np.asarray(np.isfinite(ring).all(axis=(1, 2)))
    ring = np.where(reached[:, None, None], ring, 0.0)
    boxes = np.where(reached, shapely.polygons(ring), shapely.Polygon())
    return boxes, ring.mean(axis=1)


def _components(
    boxes: Boxes, layer: NDArray[np.int64], row: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Group numbers ``(size,)``: rows whose boxes meet in different layers are one group."""
    tree = shapely.STRtree(boxes)
    labels = np.arange(size, dtype=np.int64)
    for start in range(0, len(boxes), _CHUNK):
        a, b = tree.query(boxes[start : start + _CHUNK], predicate="intersects")
        a = a + start
        apart = layer[a] != layer[b]
        a, b = labels[row[a[apart]]], labels[row[b[apart]]]
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(size, size))
        labels = connected_components(graph, directed=False)[1].astype(np.int64)[labels]
    return labels
