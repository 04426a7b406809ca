"""Cityscapes: ``leftImg8bit/train/aachen/*_leftImg8bit.png`` and ``gtFine/val/.../*_gtFine_labelIds.png``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nirlora.recipes.readers.base import Domain, ReaderSpec, Tick, check_options, find_root
from nirlora.recipes.readers.mosaic import GUTTER_PX, Mosaic, pairs_of
from nirlora.recipes.readers.street import CITYSCAPES_IDS, CLASSES

_LAYOUT = "leftImg8bit/train, leftImg8bit/val and gtFine/val, each with a folder per city"


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Domain:
    """See :class:`ReaderSpec`: the training images without labels, the validation images with them.

    Options ``most`` (images of each side; 0: all) and ``gutter_px`` (between them).
    """
    check_options(options, {"most": int, "gutter_px": int})
    wanted = ("leftImg8bit/train", "leftImg8bit/val", "gtFine/val")
    inside = ("cityscapes", "Cityscapes")
    folder = find_root(root, inside, lambda p: all((p / s).is_dir() for s in wanted), _LAYOUT)
    images = folder / "leftImg8bit"

    def label(image: Path) -> Path:
        name = image.name.replace("_leftImg8bit", "_gtFine_labelIds")
        return folder / "gtFine" / "val" / image.parent.name / name

    gutter = options.get("gutter_px", GUTTER_PX)
    train = pairs_of(images / "train", "*/*_leftImg8bit.png", None, options)
    test = pairs_of(images / "val", "*/*_leftImg8bit.png", label, options)
    return Domain(
        Mosaic(train, gutter, tick).write(work / "train", {}, CLASSES),
        Mosaic(test, gutter, tick).write(work / "val", CITYSCAPES_IDS, CLASSES),
    )


SPEC = ReaderSpec("cityscapes", read, _LAYOUT)
