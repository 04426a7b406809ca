"""Small patches of a class map merged into their neighbours, strip by strip."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import sieve

from nirlora.raster.grid import Window

from .area import AreaModel

_STRIP_PX = 1 << 23
_MAX_ROWS = 2048


def sieve_map(
    file: Any, out_path: Path, nodata: int, areas: AreaModel, min_area_m2: float, tick: Callable[[], None]
) -> None:
    """Write a copy of a class map in which small patches have the class of their largest neighbour.

    A patch is a 4-connected set of pixels of one class; nodata is never filled nor grown. GDAL's sieve
    filter does it on strips of rows with halos: a patch under ``n`` pixels is less than ``n`` rows high, so
    a halo of ``n`` rows shows the whole of it (halos end at the height of a strip: flatter memory for the
    price of keeping a thread-like patch higher than that). Rows above a strip are taken already sieved.

    Args:
        file: Open rasterio dataset, uint8, band 1.
        out_path: GeoTIFF to write.
        nodata: Value of pixels without a class.
        areas: Of the grid of the map.
        min_area_m2: Smaller patches are merged.
        tick: Called once per strip; may raise to stop.
    """
    width, height = file.width, file.height
    rows = min(_MAX_ROWS, max(128, _STRIP_PX // width))
    above: NDArray[np.uint8] = np.zeros((0, width), dtype=np.uint8)
    profile = {
        "driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "uint8", "nodata": nodata,
        "transform": file.transform, "crs": file.crs, "compress": "deflate", "zlevel": 1,
        "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with rasterio.open(out_path, "w", **profile) as out:
        for start in range(0, height, rows):
            tick()
            stop = min(start + rows, height)
            pixel = float(areas.pixel_area_m2(Window(0, start, width, stop - start)).max())
            size = max(1, min(math.ceil(min_area_m2 / pixel - 1e-9), 2**31 - 1))
            halo = min(size, rows)
            below = file.read(1, window=((start, min(stop + halo, height)), (0, width)))
            block = np.concatenate([above[-halo:], below])
            first = len(block) - len(below)
            known = block != nodata
            if size > 1 and known.any():
                merged = sieve(block, min(size, block.size - 1), mask=known.astype(np.uint8))
                block = np.where(known, merged, np.uint8(nodata))
            core = block[first : first + stop - start]
            out.write(core, 1, window=((start, stop), (0, width)))
            above = np.concatenate([above, core])[-rows:]
