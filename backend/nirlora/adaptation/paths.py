"""What an adaptation reads and where it writes; without torch, so that it is checked before it is queued."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nirlora.models.backbone_card import SUFFIX
from nirlora.protocol import AdaptRequest, LayerRef
from nirlora.raster.outputs import check_output, named, wished

_RASTERS = (".tif", ".tiff", ".vrt", ".jp2", ".img")


@dataclass(frozen=True)
class Paths:
    """The backbone, its report, and the checkpoint it resumes from."""

    backbone: Path
    report: Path
    checkpoint: Path


def raster_layers(request: AdaptRequest) -> tuple[LayerRef, ...]:
    """The rasters of a request: a folder stands for the rasters in it, in the order of their names."""
    found: list[LayerRef] = []
    for layer in request.layers:
        folder = Path(layer.path)
        inside = (
            sorted(p for p in folder.iterdir() if _is_raster(p)) if layer.path and folder.is_dir() else []
        )
        found += [replace(layer, path=str(path)) for path in inside] or [layer]
    return tuple(found)


def output_paths(request: AdaptRequest) -> Paths:
    """Where this request writes.

    Raises:
        OutputError: The folder is missing or read-only, or a file exists and must not be overwritten.
    """
    first = (request.layers[0].path if request.layers else "") or "backbone"
    backbone = wished(request.out) if request.out else named(first).with_suffix(SUFFIX)
    if backbone.suffix != SUFFIX:
        backbone = backbone.with_name(backbone.name + SUFFIX)
    report = backbone.with_name(f"{backbone.stem}_adaptation.html")
    name, _, file = request.backbone.partition("=")
    inputs = [*(layer.path for layer in request.layers), *filter(None, [file or name])]
    for path in (backbone, report) if request.report else (backbone,):
        check_output(path, overwrite=request.overwrite, inputs=inputs)
    return Paths(backbone, report, backbone.with_name(backbone.name + ".checkpoint"))


def _is_raster(path: Path) -> bool:
    return path.suffix.lower() in _RASTERS and path.is_file()
