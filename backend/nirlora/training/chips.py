"""Training chips drawn on the fly from raster windows around labelled pixels; nothing is exported to disk.

Batch ``step`` of a run is a pure function of (seed, step): a resumed run draws exactly the chips that the
uninterrupted run would have drawn.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nirlora.bands.reader import ChannelReader
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.raster.resample import any_valid
from nirlora.training.augment import AugmentConfig, jitter, orient
from nirlora.vector.labels import LabelSource

Chips = tuple[NDArray[np.float32], NDArray[np.uint8]]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Batches(Protocol[T_co]):
    """Batches by their number, each a pure function of it."""

    def batch(self, step: int) -> T_co:
        """Batch ``step``."""


@dataclass(frozen=True)
class ChipLayer:
    """One raster with its labels and the label groups that may be drawn from."""

    reader: ChannelReader
    labels: LabelSource
    groups: frozenset[int]


@dataclass(frozen=True)
class ChipSpec:
    """Size and treatment of a chip: ``chip_px`` raster pixels read at ``input_px`` model pixels."""

    chip_px: int
    input_px: int
    batch: int
    seed: int
    augment: AugmentConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]


def class_table(layers: Sequence[ChipLayer], num_classes: int) -> NDArray[np.int64]:
    """Labelled pixels ``(layers, classes)`` in the groups that may be drawn from."""
    table = np.zeros((len(layers), num_classes), np.int64)
    for row, layer in enumerate(layers):
        for item in layer.labels.items:
            if item.group in layer.groups:
                table[row, item.class_value] += item.pixels
    return table


class ChipSampler:
    """Draws class-balanced, augmented batches; used from one thread at a time."""

    def __init__(self, layers: Sequence[ChipLayer], spec: ChipSpec, num_classes: int) -> None:
        self.layers = list(layers)
        self.spec = spec
        self.num_classes = num_classes
        self._table = class_table(layers, num_classes)
        self._present = np.flatnonzero(self._table.sum(0))
        self._mean = np.asarray(spec.mean, np.float32)
        self._std = np.asarray(spec.std, np.float32)

    def batch(self, step: int) -> Chips:
        """Batch ``step``: standardised ``(N, C, input_px, input_px)``, labels ``(N, chip_px, chip_px)``."""
        rng = np.random.default_rng((self.spec.seed, step))
        start = int(rng.integers(len(self._present)))
        chips = [self._chip(rng, start + i) for i in range(self.spec.batch)]
        return np.stack([x for x, _ in chips]), np.stack([y for _, y in chips])

    def _chip(self, rng: np.random.Generator, turn: int) -> Chips:
        # Classes take turns, so that every batch holds each of them as often as the batch size allows.
        value = int(self._present[turn % len(self._present)])
        share = self._table[:, value] / self._table[:, value].sum()
        layer = self.layers[int(rng.choice(len(self.layers), p=share))]
        col, row = layer.labels.sample(rng, value, layer.groups)
        size = self.spec.chip_px
        margin = size // 8
        window = Window(
            col_off=place(rng, col, size, margin, layer.reader.source.width),
            row_off=place(rng, row, size, margin, layer.reader.source.height),
            width=size,
            height=size,
        )
        x, y, seen = read_chip(layer, window, self.spec.input_px)
        if self.spec.augment.gain or self.spec.augment.offset:
            jitter(x, self._mean, self._std, rng, self.spec.augment)
            x[:, ~seen] = 0.0
        return self._orient(x, y, rng) if self.spec.augment.orientation else (x, y)

    @staticmethod
    def _orient(x: NDArray[np.float32], y: NDArray[np.uint8], rng: np.random.Generator) -> Chips:
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        return np.ascontiguousarray(orient(x, turns, flip)), np.ascontiguousarray(orient(y, turns, flip))


def place(rng: np.random.Generator, at: int, size: int, margin: int, length: int) -> int:
    """Start of a window of ``size`` with pixel ``at`` anywhere but in the margin.

    It is moved into the raster of ``length`` if it fits, else the raster lies in its middle.
    """
    start = at - int(rng.integers(margin, size - margin))
    return int(np.clip(start, 0, length - size)) if length >= size else (length - size) // 2


def read_chip(
    layer: ChipLayer, window: Window, input_px: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
    """Read one chip.

    Returns:
        Pixels ``(C, input_px, input_px)`` standardised, labels ``(height, width)`` of the window in raster
        pixels (255 where unlabelled or invalid), and where there are pixels ``(input_px, input_px)``.
    """
    x, valid = layer.reader.read(window, (input_px, input_px))
    y = layer.labels.rasterise(window, layer.groups)
    y[~valid] = NO_CLASS
    return x, y, any_valid(valid, (input_px, input_px))


def prefetch(sampler: Batches[T], steps: range, depth: int = 3) -> Generator[T, None, None]:
    """Yield the batches of ``steps`` in order, drawn by a thread that stays ``depth`` batches ahead."""
    ready: queue.Queue[T | BaseException | None] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T | BaseException | None) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def work() -> None:
        try:
            for step in steps:
                if stop.is_set():
                    return
                put(sampler.batch(step))
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            put(error)

    thread = threading.Thread(target=work, name="nirlora-chips", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
