"""Small conversions: masks and bands as GeoTIFF, each under a temporary name first."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from nirlora.errors import OutputError
from nirlora.protocol import NO_CLASS


def write_mask(path: Path, mask: NDArray[np.uint8]) -> None:
    """Write ``(rows, cols)`` of 0, 1 and 255 (nodata).

    Raises:
        OutputError: It cannot be written.
    """
    _write(path, mask[None], NO_CLASS, (), None)


def write_bands(path: Path, data: NDArray[Any], valid: NDArray[np.bool_], names: Sequence[str]) -> None:
    """Write ``(bands, rows, cols)`` with a mask of the valid pixels and names of the bands.

    Raises:
        OutputError: It cannot be written.
    """
    _write(path, data, None, names, valid)


def _write(
    path: Path,
    data: NDArray[Any],
    nodata: int | None,
    names: Sequence[str],
    valid: NDArray[np.bool_] | None,
) -> None:
    part = path.with_name(path.name + ".part")
    options = {
        "driver": "GTiff", "count": data.shape[0], "height": data.shape[1], "width": data.shape[2],
        "dtype": data.dtype.name, "nodata": nodata, "compress": "deflate", "zlevel": 1, "tiled": True,
        "blockxsize": 256, "blockysize": 256, "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with (
                rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
                rasterio.open(part, "w", **options) as file,
            ):
                file.write(data)
                for band, name in enumerate(names, 1):
                    file.set_band_description(band, name)
                if valid is not None:
                    file.write_mask(valid)
        part.replace(path)
    except (RasterioError, OSError) as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error}.", hint="Is the disk full?") from error
