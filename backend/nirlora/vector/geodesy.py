"""Metres on the ground around a pixel, for any CRS that pyproj knows."""

from __future__ import annotations

import math

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError
from rasterio.crs import CRS

_STEP_M = 500.0  # half the base of the central differences: far above rounding, far below the curvature
_STEP_RAD = 1e-4


def horizontal_crs(crs: CRS | str | None) -> pyproj.CRS | None:
    """The horizontal part of a rasterio CRS, WKT or authority string; None if there is none."""
    if not crs:
        return None
    result = pyproj.CRS.from_user_input(crs if isinstance(crs, str) else crs.to_wkt())
    while result.is_bound or result.is_compound:
        inner = result.source_crs if result.is_bound else result.sub_crs_list[0]
        if inner is None:
            return None
        result = inner
    return result


Floats = NDArray[np.float64]


def crs_positions(transform: Affine, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """CRS coordinates (x, y) of pixel positions; a pixel's centre is at .5."""
    t = transform
    return t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f


def pixel_positions(transform: Affine, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Pixel positions (col, row) of CRS coordinates; exact to rounding also far from the CRS origin."""
    inverse = np.linalg.inv(np.array([[transform.a, transform.b], [transform.d, transform.e]]))
    with np.errstate(invalid="ignore"):
        dx, dy = x - transform.c, y - transform.f
        return inverse[0, 0] * dx + inverse[0, 1] * dy, inverse[1, 0] * dx + inverse[1, 1] * dy


class Ground:
    """Local relation between pixels and metres on the ellipsoid.

    Args:
        transform: From (col, row) to CRS units.
        crs: Of the raster; without one, or one without a geodetic base, pixels are taken as planar.

    Attributes:
        unit: ``"m"``, or ``"px"`` when nothing is known about the size of a pixel.
    """

    def __init__(self, transform: Affine, crs: CRS | None) -> None:
        self.transform = transform
        self._linear = np.array([[transform.a, transform.b], [transform.d, transform.e]])
        self._to_geodetic: pyproj.Transformer | None = None
        self._radians = 0.0
        self.unit = "px"
        try:
            own = horizontal_crs(crs)
        except CRSError:
            own = None
        self._factor = 1.0
        if own is None or not own.axis_info:
            return
        self._factor = own.axis_info[0].unit_conversion_factor or 1.0
        geodetic = own.geodetic_crs
        if geodetic is None or own.ellipsoid is None:
            self.unit = "m"  # an engineering CRS: planar, but its unit is known
            return
        self._use_ellipsoid(own, geodetic)

    def _use_ellipsoid(self, own: pyproj.CRS, geodetic: pyproj.CRS) -> None:
        self.unit = "m"
        ellipsoid = own.ellipsoid
        if ellipsoid is None:
            return
        self._a = ellipsoid.semi_major_metre
        flattening = 1 / ellipsoid.inverse_flattening if ellipsoid.inverse_flattening else 0.0
        self._e2 = flattening * (2 - flattening)
        self._radians = geodetic.axis_info[0].unit_conversion_factor
        self._angular = own.is_geographic
        self._plain = own.is_geographic and not own.is_derived
        if not self._plain:
            self._to_geodetic = pyproj.Transformer.from_crs(own, geodetic, always_xy=True)

    def metres_per_pixel(self, cols: Floats, rows: Floats) -> Floats:
        """Local linear map from pixel steps to metres.

        Args:
            cols, rows: Positions ``(N,)`` in pixels; a pixel's centre is at .5.

        Returns:
            ``(N, 2, 2)``: metres (east, north) per step (col, row); ``|det|`` is the area of a pixel.
            Without a CRS: CRS units instead of metres.
        """
        planar = np.broadcast_to(self._linear * self._factor, (len(cols), 2, 2))
        if not self._radians:
            return planar.copy()
        x, y = crs_positions(self.transform, cols, rows)
        angles = self._plain_angles(y) if self._plain else self._differences(x, y)
        local: Floats = angles @ self._linear
        bad = ~np.isfinite(local).all(axis=(1, 2))
        if bad.any():  # beyond the domain of the projection
            local[bad] = planar[bad]
        return local

    def _radii(self, lat: Floats) -> tuple[Floats, Floats]:
        """Metres per radian of longitude and of latitude (N cos(lat), M)."""
        w = 1 - self._e2 * np.sin(lat) ** 2
        return self._a / np.sqrt(w) * np.cos(lat), self._a * (1 - self._e2) / w**1.5

    def _plain_angles(self, y: Floats) -> Floats:
        east, north = self._radii(y * self._radians)
        result = np.zeros((len(y), 2, 2))
        result[:, 0, 0], result[:, 1, 1] = east * self._radians, north * self._radians
        return result

    def _differences(self, x: Floats, y: Floats) -> Floats:
        """d(east, north) / d(x, y) by central differences through geodetic coordinates."""
        h = (_STEP_RAD if self._angular else _STEP_M) / self._factor
        lon, lat = self._geodetic(
            np.concatenate([x, x + h, x - h, x, x]), np.concatenate([y, y, y, y + h, y - h])
        )
        lon, lat = lon.reshape(5, -1), lat.reshape(5, -1)
        east, north = self._radii(lat[0])
        turn = 2 * math.pi
        result = np.empty((len(x), 2, 2))
        for axis, (ahead, behind) in enumerate(((1, 2), (3, 4))):
            step = (lon[ahead] - lon[behind] + math.pi) % turn - math.pi  # across the date line
            result[:, 0, axis] = step * east / (2 * h)
            result[:, 1, axis] = (lat[ahead] - lat[behind]) * north / (2 * h)
        return result

    def _geodetic(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        if self._to_geodetic is None:
            return x * self._radians, y * self._radians
        try:
            lon, lat = self._to_geodetic.transform(x, y)
        except ProjError:
            lon, lat = np.full_like(x, np.nan), np.full_like(y, np.nan)
        with np.errstate(invalid="ignore"):
            lon = np.where(np.isfinite(lon), lon, np.nan) * self._radians
            lat = np.where(np.isfinite(lat), lat, np.nan) * self._radians
        return lon, lat
