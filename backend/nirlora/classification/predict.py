"""Classifying images into a CSV, or parcels into a GeoPackage."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nirlora.bands import ChannelReader, InputTransform, check_reader
from nirlora.classification.image_files import SUFFIXES, find_images
from nirlora.classification.image_fit import ImageFit
from nirlora.classification.images import ImageSamples, check_images
from nirlora.classification.loop import predict as predict_samples
from nirlora.classification.parcels import ParcelSamples, usable
from nirlora.classification.paths import predict_path
from nirlora.classification.predictions import Predictions
from nirlora.classification.samples import Samples, ViewSpec
from nirlora.errors import InputError, OptionError
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.bundle import load_classifier
from nirlora.models.card import CLASSIFICATION, ModelCard, read_card
from nirlora.models.classifier import Classifier
from nirlora.protocol import ClassifyPredictRequest, ClassifyPredictResult, Progress
from nirlora.raster.outputs import write_text
from nirlora.raster.source import open_raster
from nirlora.training.accelerator import make_accelerator
from nirlora.vector.parcel_writer import copy_with_fields, free_name
from nirlora.vector.parcels import open_parcels
from nirlora.vector.polygons import class_texts
from nirlora.vector.reading import read_layer, split_path
from nirlora.versions import versions

ProgressCallback = Callable[[Progress], None]
PREDICTED, CONFIDENCE = "predicted", "confidence"


@dataclass(frozen=True)
class _Job:
    """A request with its model, ready to run."""

    request: ClassifyPredictRequest
    card: ModelCard
    model: Classifier
    transform: InputTransform
    out: Path
    say: ProgressCallback

    def spec(self) -> ViewSpec:
        patch = self.model.patch
        input_px = max(patch, round(self.card.chip_px * self.card.zoom / patch) * patch)
        return ViewSpec(input_px, patch, (), ())

    def run(self, samples: Samples, where: Sequence[int], total: int) -> Predictions:
        """Predict all samples; sample ``i`` fills row ``where[i]`` of ``total``."""
        result = np.full((total, len(self.card.classes)), np.nan)
        accelerator = make_accelerator(resolve_device(self.request.device))
        network = accelerator.prepare(self.model.merge())
        every = range(len(samples))
        for index, p in predict_samples(network, samples, every, self.request.batch, accelerator):
            result[where[index]] = p
            self.say(
                Progress("classify", 0.99 * (index + 1) / len(samples), f"{index + 1} of {len(samples)}")
            )
        return Predictions(result, tuple(c.name for c in self.card.classes))


def predict(
    request: ClassifyPredictRequest, progress: ProgressCallback | None = None
) -> ClassifyPredictResult:
    """Classify images, or the parcels of a raster, with a trained model.

    Args:
        request: Model, images or parcels, output.
        progress: Told of stages ``prepare`` and ``classify``; may raise JobCancelled, then nothing is left.

    Raises:
        NirLoraError: The model does not fit, an input cannot be read or the output not written.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    out = predict_path(request)
    if request.batch < 1:
        raise OptionError(f"--batch must be at least 1, got {request.batch}.")
    device = resolve_device(request.device)
    read_card(request.model, CLASSIFICATION)
    say(Progress("prepare", 0.0, "loading the model"))
    model, card = load_classifier(request.model, request.backbone)
    job = _Job(request, card, model, InputTransform.from_dict(card.transform), out, say)
    predictions, reference, warnings = _images(job) if request.images else _parcels(job)
    metrics = predictions.scores(reference)
    warnings += predictions.unscored(reference, "image" if request.images else "parcel")
    warnings += _seen(job) if metrics else []
    say(Progress("classify", 1.0, "done"))
    return ClassifyPredictResult(
        out=str(out),
        classes=card.classes,
        counts=predictions.counts(),
        unclassified=int((~predictions.known).sum()),
        metrics=metrics,
        seconds=time.monotonic() - started,
        device=describe_device(device),
        warnings=tuple(dict.fromkeys(warnings)),
        versions=versions(),
    )


