"""Class numbers of a label raster, read on the grid of another raster."""

from __future__ import annotations

import warnings as python_warnings
from threading import Lock
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.vrt import WarpedVRT

from nirlora.errors import LabelsError, RasterError
from nirlora.raster.grid import Window
from nirlora.raster.source import RasterSource, open_raster

from .geodesy import crs_positions, pixel_positions
from .legend import read_legend

_ANY_CRS = CRS.from_epsg(3857)  # for warping between two grids when no CRS is known


class LabelReader:
    """Reads band 1 of a label raster, warped by nearest neighbour unless the grids agree.

    Attributes:
        path: Of the label raster.
        has_nodata: Whether it says itself which pixels count (nodata value or mask).
        legend: Names and colours of its values.
        warnings: What had to be assumed.

    Raises:
        LabelsError: It cannot be opened or read, or holds fractions.
    """

    def __init__(self, path: str, source: RasterSource) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._lock = Lock()
        try:
            self._own = open_raster(path)
        except RasterError as error:
            raise LabelsError(error.message, hint=error.hint) from error
        own = self._own
        self.legend = read_legend(path, own)
        self.has_nodata = own.says_valid
        if own.count > 1:
            self.warnings.append(f"{path} has {own.count} bands; band 1 is taken as the labels.")
        if own.crs is None and source.crs is not None:
            self.warnings.append(f"{path} has no CRS; it is taken to be the raster's.")
        elif own.crs is not None and source.crs is None:
            self.warnings.append(f"The raster has no CRS; coordinates of {path} are taken to be its own.")
        self._warped = None if _same_grid(own, source) else _warp(own, source)

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values and where there are any, ``(height, width)`` each, of a window inside the raster."""
        with self._lock:
            values, known = self._read(window)
        if values.dtype.kind == "f":
            known = known & np.isfinite(values)
            if (values[known] % 1 != 0).any():
                raise LabelsError(
                    f"{self.path} holds fractions ({values.dtype}), expected whole class numbers.",
                    hint="Give a raster of class numbers, or polygons.",
                )
            values = np.where(known, values, 0).astype(np.int64)
        return values, known

    def _read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        where = window.to_rasterio()
        try:
            if self._warped is None:
                data, valid = self._own.read(window, [1])
                return data[0], valid
            return self._warped.read(1, window=where), self._warped.dataset_mask(window=where) != 0
        except RasterError as error:
            raise LabelsError(error.message, hint=error.hint) from error
        except RasterioError as error:
            raise LabelsError(f"Could not read {self.path}: {error}.", hint="Is it damaged?") from error


def _same_grid(own: RasterSource, source: RasterSource) -> bool:
    if (own.width, own.height) != (source.width, source.height):
        return False
    if own.crs is not None and source.crs is not None and own.crs != source.crs:
        return False
    cols, rows = np.array([[0.0, own.width, 0.0], [0.0, 0.0, own.height]])
    there = pixel_positions(source.transform, *crs_positions(own.transform, cols, rows))
    return bool(np.abs(np.array(there) - [cols, rows]).max() < 1e-3)


def _warp(own: RasterSource, source: RasterSource) -> Any:
    crs = source.crs or own.crs or _ANY_CRS
    nodata = own.nodata[0]
    # Without a nodata value, alpha tells pixels of value 0 from those beyond the label raster.
    marked: dict[str, Any] = (
        {"add_alpha": True} if nodata is None else {"src_nodata": nodata, "nodata": nodata}
    )
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return WarpedVRT(
                rasterio.open(own.path),
                src_crs=(own.crs or crs) if source.crs is not None else crs,
                crs=crs,
                transform=source.transform,
                width=source.width,
                height=source.height,
                resampling=Resampling.nearest,
                tolerance=0.01,
                **marked,
            )
    except (RasterioError, CRSError) as error:
        raise LabelsError(f"{own.path} cannot be brought onto the raster's grid: {error}.") from error
