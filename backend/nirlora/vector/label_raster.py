"""Label rasters: whole numbers on the image's grid or on another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import LabelsError
from nirlora.protocol import NO_CLASS
from nirlora.protocol.colors import default_colors
from nirlora.raster.grid import Window
from nirlora.raster.source import RasterSource

from .blocks import BLOCK_PX, BlockLabels, Entries, Items, block_window
from .items import MAX_CLASSES
from .label_reader import LabelReader

_CELL_PX = 64
_MIN_CELL_PX = 16
_FEW_CELLS, _MANY_CELLS = 64, 4096
_BINS = 1 << 20


def open_label_raster(path: str, source: RasterSource, classes: Sequence[str] = ()) -> BlockLabels:
    """Open a raster of class numbers as labels for another raster.

    Unlabelled is: nodata; 255; and 0 if the file declares no nodata value or mask, does not name 0
    (categories, ``CLASSES``, or a ``.qml`` beside it) and ``classes`` does not list it. A raster on another
    grid or CRS is warped by nearest neighbour while it is read. Items are square cells (16 to 64 pixels,
    larger for large rasters: at most 4096 cells), one item per cell and class; a cell is a group.

    Raises:
        LabelsError: Not a raster of whole numbers, more than 254 values, or no labelled pixel.
    """
    reader = LabelReader(path, source)
    cell_px = _cell_size(source.width, source.height)
    grid = CellGrid(source.width, source.height, cell_px)
    found = _scan(reader, grid)
    notes = list(reader.warnings)
    unlabelled = _unlabelled(reader, np.unique(found.values), classes, notes)
    found = found.only(~np.isin(found.values, list(unlabelled)))
    values = np.unique(found.values)
    if not len(values):
        raise LabelsError(
            f"No pixel of {path} labels the raster: all are unlabelled or lie outside it.",
            hint="Check that both show the same place, and which value means unlabelled.",
        )
    if len(values) > MAX_CLASSES:
        raise LabelsError(
            f"{path} has {len(values)} different values, expected at most {MAX_CLASSES} classes.",
            hint="Is it an image? Give a raster of class numbers.",
        )
    labels = _assemble(reader, grid, found, notes)
    if not classes:
        return labels
    absent = [c for c in classes if c not in labels.classes]
    labels.warnings += tuple(f"No label of class {c} in {path}." for c in absent)
    return labels.with_classes(classes)


@dataclass(frozen=True)
class CellGrid:
    """Square cells over a raster, numbered along rows."""

    width: int
    height: int
    cell_px: int

    @property
    def columns(self) -> int:
        """Cells per row of cells."""
        return -(-self.width // self.cell_px)

    def cells(self, window: Window) -> NDArray[np.int64]:
        """Cell of every pixel of a window, ``(height, width)``."""
        cols = np.arange(window.col_off, window.col_off + window.width) // self.cell_px
        rows = np.arange(window.row_off, window.row_off + window.height) // self.cell_px
        return np.asarray(rows[:, None] * self.columns + cols[None, :])

    def windows(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """``(N, 4)``: column, row, width, height of cells, clipped to the raster."""
        low = np.stack([cells % self.columns, cells // self.columns], axis=1) * self.cell_px
        high = np.minimum(low + self.cell_px, [self.width, self.height])
        return np.hstack([low, high - low])


def _cell_size(width: int, height: int) -> int:
    size = _CELL_PX
    while size > _MIN_CELL_PX and _count(width, height, size) < _FEW_CELLS:
        size //= 2
    while _count(width, height, size) > _MANY_CELLS:
        size *= 2
    return size


def _count(width: int, height: int, size: int) -> int:
    return -(-width // size) * -(-height // size)


@dataclass(frozen=True)
class _Found:
    """Pixels per block, cell and value: four arrays ``(E,)``."""

    block: NDArray[np.int64]
    cell: NDArray[np.int64]
    values: NDArray[np.int64]
    pixels: NDArray[np.int64]

    def only(self, good: NDArray[np.bool_]) -> _Found:
        return _Found(self.block[good], self.cell[good], self.values[good], self.pixels[good])


def _scan(reader: LabelReader, grid: CellGrid) -> _Found:
    rows: list[NDArray[np.int64]] = []
    blocks = _count(grid.width, grid.height, BLOCK_PX)
    for number in range(blocks):
        window = block_window(number, grid.width, grid.height)
        raw, known = reader.read(window)
        if not known.any():
            continue
        values, index = _distinct(raw[known])
        if len(values) > MAX_CLASSES * 64:
            raise LabelsError(
                f"{reader.path} has {len(values)} different values in one block of {BLOCK_PX} pixels.",
                hint="Is it an image? Give a raster of class numbers.",
            )
        cells, cell_index = _distinct(grid.cells(window)[known])
        counts = np.bincount(cell_index * len(values) + index, minlength=len(cells) * len(values))
        hits = np.flatnonzero(counts)
        rows.append(
            np.stack(
                [
                    np.full(len(hits), number),
                    cells[hits // len(values)],
                    values[hits % len(values)],
                    counts[hits],
                ]
            )
        )
    return _Found(*(np.hstack(rows) if rows else np.zeros((4, 0), np.int64)))


def _distinct(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``np.unique`` with inverse, by counting where the range is small."""
    values = values.astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low >= _BINS:
        distinct, inverse = np.unique(values, return_inverse=True)
        return distinct, inverse.ravel()
    present = np.bincount(values - low) > 0
    return np.flatnonzero(present) + low, (np.cumsum(present) - 1)[values - low]


