"""The files that a run reads, by path, size and date: what tells that one of them has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nirlora.errors import LabelsError
from nirlora.models.weights import resolve_backbone
from nirlora.protocol import EvaluateRequest, LayerRef, TrainRequest
from nirlora.training.find_labels import find_labels
from nirlora.training.run import DEFAULT_BACKBONE

_PARTS = (".dbf", ".prj", ".cpg")  # of a shapefile: classes, place, encoding
_LOG = "-wal"  # of a GeoPackage that is open elsewhere: what is not in the file yet


def stamp_files(train: TrainRequest, tests: Iterable[EvaluateRequest]) -> list[list[Any]]:
    """Path, bytes and date of change of rasters, of the labels really used, and of the backbone's weights.

    What cannot be looked at (missing, or no plain file) is there with its path alone.

    Raises:
        NirLoraError: There is no such backbone.
    """
    paths = [path for layer in train.layers for path in (layer.path, _labels(layer))]
    paths += [path for test in tests for path in (test.layer.path, test.layer.labels)]
    paths.append(resolve_backbone(train.backbone or DEFAULT_BACKBONE)[1])
    return [_stamp(file) for path in paths if path for file in _files(path.partition("|")[0])]


def _labels(layer: LayerRef) -> str:
    try:
        return find_labels(layer)
    except LabelsError:
        return ""  # said when the data are opened, after what may be wrong with the raster


def _files(path: str) -> Iterator[Path]:
    """The file of a path, what belongs to it, or what a folder holds."""
    file = Path(path)
    if file.is_dir():
        yield from sorted(part for part in file.iterdir() if part.is_file())
        return
    yield file
    parts = [file.with_suffix(suffix) for suffix in _PARTS] if file.suffix.lower() == ".shp" else []
    log = file.with_name(file.name + _LOG)
    if log.is_file() and log.stat().st_size:  # empty: opened elsewhere, and nothing changed
        parts.append(log)
    yield from (part for part in parts if part.is_file())


def _stamp(file: Path) -> list[Any]:
    try:
        found = file.stat()
    except OSError:
        return [str(file)]
    return [str(file), found.st_size, found.st_mtime_ns]
