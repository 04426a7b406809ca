"""Batches of both fields: source chips with labels, target chips with pseudo-labels.

Batch ``step`` of a run is a pure function of the seed, the step and the pseudo-labels, so a resumed run draws
what the uninterrupted one would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.raster.resample import any_valid
from nirlora.self_training.balance import RESTART, ClassDraw
from nirlora.self_training.scenes import Scene
from nirlora.training.augment import jitter, orient
from nirlora.training.chips import ChipLayer, ChipSpec, class_table, place, read_chip

_CELLS = 4  # a chip's side in cells of the table that says which classes lie where
_TRIES = 64  # for a valid pixel of a scene
_TARGET = 7919  # keeps the target's random numbers apart from the source's


@dataclass(frozen=True)
class Batch:
    """Chips of one field.

    Attributes:
        images: ``(N, C, h, w)`` float32, standardised, model pixels.
        labels: ``(N, H, W)`` uint8, raster pixels, 255 unlabelled.
        seen: ``(N, h, w)`` bool, where there are pixels.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    seen: NDArray[np.bool_]


_Chip = tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]


class SourceSampler:
    """Class-balanced chips of the labelled field.

    Args:
        layers: Rasters with their labels.
        spec: Of the chips.
        num_classes: K.
        by_rarity: Classes are drawn as in TransDA, see :mod:`balance`. Else they take turns from a random
            one on, as in any other training.
    """

    def __init__(
        self, layers: Sequence[ChipLayer], spec: ChipSpec, num_classes: int, *, by_rarity: bool = False
    ) -> None:
        self.layers = list(layers)
        self.spec = spec
        self.by_rarity = by_rarity
        self._table = class_table(layers, num_classes)
        self._allowed = self._table.sum(0) > 0
        self._cell = max(1, spec.chip_px // _CELLS)
        self._where = [presence(layer, num_classes, self._cell) for layer in layers]
        self._block = -1
        self._windows: list[tuple[int, Window]] = []

    def batch(self, step: int) -> Batch:
        """Batch ``step``; steps are cheapest in order."""
        rng = np.random.default_rng((self.spec.seed, step))
        if self.by_rarity:
            first = step * self.spec.batch
            return _stack([self._chip(rng, *self.place(first + i)) for i in range(self.spec.batch)])
        present = np.flatnonzero(self._allowed)
        start = int(rng.integers(len(present)))
        values = [int(present[(start + i) % len(present)]) for i in range(self.spec.batch)]
        return _stack([self._chip(rng, *self._around(rng, value)) for value in values])

    def place(self, sample: int) -> tuple[int, Window]:
        """Layer and window of a sample drawn by rarity; nothing is read from the raster for it."""
        block, index = divmod(sample, RESTART)
        if block != self._block:
            self._block, self._windows = block, []
            self._rng = np.random.default_rng((self.spec.seed, block, 1))
            self._draw = ClassDraw(self._allowed)
        while len(self._windows) <= index:
            self._windows.append(self._next())
        return self._windows[index]

    def _next(self) -> tuple[int, Window]:
        number, window = self._around(self._rng, self._draw.draw(self._rng))
        self._draw.saw(self._present(number, window))
        return number, window

    def _around(self, rng: np.random.Generator, value: int) -> tuple[int, Window]:
        """Layer and window of a chip that holds a pixel of the class."""
        share = self._table[:, value] / self._table[:, value].sum()
        number = int(rng.choice(len(self.layers), p=share))
        layer, size = self.layers[number], self.spec.chip_px
        col, row = layer.labels.sample(rng, value, layer.groups)
        source = layer.reader.source
        window = Window(
            place(rng, col, size, size // 8, source.width),
            place(rng, row, size, size // 8, source.height),
            size,
            size,
        )
        return number, window

    def _present(self, number: int, window: Window) -> NDArray[np.bool_]:
        """Classes in the cells whose middle lies in the window; small errors at its edge do not matter."""
        side = self._cell
        rows, cols = (
            slice(max(0, (start + side // 2) // side), max(0, (start + length + side // 2) // side))
            for start, length in ((window.row_off, window.height), (window.col_off, window.width))
        )
        return np.asarray(self._where[number][rows, cols].any(axis=(0, 1)))

    def _chip(self, rng: np.random.Generator, number: int, window: Window) -> _Chip:
        chip = read_chip(self.layers[number], window, self.spec.input_px)
        return augmented(chip, rng, self.spec)


class TargetSampler:
    """Chips of the unlabelled field, anywhere in its scenes."""

    def __init__(self, scenes: Sequence[Scene], spec: ChipSpec) -> None:
        self.scenes = list(scenes)
        self.spec = spec
        pixels = np.array([scene.seen.sum() for scene in scenes], float)
        self._share = pixels / pixels.sum()

    def batch(self, step: int) -> Batch:
        """Batch ``step``, with the pseudo-labels that the scenes have now."""
        rng = np.random.default_rng((self.spec.seed, step, _TARGET))
        return _stack([self._chip(rng) for _ in range(self.spec.batch)])

    def _chip(self, rng: np.random.Generator) -> _Chip:
        scene = self.scenes[int(rng.choice(len(self.scenes), p=self._share))]
        col, row = _valid_pixel(rng, scene.seen)
        size, inside = self.spec.chip_px, scene.window
        window = Window(
            place(rng, col, size, size // 8, inside.width),
            place(rng, row, size, size // 8, inside.height),
            size,
            size,
        )
        input_px = (self.spec.input_px, self.spec.input_px)
        where = window.shift(inside.col_off, inside.row_off)
        images, valid = scene.reader.read(where, input_px)
        labels = scene.crop(window)
        labels[~valid] = NO_CLASS
        return augmented((images, labels, any_valid(valid, input_px)), rng, self.spec)


@dataclass(frozen=True)
class Pairs:
    """Source and target batches of the same number."""

    source: SourceSampler
    target: TargetSampler

    def batch(self, step: int) -> tuple[Batch, Batch]:
        """Both."""
        return self.source.batch(step), self.target.batch(step)


def presence(layer: ChipLayer, num_classes: int, cell: int) -> NDArray[np.bool_]:
    """Which classes may lie in which cell: ``(rows, cols, K)``, by the boxes of the items drawn from."""
    source = layer.reader.source
    table = np.zeros((-(-source.height // cell), -(-source.width // cell), num_classes), bool)
    for item in layer.labels.items:
        if item.group in layer.groups:
            box = item.window
            rows = slice(box.row_off // cell, (box.row_off + box.height - 1) // cell + 1)
            cols = slice(box.col_off // cell, (box.col_off + box.width - 1) // cell + 1)
            table[rows, cols, item.class_value] = True
    return table


def augmented(chip: _Chip, rng: np.random.Generator, spec: ChipSpec) -> _Chip:
    """The chip in other light and another orientation, as the spec says."""
    images, labels, seen = chip
    if spec.augment.gain or spec.augment.offset:
        mean, std = np.asarray(spec.mean, np.float32), np.asarray(spec.std, np.float32)
        jitter(images, mean, std, rng, spec.augment)
        images[:, ~seen] = 0.0
    if not spec.augment.orientation:
        return chip
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    return orient(images, turns, flip), orient(labels, turns, flip), orient(seen, turns, flip)


def _valid_pixel(rng: np.random.Generator, seen: NDArray[np.bool_]) -> tuple[int, int]:
    """``(col, row)`` of a valid pixel; of any, where there are very few."""
    rows, cols = seen.shape
    for _ in range(_TRIES):
        row, col = int(rng.integers(rows)), int(rng.integers(cols))
        if seen[row, col]:
            break
    return col, row


def _stack(chips: Sequence[_Chip]) -> Batch:
    return Batch(*(np.stack(parts) for parts in zip(*chips, strict=True)))
