"""Blending the logits of overlapping tiles, holding no more than the strips where tiles meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from nirlora.raster.grid import Ramp, TileGrid, Window, ramps


@dataclass(frozen=True)
class _Span:
    """What one tile finishes along an axis, in raster pixels.

    ``[start, stop)`` is finished when the tile has come: ``[start, start + len(rise))`` is blended with
    the neighbour before, and ``[stop, carry_stop)`` is kept for the neighbour after.
    """

    tile_start: int
    start: int
    stop: int
    carry_stop: int
    rise: torch.Tensor

    def crop(self, start: int, stop: int) -> slice:
        return slice(start - self.tile_start, stop - self.tile_start)


def _spans(length: int, tile: int, starts: Sequence[int], device: torch.device) -> list[_Span]:
    """Spans of all tiles of an axis; the finished parts follow one another without a gap."""
    first, end = starts[0], min(starts[-1] + tile, length)
    hand_overs = [Ramp(first, first), *ramps(tile, starts), Ramp(end, end)]
    return [
        _Span(at, before.start, after.start, after.stop, torch.from_numpy(before.weights()).to(device))
        for at, (before, after) in zip(starts, pairwise(hand_overs), strict=True)
    ]


class RowBlender:
    """Overlap-add of tile logits with raised-cosine weights that sum to one.

    Tiles come row by row, left to right. Each finishes one block of the raster: every block is the
    finished part of exactly one tile and lies inside it. Held between tiles are the strips where the next
    tile of the row and the next row will blend, ``K * ramp * width`` numbers in all. Blending is a linear
    interpolation between two tiles along each axis, so equal logits stay exactly equal.

    Args:
        grid: The tiles; of a part of the raster, where :meth:`TileGrid.around` left some out.
        device: Where the logits are.
    """

    def __init__(self, grid: TileGrid, device: torch.device | str = "cpu") -> None:
        device = torch.device(device)
        self._cols = _spans(grid.width, grid.tile_w, grid.starts_x, device)
        self._rows = _spans(grid.height, grid.tile_h, grid.starts_y, device)
        self._left = self._above = torch.empty(0)
        self._allocated = False
        self._left_held = False
        self._above_held = [False] * len(self._cols)
        self._next = 0

    def add(self, logits: torch.Tensor | None) -> tuple[Window, torch.Tensor | None]:
        """Take the next tile.

        Args:
            logits: ``(K, tile_h, tile_w)``, used as scratch space; None for a tile that was skipped, which
                must be one without a usable pixel.

        Returns:
            The window that is finished now (inside this tile and the raster), and its logits
            ``(K, rows, cols)``, a view of ``logits``; None where the tile was skipped.
        """
        i, j = divmod(self._next, len(self._cols))
        self._next += 1
        row, col = self._rows[i], self._cols[j]
        window = Window(col.start, row.start, col.stop - col.start, row.stop - row.start)
        left_held, above_held = self._left_held and j > 0, self._above_held[j]
        # Of a skipped tile nothing is carried: all that its strips could give lies where nothing is usable.
        self._left_held = self._above_held[j] = logits is not None
        if logits is None:
            return window, None
        if not self._allocated:
            self._allocate(logits)
        used = logits[:, row.crop(row.start, row.carry_stop), :]
        block = used[:, :, col.crop(col.start, col.stop)]
        left = self._left[:, : used.shape[1]]
        first = self._cols[0].start
        above = self._above[:, :, col.start - first : col.stop - first]
        if left_held:
            _blend(left[:, :, : len(col.rise)], block[:, :, : len(col.rise)], col.rise)
        left[:, :, : col.carry_stop - col.stop] = used[:, :, col.crop(col.stop, col.carry_stop)]
        if above_held:
            _blend(above[:, : len(row.rise)], block[:, : len(row.rise)], row.rise[:, None])
        finished = row.stop - row.start
        above[:, : row.carry_stop - row.stop] = block[:, finished:]
        return window, block[:, :finished]

    def _allocate(self, logits: torch.Tensor) -> None:
        """One buffer each for the whole run: strips that come and go would leave a heap full of holes."""
        self._allocated = True
        num_classes, tile_h, _ = logits.shape
        self._left = logits.new_empty(num_classes, tile_h, max(len(c.rise) for c in self._cols))
        width = self._cols[-1].stop - self._cols[0].start
        self._above = logits.new_empty(num_classes, max(len(r.rise) for r in self._rows), width)


def _blend(before: torch.Tensor, after: torch.Tensor, rise: torch.Tensor) -> None:
    """Fade from ``before`` to ``after``, in place in ``after``."""
    after.copy_(torch.lerp(before, after, rise))
