"""From a plain tiled GeoTIFF to a Cloud Optimized one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import rasterio
import rasterio.shutil
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from nirlora.errors import OutputError

BLOCK_PX = 512
_CACHE = 24 * 2**20  # bytes, at least; GDAL's own default is a share of all memory


def write_cog(part: Path, out: Path, *, resampling: str) -> None:
    """Copy ``part`` to the Cloud Optimized GeoTIFF ``out``, with overviews.

    Args:
        part: Tiled GeoTIFF, complete and closed.
        out: Written anew.
        resampling: Of the overviews: ``mode`` for classes, ``average`` for quantities.

    Raises:
        OutputError: The disk is full, or the file cannot be written.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(part) as file:
                block_row = file.width * file.count * BLOCK_PX
            with rasterio.Env(GDAL_CACHEMAX=min(max(_CACHE, 2 * block_row), 2**30)):
                rasterio.shutil.copy(
                    part,
                    out,
                    driver="COG",
                    COMPRESS="DEFLATE",
                    BLOCKSIZE=BLOCK_PX,
                    OVERVIEW_RESAMPLING=resampling.upper(),
                    BIGTIFF="IF_SAFER",
                    NUM_THREADS="ALL_CPUS",
                )
    except RasterioError as error:
        raise OutputError(
            f"{out} could not be written: {error}.", hint="Is the disk full, or the folder gone?"
        ) from error


def lost_georeference(path: Path, transform: Any, crs: Any) -> str:
    """XML for the sidecar with whatever of transform and CRS the file ``path`` could not hold exactly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            same_transform, same_crs = file.transform == transform, (file.crs or None) == crs
    xml = ""
    if not same_crs and crs is not None:
        xml += f"  <SRS>{escape(crs.to_wkt())}</SRS>\n"
    if not same_transform:
        numbers = ", ".join(f"{v!r}" for v in transform.to_gdal())
        xml += f"  <GeoTransform>{numbers}</GeoTransform>\n"
    return xml
