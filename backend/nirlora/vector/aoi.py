"""Areas of interest: polygons outside of which nothing is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from nirlora.errors import InputError
from nirlora.raster.grid import Window
from nirlora.raster.source import RasterSource

from .reading import Geometries, read_layer, to_pixels


class Aoi:
    """Polygons on the grid of one raster.

    Attributes:
        warnings: What was repaired, skipped or assumed, with counts.
        window: The part of the raster that the polygons cover, as one bounding window.
    """

    def __init__(self, geometries: Geometries, source: RasterSource, warnings: tuple[str, ...]) -> None:
        self.warnings = warnings
        self._geometries = geometries
        shapely.prepare(geometries)
        self._tree = shapely.STRtree(geometries)
        low = np.floor(shapely.total_bounds(geometries)[:2]).astype(int).tolist()
        high = np.ceil(shapely.total_bounds(geometries)[2:]).astype(int).tolist()
        covered = Window(low[0], low[1], max(high[0] - low[0], 1), max(high[1] - low[1], 1))
        self.window = covered.intersection(source.window) or source.window

    def touches(self, window: Window) -> bool:
        """Whether any polygon meets the window; if not, :meth:`mask` is all False."""
        return len(self._at(window)) > 0

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """``(height, width)``, True where a pixel's centre lies in a polygon; windows may stick out."""
        found = self._at(window)
        if len(found) == 0:
            return np.zeros(window.shape, dtype=np.bool_)
        frame = _box(window)
        if len(found) == 1 and shapely.covers(self._geometries[found[0]], frame):
            return np.ones(window.shape, dtype=np.bool_)
        # Conversion to GDAL costs per vertex: leave only what is near the window.
        near = shapely.intersection(self._geometries[found], shapely.buffer(frame, 2, join_style="mitre"))
        parts = shapely.get_parts(shapely.get_parts(near))
        solid = parts[shapely.area(parts) > 0]
        if len(solid) == 0:
            return np.zeros(window.shape, dtype=np.bool_)
        corner = Affine.translation(window.col_off, window.row_off)
        burnt = rasterize(list(solid), out_shape=window.shape, transform=corner, dtype="uint8")
        return np.asarray(burnt, dtype=np.bool_)

    def _at(self, window: Window) -> NDArray[np.intp]:
        return np.asarray(self._tree.query(_box(window), predicate="intersects"))


def open_aoi(path: str | Path, source: RasterSource) -> Aoi:
    """Open polygons of interest and bring them onto the grid of a raster.

    Args:
        path: Anything OGR reads, optionally ``|layername=NAME``; any CRS (reprojected).
        source: The raster.

    Raises:
        InputError: The file cannot be read, or no polygon meets the raster.
    """
    layer = read_layer(str(path))
    found = to_pixels(layer, source, None)
    frame = _box(source.window)
    inside = shapely.intersects(found.geometries, frame)
    if not inside.any():
        raise InputError(
            f"None of the {len(layer.geometries)} feature(s) of {path} is a polygon that meets the raster.",
            hint="Check the CRS of both, and that they show the same place.",
        )
    return Aoi(found.geometries[inside], source, layer.warnings + tuple(found.warnings))


def _box(window: Window) -> shapely.Geometry:
    right, bottom = window.col_off + window.width, window.row_off + window.height
    return shapely.box(window.col_off, window.row_off, right, bottom)
