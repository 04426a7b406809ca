"""Which labels are held out for validation: whole spatial groups, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import OptionError

from .items import LabelItem

FEW_POLYGONS = 3
FEW_PIXELS = 100
CLUSTERED_SHARE = 0.2
_OVERSHOOT = 1.25


@dataclass(frozen=True)
class ClassCounts:
    """What a split gives one class: polygons (or cells) and labelled pixels on each side."""

    name: str
    groups: int
    train_items: int
    train_pixels: int
    val_items: int
    val_pixels: int


@dataclass(frozen=True)
class Split:
    """Groups of each layer to train on and to validate on, disjoint; counts per class; warnings."""

    train: tuple[frozenset[int], ...]
    val: tuple[frozenset[int], ...]
    counts: tuple[ClassCounts, ...]
    warnings: tuple[str, ...]


def split_groups(
    layers: Sequence[Sequence[LabelItem]],
    val_fraction: float,
    seed: int,
    class_names: Sequence[str],
    shapes: Sequence[tuple[int, int]] = (),
    joined: Mapping[tuple[int, int], int] | None = None,
) -> Split:
    """Hold out whole groups until about ``val_fraction`` of every class's pixels are held out.

    Classes take turns, the one with the fewest groups first, and take their groups in random order. A
    group is not held out if that leaves any of its classes more than half of its groups on the validation
    side; hence a class with a single group is only trained on, and so is everything in that group.

    Args:
        layers: Items of each layer.
        val_fraction: Aimed share of each class's labelled pixels, 0 <= f < 1; 0: hold nothing out.
        seed: Same seed and items, same split.
        class_names: Names in value order.
        shapes: ``(height, width)`` of each raster, to see whether labels are clustered; may be empty.
        joined: ``(layer, group)`` -> number; groups of one number, in several layers, are one group. None:
            each is its own.

    Raises:
        OptionError: The fraction is out of range.
    """
    if not 0 <= val_fraction < 1:
        raise OptionError(
            f"The validation fraction is {val_fraction}, expected at least 0 and below 1.",
            hint="0.2 holds out a fifth of the labels; 0 validates nothing.",
        )
    keys = sorted({(layer, item.group) for layer, items in enumerate(layers) for item in items})
    names = [joined[key] if joined else i for i, key in enumerate(keys)]
    row_of = {name: row for row, name in enumerate(dict.fromkeys(names))}
    number = {key: row_of[name] for key, name in zip(keys, names, strict=True)}
    pixels = np.zeros((len(row_of), len(class_names)), dtype=np.int64)
    for layer, items in enumerate(layers):
        for item in items:
            pixels[number[layer, item.group], item.class_value] += item.pixels
    held = _hold_out(pixels, val_fraction, np.random.default_rng(seed))

    def side(out: bool) -> tuple[frozenset[int], ...]:
        return tuple(
            frozenset(g for at, g in keys if at == layer and held[number[at, g]] == out)
            for layer in range(len(layers))
        )

    val = side(True)
    counts = _counts(layers, val, class_names, pixels)
    warnings = _warnings(counts, val_fraction) + _clustered(layers, class_names, shapes)
    return Split(side(False), val, counts, tuple(warnings))


def _hold_out(pixels: NDArray[np.int64], val_fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which groups are held out, given the pixels ``(groups, classes)``."""
    held = np.zeros(len(pixels), dtype=np.bool_)
    order = rng.permutation(len(pixels))
    if val_fraction == 0 or not len(pixels):
        return held
    present = pixels > 0
    total, num_groups = pixels.sum(axis=0), present.sum(axis=0)
    allowed, target = num_groups // 2, val_fraction * total
    held_pixels, held_groups = np.zeros_like(total), np.zeros_like(num_groups)

    def possible(group: int) -> bool:
        return not held[group] and not (present[group] & (held_groups >= allowed)).any()

    def sparing(group: int) -> bool:  # one that takes far too much of any of its classes can wait
        return not (present[group] & (held_pixels + pixels[group] > _OVERSHOOT * target)).any()

    def take(group: int) -> None:
        nonlocal held_pixels, held_groups
        held[group] = True
        held_pixels, held_groups = held_pixels + pixels[group], held_groups + present[group]

    for value in np.argsort(num_groups, kind="stable"):
        own = order[present[order, value]].tolist()
        for group in own:
            if held_pixels[value] >= target[value]:
                break
            if possible(group) and sparing(group):
                take(group)
        if not held_pixels[value]:  # the last resort: the group that takes the smallest share
            rest = [g for g in own if possible(g)]
            if rest:
                take(min(rest, key=lambda g: float((pixels[g] / np.maximum(total, 1)).max())))
    return held


def _counts(
    layers: Sequence[Sequence[LabelItem]],
    val: Sequence[frozenset[int]],
    class_names: Sequence[str],
    pixels: NDArray[np.int64],
) -> tuple[ClassCounts, ...]:
    table = np.zeros((len(class_names), 4), dtype=np.int64)
    for items, out in zip(layers, val, strict=True):
        for item in items:
            column = 2 if item.group in out else 0
            table[item.class_value, column : column + 2] += (1, item.pixels)
    groups = (pixels > 0).sum(axis=0)
    return tuple(
        ClassCounts(name, int(groups[v]), *(int(n) for n in table[v])) for v, name in enumerate(class_names)
    )


def _warnings(counts: Sequence[ClassCounts], val_fraction: float) -> list[str]:
    result = []
    if val_fraction == 0:
        result.append("Nothing is held out for validation (fraction 0), so nothing measures the model.")
    for c in counts:
        items, pixels = c.train_items + c.val_items, c.train_pixels + c.val_pixels
        if not items:
            continue
        if c.groups == 1:
            result.append(
                f"Class {c.name}: all {items} label(s) lie in one place, so it is trained on but not "
                "validated; draw some elsewhere."
            )
        elif not c.val_items and val_fraction:
            result.append(
                f"Class {c.name} is not validated: its {c.groups} groups of labels lie beside labels that "
                "other classes need for training; draw more, further apart."
            )
        if items < FEW_POLYGONS:
            result.append(f"Class {c.name} has only {items} label(s) ({pixels} pixels); draw at least 3.")
        elif pixels < FEW_PIXELS:
            result.append(f"Class {c.name} has only {pixels} labelled pixels in {items} labels.")
    return result


def _clustered(
    layers: Sequence[Sequence[LabelItem]], class_names: Sequence[str], shapes: Sequence[tuple[int, int]]
) -> list[str]:
    """Classes whose labels fill only a small corner of every raster that they are in."""
    result = []
    for value, name in enumerate(class_names):
        shares = []
        for items, (height, width) in zip(layers, shapes, strict=False):
            boxes = [i.window for i in items if i.class_value == value]
            if len(boxes) >= FEW_POLYGONS:
                wide = max(b.col_off + b.width for b in boxes) - min(b.col_off for b in boxes)
                high = max(b.row_off + b.height for b in boxes) - min(b.row_off for b in boxes)
                shares.append(max(wide / width, high / height))
        if shares and max(shares) < CLUSTERED_SHARE:
            result.append(
                f"Class {name}: all labels are clustered within {100 * max(shares):.0f} % of the raster's "
                "width or height; labels from other parts make the model and its validation more trustworthy."
            )
    return result
