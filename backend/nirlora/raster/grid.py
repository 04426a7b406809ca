"""Windows, tile starts and blending weights: integer maths, pure, no I/O."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import rasterio.windows


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels; it may stick out of the raster on any side.

    Args:
        col_off: First column, in pixels of the raster.
        row_off: First row.
        width: Number of columns, >= 1.
        height: Number of rows, >= 1.
    """

    col_off: int
    row_off: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a window needs a positive size, got {self.width} x {self.height}")

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices into an array of the whole raster (only for windows inside it)."""
        rows = slice(self.row_off, self.row_off + self.height)
        return rows, slice(self.col_off, self.col_off + self.width)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``, as numpy counts."""
        return self.height, self.width

    def intersection(self, other: Window) -> Window | None:
        """The pixels both windows share, or None."""
        left, top = max(self.col_off, other.col_off), max(self.row_off, other.row_off)
        right = min(self.col_off + self.width, other.col_off + other.width)
        bottom = min(self.row_off + self.height, other.row_off + other.height)
        if right <= left or bottom <= top:
            return None
        return Window(left, top, right - left, bottom - top)

    def shift(self, cols: int, rows: int) -> Window:
        """The same window, moved by ``cols`` to the right and ``rows`` down."""
        return Window(self.col_off + cols, self.row_off + rows, self.width, self.height)

    def to_rasterio(self) -> rasterio.windows.Window:
        """The same window as rasterio's type."""
        from rasterio.windows import Window as RasterioWindow

        return RasterioWindow(self.col_off, self.row_off, self.width, self.height)


def tile_starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    """Evenly spread starts of the fewest tiles that cover ``[0, length)``.

    Args:
        length: Pixels to cover along one axis, >= 1.
        tile: Pixels of a tile along it.
        overlap: Least number of pixels that neighbours share, ``0 <= overlap < tile``.

    Returns:
        Increasing starts from 0 to ``length - tile`` whose distances differ by at most one pixel;
        ``(0,)`` if one tile is enough (it then may stick out).
    """
    if length < 1 or tile < 1 or not 0 <= overlap < tile:
        raise ValueError(
            f"need length >= 1 and 0 <= overlap < tile, got length={length} tile={tile} overlap={overlap}"
        )
    if length <= tile:
        return (0,)
    steps = -(-(length - tile) // (tile - overlap))
    return tuple(i * (length - tile) // steps for i in range(steps + 1))


@dataclass(frozen=True)
class Ramp:
    """Where one tile hands over to the next along one axis: ``[start, stop)`` in raster pixels."""

    start: int
    stop: int

    def weights(self) -> NDArray[np.float32]:
        """Weight of the later tile at each pixel of the ramp, rising as a raised cosine, in (0, 1)."""
        n = self.stop - self.start
        return (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(n, 1))).astype(np.float32)


def ramps(tile: int, starts: Sequence[int]) -> tuple[Ramp, ...]:
    """The hand-over between each pair of neighbouring tiles.

    A ramp is the middle half of the overlap: the outer quarters, where one tile sees least around a pixel,
    are left to the other tile alone. It is never wider than the smallest distance of two starts, so ramps
    are disjoint and no pixel takes from more than two tiles of a row, whatever the overlap.

    Args:
        tile: Pixels of a tile.
        starts: Increasing starts, distances differing by at most one and not above ``tile``.
    """
    pairs = list(itertools.pairwise(starts))
    narrowest = min((b - a for a, b in pairs), default=0)
    result = []
    for a, b in pairs:
        shared = a + tile - b
        width = min(shared - shared // 2, narrowest)
        start = b + (shared - width) // 2
        result.append(Ramp(start, start + width))
    return tuple(result)


def partition_weights(length: int, tile: int, starts: Sequence[int]) -> list[NDArray[np.float32]]:
    """Blending weight of every tile along one axis.

    Args:
        length: Pixels of the raster along the axis.
        tile: Pixels of a tile.
        starts: What :func:`tile_starts` gave.

    Returns:
        One ``(tile,)`` float32 array per tile, values in [0, 1]; at every pixel of the raster the
        float32 sum over the tiles is exactly 1.
    """
    if len(starts) > 1 and starts[-1] + tile != length:
        raise ValueError(f"tiles end at {starts[-1] + tile}, the raster at {length}")
    weights = [np.ones(tile, np.float32) for _ in starts]
    for i, ramp in enumerate(ramps(tile, starts)):
        rise = ramp.weights()
        before, after = ramp.start - starts[i], ramp.start - starts[i + 1]
        weights[i][before : before + len(rise)] = np.float32(1) - rise
        weights[i][before + len(rise) :] = 0
        weights[i + 1][:after] = 0
        weights[i + 1][after : after + len(rise)] = rise
    return weights


@dataclass(frozen=True)
class TileGrid:
    """Tiles of a raster: ``starts_y`` x ``starts_x``, each ``tile_h`` x ``tile_w`` pixels."""

    width: int
    height: int
    tile_w: int
    tile_h: int
    starts_x: tuple[int, ...]
    starts_y: tuple[int, ...]

    @classmethod
    def cover(cls, width: int, height: int, tile_px: int, overlap_px: int, multiple: int = 1) -> TileGrid:
        """The tiles of a ``width`` x ``height`` raster.

        Args:
            width: Columns of the raster.
            height: Rows of the raster.
            tile_px: Wished side of a tile; along an axis shorter than that, the tile shrinks to it.
            overlap_px: Least overlap of neighbours.
            multiple: Tile sides are rounded up to a multiple of this (the patch, in raster pixels).
        """
        tile_w, tile_h = (-(-min(n, tile_px) // multiple) * multiple for n in (width, height))
        return cls(
            width,
            height,
            tile_w,
            tile_h,
            tile_starts(width, tile_w, min(overlap_px, tile_w - 1)),
            tile_starts(height, tile_h, min(overlap_px, tile_h - 1)),
        )

    def around(self, window: Window) -> TileGrid:
        """The tiles, at the places they have here, that touch a window inside the raster."""

        def touching(starts: tuple[int, ...], tile: int, first: int, size: int) -> tuple[int, ...]:
            return tuple(start for start in starts if first - tile < start < first + size)

        return replace(
            self,
            starts_x=touching(self.starts_x, self.tile_w, window.col_off, window.width),
            starts_y=touching(self.starts_y, self.tile_h, window.row_off, window.height),
        )

    @property
    def covered_px(self) -> int:
        """Pixels of the raster that the tiles cover."""
        width = min(self.starts_x[-1] + self.tile_w, self.width) - self.starts_x[0]
        return width * (min(self.starts_y[-1] + self.tile_h, self.height) - self.starts_y[0])

    def __len__(self) -> int:
        return len(self.starts_x) * len(self.starts_y)

    def __iter__(self) -> Iterator[Window]:
        """Every tile, row by row, left to right."""
        for row in self.starts_y:
            for col in self.starts_x:
                yield Window(col, row, self.tile_w, self.tile_h)
