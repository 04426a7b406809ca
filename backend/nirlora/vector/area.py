"""Ground area of pixels: on the ellipsoid, whatever the projection does to areas."""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from nirlora.raster.grid import Window

from .geodesy import Ground

_LATTICE_M = 2000.0  # rows this close: linear interpolation errs by less than 1e-7
_STRIP_M = 20_000.0
_GAUSS = ((-np.sqrt(0.6) / 2, 5 / 18), (0.0, 8 / 18), (np.sqrt(0.6) / 2, 5 / 18))
_MIDDLE = ((0.0, 1.0),)


class AreaModel:
    """Ground area of the pixels of one raster.

    The area of a pixel is that of its footprint on the ellipsoid: from the local derivatives of the
    projection (the closed form of them in geographic coordinates), averaged over the height of the pixel
    by three-point Gauss integration. Without a CRS it is ``|det|`` of the transform.

    Args:
        transform, crs, width, height: The raster's.

    Attributes:
        step_m: Metres of one step along a row and along a column, in the middle of the raster.
        unit: ``"m2"``; ``"px"`` without a CRS: areas are then in squared units of the transform.
    """

    def __init__(self, transform: Affine, crs: CRS | None, width: int, height: int) -> None:
        self._ground = Ground(transform, crs)
        self.unit = "m2" if self._ground.unit == "m" else "px"
        self.width, self.height = width, height
        middle = self._ground.metres_per_pixel(np.array([width / 2]), np.array([height / 2]))[0]
        self.step_m = np.hypot(middle[0], middle[1])

    def pixel_area_m2(self, window: Window) -> NDArray[np.float64]:
        """Area of one pixel in each row of a window.

        Returns:
            ``(window.height,)`` float64, m² (see ``unit``): at the middle column; in windows wider than
            20 km the mean along the row (classes that keep to one side: :meth:`class_areas_m2`).
        """
        rows = window.row_off + 0.5 + np.arange(window.height)
        num = min(len(rows), max(2, int(np.ceil(len(rows) * self.step_m[1] / _LATTICE_M)) + 1))
        lattice = np.linspace(rows[0], rows[-1], num)
        wide = window.width * self.step_m[0] > _STRIP_M
        along = [
            weight * self._at(np.full(num, window.col_off + (0.5 + offset) * window.width), lattice)
            for offset, weight in (_GAUSS if wide else _MIDDLE)
        ]
        areas = np.asarray(sum(along))
        return areas if num == len(rows) else np.interp(rows, lattice, areas)

    def class_areas_m2(self, window: Window, values: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Area per value ``(256,)`` of a block of a class map, ``values`` ``(height, width)``."""
        result = np.zeros(256)
        strip = max(1, int(_STRIP_M / self.step_m[0]))
        for start in range(0, window.width, strip):
            width = min(strip, window.width - start)
            part = Window(window.col_off + start, window.row_off, width, window.height)
            weights = np.repeat(self.pixel_area_m2(part), width)
            result += np.bincount(values[:, start : start + width].ravel(), weights, minlength=256)
        return result

    def _at(self, cols: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Area of pixels centred at ``(col, row)`` positions, ``(N,)``."""
        parts = [
            weight * np.abs(np.linalg.det(self._ground.metres_per_pixel(cols, rows + offset)))
            for offset, weight in _GAUSS
        ]
        return np.asarray(sum(parts))


class PolygonAreas:
    """Ground area of polygons that run along pixel edges.

    By Green's theorem over the horizontal edges, with the running total of pixel areas down the rows:
    tabulated at columns at most 20 km apart, interpolated between them, integrated along each edge by
    Simpson's rule.

    Args:
        model: Of the raster.
    """

    def __init__(self, model: AreaModel) -> None:
        num = 1 + int(np.ceil(model.width * model.step_m[0] / _STRIP_M))
        self._columns = np.linspace(0, model.width, num)
        rows = [model.pixel_area_m2(Window(round(c), 0, 1, model.height)) for c in self._columns]
        self._above = np.pad(np.cumsum(rows, axis=1), ((0, 0), (1, 0)))  # (columns, height + 1)

    def of(self, polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        """Areas ``(N,)`` in m² of polygons in pixel coordinates with horizontal and vertical edges only."""
        rings, owner = shapely.get_rings(polygons, return_index=True)
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        left, right = xy[:-1, 0], xy[1:, 0]
        row = np.rint(xy[:-1, 1]).astype(np.int64)
        ends = self._total(left, row) + self._total(right, row)
        mean = (ends + 4 * self._total((left + right) / 2, row)) / 6
        swept = (right - left) * mean * (ring[1:] == ring[:-1])
        area = np.abs(np.bincount(ring[:-1], swept, minlength=len(rings)))
        outer = np.append(True, owner[1:] != owner[:-1])
        total = np.bincount(owner, np.where(outer, area, -area), minlength=len(polygons))
        return total.astype(np.float64)

    def _total(self, col: NDArray[np.float64], row: NDArray[np.int64]) -> NDArray[np.float64]:
        """Area above a row in a column one pixel wide."""
        place = np.interp(col, self._columns, np.arange(len(self._columns)))
        before = np.minimum(place.astype(np.int64), len(self._columns) - 2)
        share = place - before
        return np.asarray((1 - share) * self._above[before, row] + share * self._above[before + 1, row])