def _images(job: _Job) -> tuple[Predictions, list[str | None], list[str]]:
    """Predictions of images, the classes that their folders name, and warnings."""
    source = Path(job.request.images)
    root = source if source.is_dir() else source.parent
    paths = find_images(source) if source.is_dir() else [source]
    if not paths or (source not in [root] and not source.exists()):
        raise InputError(
            f"There is no image at {source}.", hint=f"Give a file or folder of {', '.join(SUFFIXES)}."
        )
    files = [str(path) for path in paths]

    def tick(number: int) -> None:
        job.say(Progress("prepare", 0.0, f"checking images, {number} of {len(files)}"))

    request = job.request
    scale, offset = request.reflectance_scale, request.reflectance_offset
    fit = ImageFit(job.transform, request.bands, scale, offset, _dtype(job.card))
    form = check_images(files, fit.bind, tick, every=True)
    samples = ImageSamples(files, form, job.transform, job.spec())
    warnings = fit.check(files, samples, source.name, allow_mismatch=request.allow_mismatch)
    predictions = job.run(samples, range(len(files)), len(files))
    names = [path.relative_to(root).as_posix() for path in paths]
    write_text(job.out, _csv(names, predictions, request.probabilities))
    return predictions, _folders(root, paths, predictions.classes), warnings


def _folders(root: Path, paths: Sequence[Path], classes: Sequence[str]) -> list[str | None]:
    """The class of each image by its folder right below ``root``, if every image lies in such a one."""
    folders = [path.relative_to(root).parts[0] if path.parent != root else "" for path in paths]
    return [*folders] if set(folders) <= set(classes) else [None] * len(paths)


def _csv(names: Sequence[str], predictions: Predictions, probabilities: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", PREDICTED, CONFIDENCE, *(predictions.classes if probabilities else ())])
    rows = zip(names, predictions.names, predictions.confidence, predictions.probabilities, strict=True)
    for name, predicted, confidence, each in rows:
        extra = [f"{p:.6f}" for p in each] if probabilities else []
        writer.writerow([name, predicted, f"{confidence:.6f}", *extra])
    return text.getvalue()


def _parcels(job: _Job) -> tuple[Predictions, list[str | None], list[str]]:
    """Predictions of all features of the file, their known classes, and warnings."""
    request = job.request
    if request.layer is None:
        raise OptionError("Parcels need a raster.", hint="Give it with --layer.")
    with ExitStack() as stack:
        source = stack.enter_context(open_raster(request.layer))
        reader = ChannelReader(
            source,
            job.transform,
            request.bands,
            scale=request.reflectance_scale,
            offset=request.reflectance_offset,
        )
        warnings = check_reader(reader, allow_mismatch=request.allow_mismatch)
        job.say(Progress("prepare", 0.0, "looking at the parcels"))
        found = open_parcels(request.parcels, source)
        layer = read_layer(request.parcels, request.class_field)
        parcels = usable(found.parcels, reader, 0)
        warnings += found.warnings
        if lost := len(found.parcels) - len(parcels):
            warnings.append(f"{lost} parcel(s) have no valid pixel; not classified.")
        samples = ParcelSamples([reader], parcels, job.card.chip_px, job.spec())
        predictions = job.run(samples, [p.parcel.feature for p in parcels], found.features)
    taken = list(layer.fields)
    fields: dict[str, NDArray[Any]] = {}
    columns = [(PREDICTED, predictions.names), (CONFIDENCE, predictions.confidence)]
    if request.probabilities:
        every = zip(predictions.classes, predictions.probabilities.T, strict=True)
        columns += [(f"p_{name}", np.ascontiguousarray(p)) for name, p in every]
    for wanted, values in columns:
        name = free_name(wanted, [*taken, *fields])
        fields[name] = values
        if name != wanted:
            warnings.append(f"The parcels have a field {wanted!r} already; the new one is {name!r}.")
    warnings += copy_with_fields(request.parcels, layer.name, job.out, fields)
    texts = class_texts(layer.columns[request.class_field]) if request.class_field else []
    return predictions, texts or [None] * found.features, warnings


def _trained_on(card: ModelCard) -> list[dict[str, Any]]:
    """What the card tells of the data of its training."""
    return [layer for layer in card.training.get("layers", []) if isinstance(layer, dict)]


def _dtype(card: ModelCard) -> str:
    """Type of the images that a model was trained on, "" if it says none."""
    return next((str(layer["dtype"]) for layer in _trained_on(card) if "dtype" in layer), "")


def _seen(job: _Job) -> list[str]:
    """A warning if what is scored are the images or parcels of the training."""
    request = job.request
    file = Path(request.images or split_path(request.parcels)[0]).resolve()
    key, what = ("path", "images") if request.images else ("labels", "parcels")
    known = {Path(str(layer.get(key, "")).split("|")[0]) for layer in _trained_on(job.card)}
    if file not in known:
        return []
    return [
        f"The model was trained on {what} of {file.name}; they count in the accuracy, which is too good by "
        "that. The model's report has the accuracy of those held out."
    ]
