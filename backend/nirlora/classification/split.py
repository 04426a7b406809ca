"""Which images or parcels train and which are held out; written beside the result, and read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nirlora.classification.parcels import RasterParcel
from nirlora.errors import InputError, LabelsError
from nirlora.protocol import ClassInfo
from nirlora.raster.outputs import write_text
from nirlora.raster.source import RasterSource
from nirlora.vector.across import join_layers
from nirlora.vector.items import LabelItem
from nirlora.vector.split import split_groups

FORMAT = 1
FEW = 3


@dataclass(frozen=True)
class Split:
    """Numbers of the samples on each side, disjoint, and what the user should know."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    warnings: tuple[str, ...] = ()


def split_images(values: Sequence[int], val_fraction: float, seed: int) -> Split:
    """Hold out ``val_fraction`` of every class, at least one and never all, at random.

    Args:
        values: Class value of every image, images in a fixed order.
        val_fraction: 0 <= f < 1; 0 holds out nothing.
        seed: Same seed and images, same split.
    """
    every, val = np.asarray(values), []
    for value in np.unique(every).tolist():
        own = np.flatnonzero(every == value)
        count = min(max(1, round(val_fraction * len(own))), len(own) - 1) if val_fraction else 0
        val += np.random.default_rng((seed, value)).permutation(own)[:count].tolist()
    train = np.setdiff1d(np.arange(len(every)), val)
    return Split(tuple(train.tolist()), tuple(sorted(val)))


def split_parcels(
    parcels: Sequence[RasterParcel],
    values: Sequence[int],
    sources: Sequence[RasterSource],
    classes: Sequence[str],
    fraction: float,
    seed: int,
) -> Split:
    """Hold out whole spatial groups: a held-out parcel has no training parcel beside it, in no raster."""
    layers: list[list[LabelItem]] = [[] for _ in sources]
    for number, (item, value) in enumerate(zip(parcels, values, strict=True)):
        # one parcel counts as one pixel: a split by number, not by area
        layers[item.layer].append(LabelItem(number, value, 1, item.parcel.window, item.parcel.group))
    found = split_groups(layers, fraction, seed, classes, joined=join_layers(sources, layers))
    held = [i.id for items, out in zip(layers, found.val, strict=True) for i in items if i.group in out]
    val = tuple(sorted(held))
    return Split(tuple(i for i in range(len(parcels)) if i not in set(val)), val)


def with_warnings(split: Split, values: Sequence[int], classes: Sequence[ClassInfo], what: str) -> Split:
    """The split with remarks on classes that have too few samples, or none held out.

    Raises:
        LabelsError: A class has no sample to train on.
    """
    train = np.bincount(np.asarray(values)[list(split.train)], minlength=len(classes))
    val = np.bincount(np.asarray(values)[list(split.val)], minlength=len(classes))
    warnings = list(split.warnings)
    for info, trained, held in zip(classes, train.tolist(), val.tolist(), strict=True):
        if trained == 0:
            raise LabelsError(
                f"Class {info.name!r} has no {what} to train on.", hint="Label more, or leave it out."
            )
        if trained + held < FEW:
            warnings.append(f"Class {info.name} has only {trained + held} {what}(s); label at least {FEW}.")
        elif held == 0 and split.val:
            warnings.append(f"Class {info.name} is not validated: all {trained} {what}s are trained on.")
    if not split.val:
        warnings.append("Nothing is held out for validation, so nothing measures the model.")
    return Split(split.train, split.val, tuple(warnings))


def write_split(path: Path, split: Split, names: Sequence[str], facts: dict[str, Any]) -> None:
    """Write the names on each side, and ``facts`` for the reader (seed and fraction, or the file it is from).

    Raises:
        OutputError: The file cannot be written.
    """
    content = {
        "format": FORMAT,
        **facts,
        "train": [names[i] for i in split.train],
        "val": [names[i] for i in split.val],
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_split(path: str | Path, names: Sequence[str]) -> Split:
    """The split of a file, for these samples.

    Raises:
        InputError: The file is not there, is damaged, or names what is not among the samples.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        sides = [[str(name) for name in content[side]] for side in ("train", "val")]
    except FileNotFoundError as error:
        raise InputError(f"There is no split file {path}.", hint="Check the path after --split.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is no split file: it should be JSON with the lists train and val ({error}).",
            hint="Give the _split.json that an earlier training wrote.",
        ) from error
    number = {name: i for i, name in enumerate(names)}
    for name in (*sides[0], *sides[1]):
        if name not in number:
            raise InputError(
                f"{path} names {name!r}, which is not in this data.", hint="It belongs to other data."
            )
    train, val = ({number[name] for name in side} for side in sides)
    if train & val or not train:
        what = f"{names[min(train & val)]!r} on both sides" if train else "nothing to train on"
        raise InputError(f"{path} has {what}.", hint="Give a split whose sides are disjoint.")
    unused = len(names) - len(train | val)
    notes = (f"{unused} of {len(names)} are on no side of {Path(path).name} and are not used.",)
    return Split(tuple(sorted(train)), tuple(sorted(val)), notes if unused else ())
