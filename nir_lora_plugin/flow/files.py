"""Names of the files that the plugin has made, and where models lie."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import List

from qgis.core import QgsApplication

SUFFIX = ".nirlora"
BACKBONE_SUFFIX = ".nirlora-backbone"
_SCRATCH = "nir_lora_"  # how temporary folders begin


def free_path(folder: Path, stem: str, suffix: str) -> Path:
    """``folder/stem + suffix``, numbered from 2 on when that file exists: nothing is ever overwritten."""
    path, number = folder / (stem + suffix), 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}{suffix}"
    return path


def clean_stem(name: str) -> str:
    """``name`` without what file systems refuse; never empty."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", name).strip(" .") or "model"


def output_folder(raster: Path) -> Path:
    """Where results of ``raster`` go: beside it, or to the library when that folder is read-only."""
    return raster.parent if os.access(raster.parent, os.W_OK) else library()


def library() -> Path:
    """The user's own folder of models, made on first use."""
    folder = Path(QgsApplication.qgisSettingsDirPath()) / "nir_lora" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def model_folders(raster: Path) -> List[str]:
    """Folders whose models the dock lists: the raster's own, and the library."""
    return list(dict.fromkeys([str(raster.parent), str(library())]))


def import_model(source: Path) -> Path:
    """Copy a model file into the library; returns the copy.

    Raises:
        OSError: It cannot be read or written.
    """
    target = free_path(library(), source.stem, SUFFIX)
    shutil.copyfile(source, target)
    return target


def scratch(name: str) -> Path:
    """A path for a file that one job needs, in a new temporary folder."""
    return Path(tempfile.mkdtemp(prefix=_SCRATCH)) / name


def forget_scratch(path: str) -> None:
    """Remove what :func:`scratch` made; "" and other files stay as they are."""
    folder = Path(path).parent
    if path and folder.name.startswith(_SCRATCH):
        shutil.rmtree(folder, ignore_errors=True)
