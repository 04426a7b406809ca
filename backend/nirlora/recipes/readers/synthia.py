"""SYNTHIA-RAND-CITYSCAPES: ``RGB/0000000.png``, class numbers in the first channel of its label files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nirlora.recipes.readers.base import Domain, ReaderSpec, Tick, check_options, find_root
from nirlora.recipes.readers.mosaic import GUTTER_PX, Mosaic, pairs_of
from nirlora.recipes.readers.street import CLASSES, SYNTHIA_IDS

_LAYOUT = "RAND_CITYSCAPES with RGB/*.png and GT/LABELS/*.png of the same names"


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Domain:
    """See :class:`ReaderSpec`. Options ``most`` (images; 0: all) and ``gutter_px`` (between them)."""
    check_options(options, {"most": int, "gutter_px": int})
    inside = ("RAND_CITYSCAPES", "SYNTHIA_RAND_CITYSCAPES", "synthia")
    folder = find_root(
        root, inside, lambda p: (p / "RGB").is_dir() and (p / "GT" / "LABELS").is_dir(), _LAYOUT
    )
    labels = folder / "GT" / "LABELS"
    pairs = pairs_of(folder / "RGB", "*.png", lambda image: labels / image.name, options)
    mosaic = Mosaic(pairs, options.get("gutter_px", GUTTER_PX), tick)
    return Domain(mosaic.write(work / "train", SYNTHIA_IDS, CLASSES))


SPEC = ReaderSpec("synthia", read, _LAYOUT)
