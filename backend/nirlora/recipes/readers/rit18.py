"""RIT-18: one MATLAB file of two labelled drone orthomosaics, ``rit18_data.mat``.

``train_data`` and ``val_data`` are (7, rows, cols): blue, green, red (490, 550, 680 nm), three near-infrared
bands (720, 800, 900 nm) and a mask; ``train_labels`` and ``val_labels`` hold 18 classes and 0, background.
Source: https://github.com/rmkemker/RIT-18.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from nirlora.errors import DataMissing
from nirlora.protocol import NO_CLASS
from nirlora.recipes.readers.base import (
    ReaderSpec,
    Scene,
    Scenes,
    Tick,
    check_options,
    find_root,
)
from nirlora.recipes.write import write_bands, write_mask

_FILE = "rit18_data.mat"
_LAYOUT = f"{_FILE} with train_data, train_labels, val_data and val_labels"
_NAMES = ("blue 490 nm", "green 550 nm", "red 680 nm", "nir 720 nm", "nir 800 nm", "nir 900 nm")
_TREE = 2


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Scenes:
    """See :class:`ReaderSpec`. Option ``value``: the label that is told from all else; 2 is tree."""
    check_options(options, {"value": int})
    folder = find_root(root, (), lambda p: (p / _FILE).is_file(), _LAYOUT)
    scenes = []
    for part in ("train", "val"):
        image, mask = work / f"{part}.tif", work / f"{part}_mask.tif"
        if not (image.is_file() and mask.is_file()):
            tick(f"unpacking {part}_data of {_FILE}")
            data = _variable(folder / _FILE, f"{part}_data")
            labels = _variable(folder / _FILE, f"{part}_labels")
            if data.ndim != 3 or data.shape[0] != 7 or labels.shape != data.shape[1:]:
                raise DataMissing(f"{part}_data of {_FILE} is {data.shape}, its labels {labels.shape}.")
            valid = data[6] != 0
            write_bands(image, data[:6], valid, _NAMES)
            truth = (labels == options.get("value", _TREE)).astype(np.uint8)
            write_mask(mask, np.where(valid, truth, np.uint8(NO_CLASS)))
        scenes.append(Scene(part, str(image), str(mask)))
    return Scenes(tuple(scenes))


def _variable(path: Path, name: str) -> NDArray[Any]:
    try:
        found = loadmat(path, variable_names=[name])
    except NotImplementedError as error:
        raise DataMissing(f"{path} is a MATLAB 7.3 file; save it anew as version 7 (save -v7).") from error
    except (MatReadError, ValueError, OSError) as error:
        raise DataMissing(f"{path} cannot be read: {error}.") from error
    if name not in found:
        raise DataMissing(f"{path} has no {name}: expected {_LAYOUT}.")
    return np.asarray(found[name])


SPEC = ReaderSpec("rit18", read, _LAYOUT)
