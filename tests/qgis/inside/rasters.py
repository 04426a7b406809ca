"""Small rasters for the tests, written with GDAL."""

from __future__ import annotations

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
TYPES = {
    "uint8": gdal.GDT_Byte,
    "uint16": gdal.GDT_UInt16,
    "int16": gdal.GDT_Int16,
    "float32": gdal.GDT_Float32,
}


def scene(bands=3, height=200, width=300, dtype="uint16", seed=0):
    """Values ``(bands, rows, cols)`` without a 0: left half low, right half high, with noise."""
    rng = np.random.default_rng(seed)
    values = rng.integers(10, 60, (bands, height, width)) + 120 * (np.arange(width) > width / 2)
    return values.astype(dtype)


def write_tiff(
    path, values, *, epsg=32633, origin=(500_000.0, 5_000_000.0), pixel=0.5, nodata=None, names=()
):
    """A GeoTIFF of ``values`` (bands, rows, cols); ``pixel`` in CRS units, or (width, height)."""
    count, height, width = values.shape
    across, down = pixel if isinstance(pixel, tuple) else (pixel, pixel)
    kind = TYPES[str(values.dtype)]
    file = gdal.GetDriverByName("GTiff").Create(str(path), width, height, count, kind, ["ALPHA=NO"])
    file.SetGeoTransform((origin[0], across, 0, origin[1], 0, -down))
    if epsg:
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(epsg)
        file.SetProjection(reference.ExportToWkt())
    for i in range(count):
        band = file.GetRasterBand(i + 1)
        band.WriteArray(values[i])
        if nodata is not None:
            band.SetNoDataValue(nodata)
        if names:
            band.SetDescription(names[i])
    del file, band
    return str(path)


def read(path):
    """All values ``(bands, rows, cols)`` of a file, and the file."""
    file = gdal.Open(str(path))
    values = file.ReadAsArray()
    return (values if values.ndim == 3 else values[None]), file
