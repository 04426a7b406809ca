"""Where a training writes; without torch, so that it can be checked before a training is queued."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nirlora.protocol import TrainRequest
from nirlora.raster.outputs import check_output, named, wished


@dataclass(frozen=True)
class Paths:
    """The model, its report, and the checkpoint it resumes from."""

    model: Path
    report: Path
    checkpoint: Path


def output_paths(request: TrainRequest) -> Paths:
    """Where this request writes.

    Raises:
        OutputError: The folder is missing or read-only, or model or report exist and must not be overwritten.
    """
    first = (request.layers[0].path if request.layers else "") or "model"
    model = wished(request.out) if request.out else named(first).with_suffix(".nirlora")
    if model.suffix != ".nirlora":
        model = model.with_name(model.name + ".nirlora")
    report = model.with_name(f"{model.stem}_report.html")
    for path in (model, report) if request.report else (model,):
        check_output(path, overwrite=request.overwrite)
    return Paths(model, report, model.with_name(model.name + ".checkpoint"))
