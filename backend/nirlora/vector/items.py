"""What every source of labels gives: items, and class values per window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nirlora.raster.grid import Window

MAX_CLASSES = 254


@dataclass(frozen=True)
class LabelItem:
    """A polygon, or the pixels of one class in one cell of a label raster.

    Args:
        id: Number of the item in its source.
        class_value: 0-based class value.
        pixels: Labelled pixels that belong to this item and to no other, >= 1.
        window: Bounding window, inside the raster.
        group: Items that lie close together share a group; a split never parts them.
    """

    id: int
    class_value: int
    pixels: int
    window: Window
    group: int


class LabelSource(Protocol):
    """Labels on the grid of one raster."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of their values 0..K-1."""

    @property
    def colors(self) -> tuple[str, ...]:
        """One ``#rrggbb`` per class."""

    @property
    def items(self) -> tuple[LabelItem, ...]:
        """All items with at least one pixel."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, one sentence each."""

    def rasterise(self, window: Window, keep: frozenset[int] | None = None) -> NDArray[np.uint8]:
        """Class values ``(window.height, window.width)``, 255 where unlabelled; only groups in ``keep``."""

    def sample(
        self, rng: np.random.Generator, class_value: int, keep: frozenset[int] | None = None
    ) -> tuple[int, int]:
        """``(col, row)`` of a labelled pixel of a class, every one in ``keep`` equally likely."""

    def with_classes(self, names: Sequence[str], rename: Mapping[str, str] | None = None) -> LabelSource:
        """The same labels valued by a common list of names; classes not in it become unlabelled."""
