"""Held-out chips: the labelled pixels of validation groups, cut once and scored after every epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.training.chips import ChipLayer, Chips, ChipSpec, read_chip

MAX_CHIPS = 48


def validation_batches(
    layers: Sequence[ChipLayer], spec: ChipSpec, max_chips: int = MAX_CHIPS
) -> list[Chips]:
    """Read the chips that cover the held-out labels, at most ``max_chips`` of them, in batches.

    Chips of a layer start on one grid of ``chip_px`` and do not overlap, so no labelled pixel is scored
    twice. Where there are too many, every class keeps its share: chips are taken class by class in turn.

    Args:
        layers: Rasters whose ``groups`` are the held-out ones.
        spec: Chip size, batch size and seed; nothing is augmented.
        max_chips: Bound on time and memory.
    """
    chosen = held_out_windows(layers, spec, max_chips)
    read = [read_chip(layers[i], window, spec.input_px) for i, window in chosen]
    chips = [(x, y) for x, y, _ in read if (y != NO_CLASS).any()]
    return [
        (np.stack([x for x, _ in part]), np.stack([y for _, y in part]))
        for part in (chips[i : i + spec.batch] for i in range(0, len(chips), spec.batch))
    ]


def held_out_windows(
    layers: Sequence[ChipLayer], spec: ChipSpec, max_chips: int = MAX_CHIPS
) -> list[tuple[int, Window]]:
    """Which windows :func:`validation_batches` reads: positions in ``layers`` with a window each."""
    by_class: dict[int, list[tuple[int, Window]]] = {}
    for index, layer in enumerate(layers):
        for item in layer.labels.items:
            if item.group in layer.groups:
                windows = by_class.setdefault(item.class_value, [])
                windows += [(index, w) for w in _cells(item.window, layer, spec.chip_px)]
    rng = np.random.default_rng(spec.seed)
    for windows in by_class.values():
        windows[:] = list(dict.fromkeys(windows))
        order = rng.permutation(len(windows))
        windows[:] = [windows[i] for i in order]
    chosen: dict[tuple[int, Window], None] = {}
    for turn in range(max((len(w) for w in by_class.values()), default=0)):
        for value in sorted(by_class):
            if turn < len(by_class[value]) and len(chosen) < max_chips:
                chosen[by_class[value][turn]] = None
    return sorted(chosen, key=_order)


def _cells(window: Window, layer: ChipLayer, side: int) -> list[Window]:
    """Cells of the layer's chip grid that ``window`` touches; the last ones stick out of the raster."""
    width, height = layer.reader.source.width, layer.reader.source.height
    cells = []
    for row in range(window.row_off // side, (window.row_off + window.height - 1) // side + 1):
        for col in range(window.col_off // side, (window.col_off + window.width - 1) // side + 1):
            if col * side < width and row * side < height:
                cells.append(Window(col * side, row * side, side, side))
    return cells


def _order(entry: tuple[int, Window]) -> tuple[int, int, int]:
    index, window = entry
    return index, window.row_off, window.col_off
