"""From a plain tiled GeoTIFF to a Cloud Optimized one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from nirlora.errors import OutputError

from .cache import block_cache
from .overviews import build_overviews, halve_by_average, halve_by_mode
from .tiff import join_images, read_image

BLOCK_PX = 512
_CACHE = 24 * 2**20  # bytes; blocks are read once, in order; GDAL's own default is a share of all memory
_PROMISE = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
# What makes readers take the file for cloud optimized: see "Header ghost area" in GDAL's COG driver.
_GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(_PROMISE) + _PROMISE


def write_cog(part: Path, out: Path, *, resampling: str, tick: Callable[[], None] | None = None) -> None:
    """Make of ``part`` the Cloud Optimized GeoTIFF ``out``, with overviews.

    Not by GDAL's own driver: that visits all blocks, also those that are not there (minutes for a map of
    a village in a raster of a country), and cannot be stopped. Here the overviews are made where there is
    data, and the compressed tiles are copied as they are, in the order that the format asks for.

    Args:
        part: Tiled GeoTIFF of bytes with nodata, complete and closed.
        out: Written anew.
        resampling: Of the overviews: ``mode`` for classes, ``average`` for quantities.
        tick: Called often; may raise to stop.

    Raises:
        OutputError: The disk is full, or the file cannot be written.
    """
    tick = tick or (lambda: None)
    reduce = {"mode": halve_by_mode, "average": halve_by_average}[resampling]
    try:
        with block_cache(_CACHE):
            overviews = build_overviews(part, reduce, tick)
        images = [read_image(path) for path in (part, *overviews)]
        join_images(images, out, _GHOST, tick)
        for path in overviews:
            path.unlink()
    except (RasterioError, OSError) as error:
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
