"""Where a classification writes; without torch, so that it can be checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nirlora.errors import OptionError
from nirlora.protocol import ClassifyPredictRequest, ClassifyTrainRequest
from nirlora.raster.outputs import check_output, named, wished
from nirlora.vector.reading import split_path


@dataclass(frozen=True)
class TrainPaths:
    """The model, its report and split, and the checkpoint it resumes from."""

    model: Path
    report: Path
    split: Path
    checkpoint: Path


def train_paths(request: ClassifyTrainRequest) -> TrainPaths:
    """Where this request writes.

    Raises:
        OutputError: The folder is missing or read-only, or a file exists and must not be overwritten.
    """
    first = named(request.images or (request.layers[0].path if request.layers else "") or "model")
    is_folder = bool(request.images) and first.suffix.lower() != ".csv"
    stem = first.name if is_folder else first.stem
    model = wished(request.out) if request.out else first.with_name(f"{stem}_classify.nirlora")
    if model.suffix != ".nirlora":
        model = model.with_name(model.name + ".nirlora")
    report, split = (model.with_name(model.stem + end) for end in ("_report.html", "_split.json"))
    for path in (model, split, report) if request.report else (model, split):
        check_output(path, overwrite=request.overwrite, inputs=[request.split] if request.split else [])
    return TrainPaths(model, report, split, model.with_name(model.name + ".checkpoint"))


def predict_path(request: ClassifyPredictRequest) -> Path:
    """The CSV (of images) or GeoPackage (of parcels) that this request writes.

    Raises:
        OptionError: Neither images nor parcels of a layer were given, or both; or an option of parcels with
            images.
        OutputError: It cannot be written, or is one of the inputs.
    """
    if request.images and (request.layer or request.parcels):
        raise OptionError("Images and parcels were given.", hint="Give --images, or --layer with --parcels.")
    if not request.images and not (request.layer and request.parcels):
        raise OptionError(
            "There is nothing to classify.", hint="Give --images FOLDER, or --layer RASTER --parcels FILE."
        )
    if request.images and request.class_field:
        raise OptionError(
            "--class-field is an option of parcels.",
            hint="Leave it out; images are scored where their folders are named after the model's classes.",
        )
    source = named(request.images or split_path(request.parcels)[0])
    suffix, stem = (".csv", source.name) if source.is_dir() else (".gpkg", source.stem)
    suffix = ".csv" if request.images else suffix
    out = source.with_name(f"{stem}_{Path(request.model).stem}{suffix}")
    if request.out:
        out = wished(request.out)
        out = out if out.suffix.lower() == suffix else out.with_name(out.name + suffix)
    inputs = [str(source), request.model, *([request.layer.path] if request.layer else [])]
    check_output(out, overwrite=request.overwrite, inputs=inputs)
    return out
