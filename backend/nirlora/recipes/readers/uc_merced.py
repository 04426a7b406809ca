"""UC Merced Land Use: 21 folders of 100 RGB TIFFs, ``Images/agricultural/agricultural00.tif``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nirlora.classification.image_files import find_images
from nirlora.recipes.readers.base import Images, ReaderSpec, Tick, check_options, class_folders, find_root

_CLASSES, _IMAGES = 21, 2100
_LAYOUT = "UCMerced_LandUse/Images with 21 folders of .tif, agricultural to tenniscourt"


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Images:
    """See :class:`ReaderSpec`; no options."""
    check_options(options, {})
    inside = ("Images", "UCMerced_LandUse/Images")
    folder = find_root(root, inside, lambda p: (p / "agricultural").is_dir(), _LAYOUT)
    return folders_as_images(folder, _CLASSES, _IMAGES)


def folders_as_images(folder: Path, classes: int, images: int) -> Images:
    """A folder per class, with a note if it is not all there."""
    found = len(class_folders(folder)), len(find_images(folder))
    whole = (
        f"{folder} has {found[0]} classes and {found[1]} images, the published set {classes} and {images}."
    )
    return Images(str(folder), notes=(whole,) if found != (classes, images) else ())


SPEC = ReaderSpec("uc-merced", read, _LAYOUT)
