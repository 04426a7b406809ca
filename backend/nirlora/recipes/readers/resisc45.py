"""NWPU-RESISC45: 45 folders of 700 JPEGs, ``NWPU-RESISC45/airplane/airplane_001.jpg``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nirlora.recipes.readers.base import Images, ReaderSpec, Tick, check_options, find_root
from nirlora.recipes.readers.uc_merced import folders_as_images

_CLASSES, _IMAGES = 45, 31_500
_LAYOUT = "NWPU-RESISC45 with 45 folders of .jpg, airplane to wetland"


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Images:
    """See :class:`ReaderSpec`; no options."""
    check_options(options, {})
    folder = find_root(root, ("NWPU-RESISC45",), lambda p: (p / "airplane").is_dir(), _LAYOUT)
    return folders_as_images(folder, _CLASSES, _IMAGES)


SPEC = ReaderSpec("resisc45", read, _LAYOUT)
