"""Label sources over square blocks that hold, for every pixel, the item it belongs to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import LabelsError
from nirlora.protocol import NO_CLASS
from nirlora.protocol.colors import default_colors
from nirlora.raster.grid import Window

from .items import LabelItem

BLOCK_PX = 512
_CACHED = 64  # blocks of 1 MB, and small tables

Choice = tuple[NDArray[np.int64], NDArray[np.int64]]
K = TypeVar("K")
V = TypeVar("V")


class BlockLoader(Protocol):
    """Where the blocks come from."""

    width: int
    height: int

    def load(self, window: Window) -> NDArray[np.int32]:
        """Item of every pixel of a block inside the raster; negative where there is none."""

    def revalued(self, values: NDArray[np.uint8]) -> tuple[BlockLoader, Entries | None]:
        """The same with other class values per item, and the new counts if they change."""


@dataclass(frozen=True)
class Entries:
    """How many pixels of which item lie in which block: three arrays ``(E,)``."""

    item: NDArray[np.int64]
    block: NDArray[np.int64]
    pixels: NDArray[np.int64]


@dataclass(frozen=True)
class Items:
    """Items as arrays ``(N, ...)``: class value (255: dropped), group, window (col, row, width, height)."""

    values: NDArray[np.uint8]
    groups: NDArray[np.int64]
    windows: NDArray[np.int64]


def block_window(block: int, width: int, height: int) -> Window:
    """Window of block number ``block``, counted along rows."""
    row, col = divmod(block, -(-width // BLOCK_PX))
    col_off, row_off = col * BLOCK_PX, row * BLOCK_PX
    return Window(col_off, row_off, min(BLOCK_PX, width - col_off), min(BLOCK_PX, height - row_off))


class BlockLabels:
    """A :class:`~nirlora.vector.items.LabelSource` over a loader of blocks; safe to share by threads."""

    def __init__(
        self,
        loader: BlockLoader,
        items: Items,
        entries: Entries,
        classes: Sequence[str],
        colors: Sequence[str],
        warnings: Sequence[str],
    ) -> None:
        self.classes = tuple(classes)
        self.colors = tuple(colors)
        self.warnings = tuple(warnings)
        self._loader, self._table, self._entries = loader, items, entries
        pixels = np.bincount(entries.item, entries.pixels, minlength=len(items.values)).astype(np.int64)
        alive = np.flatnonzero((pixels > 0) & (items.values != NO_CLASS))
        self.items = tuple(
            LabelItem(i, value, count, Window(*box), group)
            for i, value, count, box, group in zip(
                alive.tolist(),
                items.values[alive].tolist(),
                pixels[alive].tolist(),
                items.windows[alive].tolist(),
                items.groups[alive].tolist(),
                strict=True,
            )
        )
        self._blocks: OrderedDict[int, NDArray[np.int32]] = OrderedDict()
        self._choices: OrderedDict[tuple[int, frozenset[int] | None], Choice] = OrderedDict()
        self._tables: OrderedDict[frozenset[int] | None, NDArray[np.uint8]] = OrderedDict()
        self._lock = Lock()

    def rasterise(self, window: Window, keep: frozenset[int] | None = None) -> NDArray[np.uint8]:
        """Class values of a window.

        Args:
            window: May stick out of the raster; outside is unlabelled.
            keep: Groups whose items count; None: all.

        Returns:
            ``(window.height, window.width)`` class values, 255 = unlabelled. The label of a pixel does
            not depend on the window it is asked through.
        """
        result = np.full((window.height, window.width), NO_CLASS, dtype=np.uint8)
        inside = window.intersection(Window(0, 0, self._loader.width, self._loader.height))
        if inside is None:
            return result
        table = self._table_of(keep)
        for number in blocks_of(inside, self._loader.width):
            area = block_window(number, self._loader.width, self._loader.height)
            part = area.intersection(inside)
            if part is None:
                continue
            taken = self._block(number)[part.shift(-area.col_off, -area.row_off).slices]
            result[part.shift(-window.col_off, -window.row_off).slices] = table[taken]
        return result

    def sample(
        self, rng: np.random.Generator, class_value: int, keep: frozenset[int] | None = None
    ) -> tuple[int, int]:
        """Draw a labelled pixel, every one of the class in ``keep`` equally likely.

        Raises:
            LabelsError: There is none.
        """
        entries, totals = self._choice(class_value, keep)
        if not len(entries):
            raise LabelsError(f"There is no labelled pixel of class {class_value} to draw from.")
        entry = entries[int(np.searchsorted(totals, rng.integers(totals[-1]), side="right"))]
        number = int(self._entries.block[entry])
        block = self._block(number)
        pixels = np.flatnonzero(block == self._entries.item[entry])
        row, col = divmod(int(pixels[rng.integers(len(pixels))]), block.shape[1])
        area = block_window(number, self._loader.width, self._loader.height)
        return area.col_off + col, area.row_off + row

    def with_classes(self, names: Sequence[str], rename: Mapping[str, str] | None = None) -> BlockLabels:
        """The same items and groups, valued by another list of names.

        Args:
            names: Class names in value order; own classes that are not among them become unlabelled.
            rename: Own name -> name in ``names``; several may become one. Others keep their name.

        Raises:
            LabelsError: Nothing is left.
        """
        wanted = list(names)
        own = [(rename or {}).get(name, name) for name in self.classes]
        new = [wanted.index(name) if name in wanted else NO_CLASS for name in own]
        table = np.array([*new, *[NO_CLASS] * (256 - len(new))], dtype=np.uint8)
        values = table[self._table.values]
        loader, entries = self._loader.revalued(values)
        colors = default_colors(wanted, {n: c for n, c in zip(own, self.colors, strict=True) if n in wanted})
        result = BlockLabels(
            loader,
            Items(values, self._table.groups, self._table.windows),
            entries or self._entries,
            wanted,
            colors,
            self.warnings,
        )
        if not result.items:
            raise LabelsError(
                f"None of the classes wanted ({', '.join(wanted)}) is labelled; there are "
                f"{', '.join(self.classes)}.",
                hint="Check the spelling of the class names.",
            )
        return result

    def _table_of(self, keep: frozenset[int] | None) -> NDArray[np.uint8]:
        """Class value per item, 255 where not kept; two more 255 at the end, for items -1 and -2."""
        with self._lock:
            if keep not in self._tables:
                values = self._table.values
                if keep is not None:
                    kept = np.isin(self._table.groups, np.fromiter(keep, np.int64, len(keep)))
                    values = np.where(kept, values, np.uint8(NO_CLASS))
                _remember(self._tables, keep, np.append(values, [NO_CLASS] * 2).astype(np.uint8))
            return self._tables[keep]

    def _choice(self, class_value: int, keep: frozenset[int] | None) -> Choice:
        """Entries that a class may be drawn from, and their running totals of pixels."""
        table = self._table_of(keep)
        key = (class_value, keep)
        with self._lock:
            if key not in self._choices:
                chosen = np.flatnonzero(table[self._entries.item] == class_value)
                _remember(self._choices, key, (chosen, np.cumsum(self._entries.pixels[chosen])))
            return self._choices[key]

    def _block(self, number: int) -> NDArray[np.int32]:
        with self._lock:
            if number not in self._blocks:
                window = block_window(number, self._loader.width, self._loader.height)
                _remember(self._blocks, number, self._loader.load(window))
            self._blocks.move_to_end(number)
            return self._blocks[number]


def blocks_of(window: Window, width: int) -> Iterator[int]:
    """Numbers of the blocks that a window inside a raster ``width`` pixels wide touches."""
    per_row = -(-width // BLOCK_PX)
    for row in range(window.row_off // BLOCK_PX, (window.row_off + window.height - 1) // BLOCK_PX + 1):
        for col in range(window.col_off // BLOCK_PX, (window.col_off + window.width - 1) // BLOCK_PX + 1):
            yield row * per_row + col


def _remember(cache: OrderedDict[K, V], key: K, value: V) -> None:
    cache[key] = value
    if len(cache) > _CACHED:
        cache.popitem(last=False)
