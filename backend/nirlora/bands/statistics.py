"""Percentiles of a raster's channels from a bounded, repeatable sample of its pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nirlora.raster.cache import block_cache
from nirlora.raster.grid import Window

from .calibration import Calibration
from .channels import Channel, compute

if TYPE_CHECKING:
    from nirlora.raster.source import RasterSource

SAMPLE_PX = 2_000_000  # pixels per raster that percentiles are taken from
_WINDOW_PX = 256
_FIRST_GRID, _LAST_GRID = 8, 32  # windows a side: 64 first, up to 1024 where most of them are empty
_ENOUGH_PX = 20_000
_LEAST_CACHE, _MOST_CACHE = 24 * 2**20, 2**28  # bytes


@dataclass(frozen=True)
class ChannelStats:
    """Percentiles of one channel over valid pixels, in physical units."""

    p1: float
    p2: float
    median: float
    p98: float
    p99: float


def physical_values(
    channels: Sequence[Channel], data: NDArray[np.generic], bands: Sequence[int], calibration: Calibration
) -> NDArray[np.float32]:
    """Channels in physical units.

    Args:
        channels: What to make.
        data: ``(bands, rows, cols)`` as the file holds it.
        bands: 1-based band of each row of ``data``.
        calibration: Scale and offset of the file.

    Returns:
        ``(channels, rows, cols)`` float32.
    """
    index = [b - 1 for b in bands]
    scale = np.array([calibration.scale[i] for i in index], dtype=np.float32)[:, None, None]
    offset = np.array([calibration.offset[i] for i in index], dtype=np.float32)[:, None, None]
    with np.errstate(all="ignore"):  # nodata may be NaN or huge; those pixels are invalid
        values = np.multiply(data, scale, dtype=np.float32)
        values += offset
        return compute(channels, values, {b: row for row, b in enumerate(bands)})


def bands_of(channels: Sequence[Channel]) -> list[int]:
    """The 1-based bands that the channels need, each once, in the order of first use."""
    return list(dict.fromkeys(b for channel in channels for b in channel.bands))


def sample_channels(
    source: RasterSource,
    channels: Sequence[Channel],
    calibration: Calibration,
    limit_px: int = SAMPLE_PX,
    places: Sequence[Window] = (),
) -> NDArray[np.float32]:
    """Valid pixels of evenly spread windows at full resolution, thinned to ``limit_px``.

    Full resolution, because averaging (overviews) would narrow the percentiles by a raster-dependent amount.

    Args:
        source: The raster.
        channels: What to sample.
        calibration: Scale and offset of the raster.
        limit_px: At most about so many pixels.
        places: Where to look if that finds (nearly) nothing, as in a huge raster that is mostly empty.

    Returns:
        ``(channels, pixels)`` float32 in physical units; no pixels if all that was looked at is nodata.
    """
    bands = bands_of(channels)
    best = np.empty((len(channels), 0), dtype=np.float32)
    with block_cache(_cache_bytes(source)):  # hundreds of windows, each read once
        for windows in _rounds(source.window, places):
            each = max(1, limit_px // len(windows))
            parts: list[NDArray[np.float32]] = []
            for window in windows:
                data, valid = source.read(window, bands)
                keep = np.flatnonzero(valid)[:: max(1, -(-int(valid.sum()) // each))]
                flat = data.reshape(len(bands), 1, -1)[:, :, keep]
                parts.append(physical_values(channels, flat, bands, calibration)[:, 0])
            best = max(best, np.concatenate(parts, axis=1), key=lambda sample: sample.shape[1])
            if best.shape[1] >= _ENOUGH_PX:
                break
    return best


def _rounds(whole: Window, places: Sequence[Window]) -> Iterator[list[Window]]:
    """Windows to sample: few, then many, then those in ``places``."""
    for side in (_FIRST_GRID, _LAST_GRID):
        windows = _spread(whole, side)
        yield windows
        if len(windows) < side * side:  # that was all of the raster
            return
    chosen = places[:: max(1, -(-len(places) // _LAST_GRID**2))]
    if chosen:
        side = math.isqrt(_LAST_GRID**2 // len(chosen))
        yield [window for place in chosen for window in _spread(_grown(place), side)]


def _cache_bytes(source: RasterSource) -> int:
    """What one row of windows needs: of a file in strips, whole rows are decoded for each of them."""
    block_rows, block_cols = source.block_shape
    if block_cols < source.width:
        return _LEAST_CACHE
    row_bytes = source.width * source.count * np.dtype(source.dtype).itemsize
    return min(max(row_bytes * (_WINDOW_PX + block_rows), _LEAST_CACHE), _MOST_CACHE)


def channel_stats(sample: NDArray[np.float32]) -> tuple[ChannelStats, ...]:
    """Percentiles of every row of a ``(channels, pixels)`` sample."""
    table = np.percentile(sample, (1, 2, 50, 98, 99), axis=1).T
    return tuple(ChannelStats(*(float(v) for v in row)) for row in table)


def looks_like_reflectance(source: RasterSource, stats: Sequence[ChannelStats]) -> bool:
    """Float rasters whose values lie where reflectance lies; integers never do by themselves."""
    return source.dtype.startswith("float") and all(s.p1 >= -0.3 and 1e-3 < s.p99 <= 2.0 for s in stats)


def _grown(place: Window) -> Window:
    """At least one window's size around the middle of a place; it may stick out of the raster."""
    width, height = max(place.width, _WINDOW_PX), max(place.height, _WINDOW_PX)
    return Window(
        place.col_off - (width - place.width) // 2,
        place.row_off - (height - place.height) // 2,
        width,
        height,
    )


def _spread(place: Window, side: int) -> list[Window]:
    """At most ``side * side`` windows, evenly spread over a place, whole windows from its corner."""
    return [
        Window(
            place.col_off + col,
            place.row_off + row,
            min(_WINDOW_PX, place.width - col),
            min(_WINDOW_PX, place.height - row),
        )
        for row in _starts(place.height, side)
        for col in _starts(place.width, side)
    ]


def _starts(length: int, side: int) -> list[int]:
    blocks = -(-length // _WINDOW_PX)
    chosen = range(blocks) if blocks <= side else np.linspace(0, blocks - 1, side).round().astype(int)
    return [int(block) * _WINDOW_PX for block in chosen]
