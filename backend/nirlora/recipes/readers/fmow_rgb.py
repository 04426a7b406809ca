"""fMoW-RGB: ``train/airport/airport_0/airport_0_1_rgb.jpg`` and ``val/...``, the category is the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nirlora.errors import DataMissing
from nirlora.recipes.readers.base import (
    Images,
    ReaderSpec,
    Tick,
    check_options,
    class_folders,
    find_root,
    thinned,
    write_image_table,
)

_LAYOUT = "train and val with a folder per category, in it a folder per place with *_rgb.jpg"


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Images:
    """See :class:`ReaderSpec`. Option ``most``: so many images of each side at most; 0: all.

    Categories of the validation side that nobody could train on (false_detection) are left out.
    """
    check_options(options, {"most": int})
    inside = ("fmow-rgb", "fmow")
    folder = find_root(root, inside, lambda p: all((p / s).is_dir() for s in ("train", "val")), _LAYOUT)
    sides: dict[str, list[tuple[str, str]]] = {}
    for side in ("train", "val"):
        rows = []
        for category in class_folders(folder / side):
            tick(f"finding images of {side}, {category.name}")
            rows += [(str(path.resolve()), category.name) for path in sorted(category.glob("*/*_rgb.jpg"))]
        sides[side] = rows
    trained = {kind for _, kind in sides["train"]}
    sides = {
        side: thinned([r for r in rows if r[1] in trained], options.get("most", 0))
        for side, rows in sides.items()
    }
    if not sides["train"] or not sides["val"]:
        raise DataMissing(f"There are no images below {folder}: expected {_LAYOUT}.")
    return write_image_table(work, sides)


SPEC = ReaderSpec("fmow-rgb", read, _LAYOUT)
