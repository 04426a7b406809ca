"""GTA5 (Playing for Data): ``images/00001.png`` and ``labels/00001.png`` with Cityscapes' label numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nirlora.recipes.readers.base import Domain, ReaderSpec, Tick, check_options, find_root
from nirlora.recipes.readers.mosaic import GUTTER_PX, Mosaic, pairs_of
from nirlora.recipes.readers.street import CITYSCAPES_IDS, CLASSES

_LAYOUT = "images/*.png and labels/*.png of the same names"


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Domain:
    """See :class:`ReaderSpec`. Options ``most`` (images; 0: all) and ``gutter_px`` (between them)."""
    check_options(options, {"most": int, "gutter_px": int})
    inside = ("gta5", "GTA5", "gta")
    folder = find_root(root, inside, lambda p: all((p / s).is_dir() for s in ("images", "labels")), _LAYOUT)
    pairs = pairs_of(folder / "images", "*.png", lambda image: folder / "labels" / image.name, options)
    mosaic = Mosaic(pairs, options.get("gutter_px", GUTTER_PX), tick)
    return Domain(mosaic.write(work / "train", CITYSCAPES_IDS, CLASSES))


SPEC = ReaderSpec("gta5", read, _LAYOUT)
