"""What every reader of a data set is: from its real folder layout to what the runs take."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nirlora.errors import DataMissing, OptionError
from nirlora.protocol import LayerRef
from nirlora.raster.outputs import write_text

Tick = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Attributes:
        images: Folder per class, or table, as ``nirlora classify`` takes them.
        split: The data set's own split, "" if it has none.
        train: Paths of the images of the training side; empty where there is no split.
        notes: What differs from the data set as published.
    """

    images: str
    split: str = ""
    train: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One image with a mask of a class: 1 where it is, 0 where it is not, 255 where nothing is known."""

    name: str
    image: str
    mask: str


@dataclass(frozen=True)
class Scenes:
    """Scenes that patches are cut from."""

    scenes: tuple[Scene, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Domain:
    """Many photographs as one raster.

    Attributes:
        train: The images to train on; with labels, unless nobody may look at them.
        test: The images to score on, with labels; None for a source domain.
    """

    train: LayerRef
    test: LayerRef | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReaderSpec:
    """One row of the reader table.

    Attributes:
        name: What recipes call it.
        read: ``read(root, work, options, tick)``: looks at the data below ``root``, writes tables, masks or
            mosaics into the folder ``work``, tells ``tick`` what it does. Raises DataMissing.
        layout: The layout that it expects, in a sentence.
    """

    name: str
    read: Callable[[Path, Path, Mapping[str, Any], Tick], Images | Scenes | Domain]
    layout: str


def find_root(root: Path, inside: Sequence[str], looks_right: Callable[[Path], bool], layout: str) -> Path:
    """``root``, or the folder below it that an archive unpacks to.

    Raises:
        DataMissing: None of them is the data set.
    """
    for folder in (root, *(root / name for name in inside)):
        if folder.is_dir() and looks_right(folder):
            return folder
    raise DataMissing(f"It is not at {root}: expected {layout}.")


def class_folders(root: Path) -> list[Path]:
    """Sub-folders that are not hidden, sorted."""
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def check_options(options: Mapping[str, Any], known: Mapping[str, type | tuple[type, ...]]) -> None:
    """Refuse options that a reader has not.

    Raises:
        OptionError: An option is unknown or of another type.
    """
    for name, value in options.items():
        if name not in known or not isinstance(value, known[name]):
            raise OptionError(
                f"The reader cannot use option {name}={value!r}.",
                hint=f"Known are {', '.join(known) or 'none'}.",
            )


def write_image_table(work: Path, sides: Mapping[str, Sequence[tuple[str, str]]]) -> Images:
    """Write labelled images of a given split as a table and a split file.

    Args:
        work: Where to.
        sides: ``train`` and ``val``: (path, class) of every image.
    """
    table, split = work / "images.csv", work / "split.json"
    part = table.with_name(table.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "class"])
        writer.writerows(row for rows in sides.values() for row in rows)
    part.replace(table)
    names = {side: [path for path, _ in rows] for side, rows in sides.items()}
    write_text(split, json.dumps({"format": 1, **names}))
    return Images(str(table), str(split), tuple(names["train"]))


def thinned(rows: Sequence[T], most: int) -> list[T]:
    """At most ``most`` rows (0: all), drawn alike from all of them, always the same ones."""
    if not 0 < most < len(rows):
        return list(rows)
    chosen = np.random.default_rng(0).permutation(len(rows))[:most]
    return [rows[i] for i in sorted(chosen.tolist())]