def _unlabelled(
    reader: LabelReader, values: NDArray[np.int64], classes: Sequence[str], notes: list[str]
) -> set[int]:
    legend = reader.legend
    result = set(legend.unlabelled)
    if NO_CLASS not in legend.names:
        result.add(NO_CLASS)
    meant = 0 in legend.names or "0" in classes
    if 0 in values and not (reader.has_nodata or meant or 0 in result):
        result.add(0)
        notes.append(f"{reader.path} declares no nodata value; 0 is taken as unlabelled.")
    return result


def _assemble(reader: LabelReader, grid: CellGrid, found: _Found, notes: list[str]) -> BlockLabels:
    values = np.unique(found.values)
    texts = [reader.legend.names.get(int(v), str(int(v))) for v in values]
    names = tuple(dict.fromkeys(texts))
    by_name = {t: c for v, t in zip(values, texts, strict=True) if (c := reader.legend.colors.get(int(v)))}
    class_of = np.array([names.index(t) for t in texts], dtype=np.uint8)
    value_index = np.searchsorted(values, found.values)
    keys, item = np.unique(found.cell * len(values) + value_index, return_inverse=True)
    cell, value = keys // len(values), keys % len(values)
    table = np.full((int(cell.max()) + 1, len(values)), -1, dtype=np.int32)
    table[cell, value] = np.arange(len(keys))
    loader = CellLoader(reader, grid, values, table)
    items = Items(class_of[value], cell, grid.windows(cell))
    entries = Entries(item.ravel(), found.block, found.pixels)
    return BlockLabels(loader, items, entries, names, default_colors(names, by_name), notes)


class CellLoader:
    """Blocks of items from a label raster; see :class:`~nirlora.vector.blocks.BlockLoader`."""

    def __init__(
        self, reader: LabelReader, grid: CellGrid, values: NDArray[np.int64], table: NDArray[np.int32]
    ) -> None:
        self.width, self.height = grid.width, grid.height
        self._reader, self._grid, self._values, self._table = reader, grid, values, table

    def load(self, window: Window) -> NDArray[np.int32]:
        """Item of every pixel, -1 where unlabelled."""
        raw, known = self._reader.read(window)
        raw = np.where(known, raw, self._values[0]).astype(np.int64)
        index = np.minimum(np.searchsorted(self._values, raw), len(self._values) - 1)
        known &= self._values[index] == raw
        cells = np.minimum(self._grid.cells(window), len(self._table) - 1)
        return np.where(known, self._table[cells, index], np.int32(-1))

    def revalued(self, values: NDArray[np.uint8]) -> tuple[CellLoader, None]:
        """Cells do not depend on class values."""
        return self, None
