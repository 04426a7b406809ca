"""The parts of the target that are looked at: all of a small raster, a fair sample of a huge one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nirlora.bands import ChannelReader
from nirlora.errors import RasterError
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window

SIDE_CHIPS = 4  # side of a scene in chips, about
MAX_PIXELS = 16_000_000  # of all scenes; each holds some bytes a pixel in memory
_LEAST_VALID = 0.02  # scenes with less are passed over while there are others


@dataclass
class Scene:
    """A rectangle of a target raster with its pseudo-labels.

    Attributes:
        reader: Of the raster.
        number: Of the raster, in the order of the request.
        window: Inside the raster.
        seen: ``(height, width)`` bool, valid pixels.
        classes: ``(height, width)`` uint8, the last prediction; 255 where there is none.
        labels: The same less what is too unsure to train on; the same array where nothing is left out.
    """

    reader: ChannelReader
    number: int
    window: Window
    seen: NDArray[np.bool_]
    classes: NDArray[np.uint8] = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        self.classes = self.labels = np.full(self.window.shape, NO_CLASS, np.uint8)

    def crop(self, window: Window) -> NDArray[np.uint8]:
        """Labels of a window given in the scene's own pixels, 255 where it sticks out."""
        result = np.full(window.shape, NO_CLASS, np.uint8)
        inside = window.intersection(Window(0, 0, self.window.width, self.window.height))
        if inside is not None:
            result[inside.shift(-window.col_off, -window.row_off).slices] = self.labels[inside.slices]
        return result


def choose_scenes(
    readers: Sequence[ChannelReader], chip_px: int, seed: int, max_pixels: int = MAX_PIXELS
) -> tuple[list[Scene], int]:
    """Cut the rasters into scenes that do not overlap, and take as many as fit into memory.

    Returns:
        The scenes, in the order of the rasters; and into how many everything was cut.

    Raises:
        RasterError: No valid pixel was found.
    """
    cells = [
        (number, window)
        for number, reader in enumerate(readers)
        for window in partition(reader.source.width, reader.source.height, SIDE_CHIPS * chip_px)
    ]
    order = np.random.default_rng((seed, 31)).permutation(len(cells))
    chosen: dict[int, Scene] = {}
    pixels = looked_at = 0
    for index in order.tolist():
        number, window = cells[index]
        size = window.width * window.height
        if (chosen and pixels + size > max_pixels) or looked_at > 4 * max_pixels:
            break
        seen = readers[number].read(window)[1]
        looked_at += size
        if seen.mean() >= _LEAST_VALID or (len(cells) == len(readers) and seen.any()):
            chosen[index] = Scene(readers[number], number, window, seen)
            pixels += size
    if not chosen:
        raise RasterError(
            f"No valid pixel was found in {readers[0].source.path}.", hint="Check its nodata value and mask."
        )
    return [chosen[index] for index in sorted(chosen)], len(cells)


def partition(width: int, height: int, side: int) -> list[Window]:
    """Windows of about equal size, none longer than ``side``, that cover the raster once."""
    columns, rows = (_edges(n, side) for n in (width, height))
    return [
        Window(left, top, right - left, bottom - top)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def _edges(length: int, side: int) -> list[int]:
    parts = -(-length // side)
    return [i * length // parts for i in range(parts + 1)]
