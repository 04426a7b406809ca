"""Groups of items that lie together, so that a split by groups is a split in space."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .reading import Geometries

GROUP_DISTANCE_PX = 8.0
_LARGEST_SHARE = 1 / 3
_CELLS_PER_SIDE = 8
_CHUNK = 4096


def spatial_groups(geometries: Geometries, tree: shapely.STRtree) -> NDArray[np.int64]:
    """Group polygons: those closer than 8 pixels to each other share a group.

    Chains can join everything that was drawn. So a group with more than a third of all polygons (and at
    least four) is cut again by a square grid, 8 cells along the longer side of its extent, each polygon
    going where its centroid lies; neighbours across such a cut may then be in different groups.

    Args:
        geometries: Polygons ``(N,)`` in pixel coordinates.
        tree: Over the same polygons.

    Returns:
        Group numbers ``(N,)``, 0-based and without gaps.
    """
    groups = _components(geometries, tree)
    centres = shapely.get_coordinates(shapely.centroid(geometries))
    return np.unique(cut_large(groups, centres), return_inverse=True)[1].astype(np.int64)


def cut_large(groups: NDArray[np.int64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cut every group of more than a third of all members (and at least four) by a grid of 8 x 8 cells.

    Args:
        groups: Group numbers ``(N,)``.
        centres: Where the members lie ``(N, 2)``.
    """
    groups = groups.copy()
    sizes = np.bincount(groups)
    for group in np.flatnonzero((sizes > _LARGEST_SHARE * len(groups)) & (sizes >= 4)):
        members = np.flatnonzero(groups == group)
        low = centres[members].min(axis=0)
        side = max(float((centres[members].max(axis=0) - low).max()) / _CELLS_PER_SIDE, 1e-9)
        cells = np.minimum((centres[members] - low) // side, _CELLS_PER_SIDE - 1).astype(np.int64)
        groups[members] = groups.max() + 1 + cells[:, 0] * _CELLS_PER_SIDE + cells[:, 1]
    return groups


def _components(geometries: Geometries, tree: shapely.STRtree) -> NDArray[np.int64]:
    """Connected components of "closer than 8 px", in chunks so that dense layers stay small in memory."""
    labels = np.arange(len(geometries), dtype=np.int64)
    for start in range(0, len(geometries), _CHUNK):
        chunk = geometries[start : start + _CHUNK]
        a, b = tree.query(chunk, predicate="dwithin", distance=GROUP_DISTANCE_PX)
        a, b = labels[a + start], labels[b]
        size = len(geometries)
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(size, size))
        labels = connected_components(graph, directed=False)[1].astype(np.int64)[labels]
    return labels


def contested(geometries: Geometries, values: NDArray[np.uint8], tree: shapely.STRtree) -> NDArray[np.bool_]:
    """Which polygons intersect (or touch) one of another class, ``(N,)``."""
    result = np.zeros(len(geometries), dtype=np.bool_)
    for start in range(0, len(geometries), _CHUNK):
        a, b = tree.query(geometries[start : start + _CHUNK], predicate="intersects")
        other = values[a + start] != values[b]
        result[a[other] + start] = True
        result[b[other]] = True
    return result
