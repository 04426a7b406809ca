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
        unit: ``"m2"``; ``"px"`` without a CRS: areas are then in squared units of the transform.
    """

    def __init__(self, transform: Affine, crs: CRS | None, width: int, height: int) -> None:
        self._ground = Ground(transform, crs)
        self.unit = "m2" if self._ground.unit == "m" else "px"
        self.width, self.height = width, height
        middle = self._ground.metres_per_pixel(np.array([width / 2]), np.array([height / 2]))[0]
        self._step_m = np.hypot(middle[0], middle[1])  # of a column, of a row

    def pixel_area_m2(self, window: Window) -> NDArray[np.float64]:
        """Area of one pixel in each row of a window.

        Returns:
            ``(window.height,)`` float64, m² (see ``unit``): at the middle column; in windows wider than
            20 km the mean along the row (classes that keep to one side: :meth:`class_areas_m2`).
        """
        rows = window.row_off + 0.5 + np.arange(window.height)
        num = min(len(rows), max(2, int(np.ceil(len(rows) * self._step_m[1] / _LATTICE_M)) + 1))
        lattice = np.linspace(rows[0], rows[-1], num)
        wide = window.width * self._step_m[0] > _STRIP_M
        along = [
            weight * self.at(np.full(num, window.col_off + (0.5 + offset) * window.width), lattice)
            for offset, weight in (_GAUSS if wide else _MIDDLE)
        ]
        areas = np.asarray(sum(along))
        return areas if num == len(rows) else np.interp(rows, lattice, areas)

    def class_areas_m2(self, window: Window, values: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Area per value ``(256,)`` of a block of a class map, ``values`` ``(height, width)``."""
        result = np.zeros(256)
        strip = max(1, int(_STRIP_M / self._step_m[0]))
        for start in range(0, window.width, strip):
            width = min(strip, window.width - start)
            part = Window(window.col_off + start, window.row_off, width, window.height)
            weights = np.repeat(self.pixel_area_m2(part), width)
            result += np.bincount(values[:, start : start + width].ravel(), weights, minlength=256)
        return result

    def at(self, cols: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Area of pixels centred at ``(col, row)`` positions, ``(N,)``."""
        parts = [
            weight * np.abs(np.linalg.det(self._ground.metres_per_pixel(cols, rows + offset)))
            for offset, weight in _GAUSS
        ]
        return np.asarray(sum(parts))


class PolygonAreas:
    """Ground area of polygons that run along pixel edges.

    By Green's theorem over the horizontal edges, with the running total of pixel areas down the rows: exact
    where the area of a pixel depends on its row only; along the row it is scaled by the pixel area at the
    polygon's centroid.

    Args:
        model: Of the raster.
    """

    def __init__(self, model: AreaModel) -> None:
        self._model = model
        whole = Window(0, 0, model.width, model.height)
        self._rows = model.pixel_area_m2(whole)
        self._above = np.concatenate([[0.0], np.cumsum(self._rows)])

    def of(self, polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        """Areas ``(N,)`` in m² of polygons in pixel coordinates with horizontal and vertical edges only."""
        rings, owner = shapely.get_rings(polygons, return_index=True)
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        along = np.diff(xy[:, 0]) * (ring[1:] == ring[:-1])
        swept = along * self._above[np.rint(xy[:-1, 1]).astype(np.int64)]
        area = np.abs(np.bincount(ring[:-1], swept, minlength=len(rings)))
        outer = np.append(True, owner[1:] != owner[:-1])
        total = np.bincount(owner, np.where(outer, area, -area), minlength=len(polygons))
        centre = shapely.get_coordinates(shapely.centroid(polygons))
        row = np.clip(centre[:, 1].astype(np.int64), 0, self._model.height - 1)
        here = self._model.at(centre[:, 0], row + 0.5)
        return np.asarray(total * here / self._rows[row])
