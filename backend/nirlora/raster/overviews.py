"""Overviews of a tiled raster of bytes, each half of the one before, made only where there is data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from .outputs import with_suffix

Pixels = NDArray[np.uint8]
Reduce = Callable[[Pixels, int], Pixels]


def halve_by_mode(pixels: Pixels, nodata: int) -> Pixels:
    """The commonest value of each 2 x 2 pixels; of equally common ones the first in reading order.

    Args:
        pixels: ``(bands, rows, cols)``, rows and cols even.
        nodata: Counts only where there is nothing else.

    Returns:
        ``(bands, rows / 2, cols / 2)``.
    """
    a, b, c, d = _quarters(pixels)
    result = d.copy()
    for quarter in (c, b, a):
        np.copyto(result, quarter, where=quarter != nodata)
    for one, other in ((c, d), (b, d), (b, c), (a, d), (a, c), (a, b)):
        np.copyto(result, one, where=(one == other) & (one != nodata))
    return result


def halve_by_average(pixels: Pixels, nodata: int) -> Pixels:
    """The rounded mean of each 2 x 2 pixels, nodata left out; see :func:`halve_by_mode`."""
    quarters = np.stack(_quarters(pixels))
    known = quarters != nodata
    number = known.sum(axis=0, dtype=np.uint16)
    total = np.where(known, quarters, 0).sum(axis=0, dtype=np.uint16)
    mean = (total + number // 2) // np.maximum(number, 1)
    return np.where(number > 0, mean, nodata).astype(np.uint8)


def _quarters(pixels: Pixels) -> list[Pixels]:
    return [np.ascontiguousarray(pixels[:, row::2, col::2]) for row in (0, 1) for col in (0, 1)]


def build_overviews(full: Path, reduce: Reduce, tick: Callable[[], None]) -> list[Path]:
    """Write the overviews of ``full`` into files beside it, until one block holds everything.

    Args:
        full: Tiled GeoTIFF of bytes with square blocks and a nodata value; empty blocks may be missing.
        reduce: :func:`halve_by_mode` or :func:`halve_by_average`.
        tick: Called at every block; may raise to stop.

    Returns:
        Paths, large to small: ``full`` with ``.ovr``, ``.ovr.ovr`` ... appended, as GDAL looks for them.
    """
    paths: list[Path] = []
    source, there = full, None
    while True:
        with _open(source) as file:
            block = file.block_shapes[0][0]
            if max(file.width, file.height) <= block:
                return paths
            there = _blocks(file) if there is None else there
            there = _parents(there)
            target = with_suffix(source, ".ovr")
            paths.append(target)
            with _create(target, file) as out:
                for row, col in np.argwhere(there).tolist():
                    tick()
                    _reduce_block(file, out, (row * block, col * block, block), reduce)
        source = target


def _reduce_block(file: Any, out: Any, place: tuple[int, int, int], reduce: Reduce) -> None:
    row, col, size = place
    rows, cols = min(size, out.height - row), min(size, out.width - col)
    window = ((2 * row, min(2 * (row + rows), file.height)), (2 * col, min(2 * (col + cols), file.width)))
    pixels = file.read(window=window)
    nodata = int(file.nodata)
    short = ((0, 0), (0, 2 * rows - pixels.shape[1]), (0, 2 * cols - pixels.shape[2]))
    if any(after for _, after in short):
        pixels = np.pad(pixels, short, constant_values=nodata)
    out.write(reduce(pixels, nodata), window=((row, row + rows), (col, col + cols)))


def _blocks(file: Any) -> NDArray[np.bool_]:
    """Which blocks the file holds, ``(rows, cols)``; of several bands, any band's."""
    size = file.block_shapes[0][0]
    shape = -(-file.height // size), -(-file.width // size)

    def stored(row: int, col: int) -> bool:
        name = f"BLOCK_OFFSET_{col}_{row}"
        return any(file.get_tag_item(name, "TIFF", bidx=band) is not None for band in file.indexes)

    return np.array([[stored(row, col) for col in range(shape[1])] for row in range(shape[0])])


def _parents(there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which blocks of the next overview have anything under them."""
    rows, cols = there.shape
    even = np.pad(there, ((0, rows % 2), (0, cols % 2)))
    return np.asarray(even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2])


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            yield file


@contextmanager
def _create(path: Path, full: Any) -> Iterator[Any]:
    """An empty raster of half the size, otherwise like ``full``."""
    keep = ("count", "dtype", "nodata", "tiled", "blockxsize", "blockysize", "compress", "interleave")
    profile = {key: full.profile[key] for key in keep}
    size = {"width": -(-full.width // 2), "height": -(-full.height // 2)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", **profile, **size, BIGTIFF="IF_SAFER", SPARSE_OK=True
        ) as file:
            if full.colorinterp[0] == rasterio.enums.ColorInterp.palette:
                file.write_colormap(1, full.colormap(1))
            yield file
