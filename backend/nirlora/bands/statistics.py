"""Percentiles of a raster's channels from a bounded, repeatable sample of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import RasterError
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
    source: RasterSource, channels: Sequence[Channel], calibration: Calibration, limit_px: int = SAMPLE_PX
) -> NDArray[np.float32]:
    """Valid pixels of evenly spread windows at full resolution, thinned to ``limit_px``.

    Full resolution, because averaging (overviews) would narrow the percentiles by a raster-dependent amount.

    Returns:
        ``(channels, pixels)`` float32 in physical units.

    Raises:
        RasterError: The raster has no valid pixel.
    """
    bands = bands_of(channels)
    best = np.empty((len(channels), 0), dtype=np.float32)
    for side in (_FIRST_GRID, _LAST_GRID):
        windows = _spread(source.width, source.height, side)
        each = max(1, limit_px // len(windows))
        parts: list[NDArray[np.float32]] = []
        with block_cache(_cache_bytes(source)):  # hundreds of windows, each read once
            for window in windows:
                data, valid = source.read(window, bands)
                keep = np.flatnonzero(valid)[:: max(1, -(-int(valid.sum()) // each))]
                flat = data.reshape(len(bands), 1, -1)[:, :, keep]
                parts.append(physical_values(channels, flat, bands, calibration)[:, 0])
        best = np.concatenate(parts, axis=1)
        if best.shape[1] >= _ENOUGH_PX or len(windows) < side * side:
            break
    if best.shape[1] == 0:
        raise RasterError(
            f"{source.path} has no valid pixel in bands {', '.join(map(str, bands))}.",
            hint="Check its nodata value and mask.",
        )
    return best


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


def _spread(width: int, height: int, side: int) -> list[Window]:
    """At most ``side * side`` windows, evenly spread, on multiples of the window size."""
    cols = _starts(width, side)
    rows = _starts(height, side)
    return [
        Window(col, row, min(_WINDOW_PX, width - col), min(_WINDOW_PX, height - row))
        for row in rows
        for col in cols
    ]


def _starts(length: int, side: int) -> list[int]:
    blocks = -(-length // _WINDOW_PX)
    chosen = range(blocks) if blocks <= side else np.linspace(0, blocks - 1, side).round().astype(int)
    return [int(block) * _WINDOW_PX for block in chosen]
