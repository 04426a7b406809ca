"""How good a model's map of a raster is, against reference labels."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from nirlora.errors import LabelsError
from nirlora.inference.load import LoadModel, load_model
from nirlora.inference.segment import ProgressCallback, segment
from nirlora.metrics import Scores, summarise
from nirlora.models.card import SEGMENTATION, read_card
from nirlora.protocol import ClassInfo, EvaluateRequest, EvaluateResult, LayerRef, SegmentRequest
from nirlora.raster.grid import Window
from nirlora.raster.source import RasterSource, open_raster
from nirlora.vector.items import LabelSource
from nirlora.vector.labels import open_labels
from nirlora.versions import versions

_BLOCK_PX = 1024


def evaluate(
    request: EvaluateRequest, progress: ProgressCallback | None = None, load: LoadModel = load_model
) -> EvaluateResult:
    """Segment the raster and compare the map with the request's labels, pixel by pixel.

    Pixels without a label, or without a prediction (nodata), count for nothing. ``load`` as in
    :func:`~nirlora.inference.segment.segment`.

    Raises:
        NirLoraError: The model does not fit, or the labels share no class with it.
        JobCancelled: The progress callback asked for it; nothing is left behind.
    """
    started = time.monotonic()
    card = read_card(request.model, SEGMENTATION)
    if not request.layer.labels:
        raise LabelsError("Evaluating needs reference labels.", hint="Give them with --labels FILE.")
    with tempfile.TemporaryDirectory(prefix="nirlora-") as folder, open_raster(request.layer) as source:
        labels = open_labels(request.layer.labels, source, class_field=request.class_field)
        warnings = list(labels.warnings)
        labels, notes = match_labels(labels, card.classes, card.positive_class)
        result = segment(
            SegmentRequest(
                layer=replace(request.layer, labels=""),
                model=request.model,
                out=str(Path(folder) / "map.tif"),
                bands=request.bands,
                reflectance_scale=request.reflectance_scale,
                reflectance_offset=request.reflectance_offset,
                device=request.device,
                backbone=request.backbone,
                allow_mismatch=request.allow_mismatch,
            ),
            progress,
            load,
        )
        with open_raster(LayerRef(result.map)) as predicted:
            scores = compare(predicted, labels, len(card.classes))
    confusion = scores.confusion()
    return EvaluateResult(
        classes=card.classes,
        metrics=summarise(confusion, tuple(c.name for c in card.classes)),
        labelled_pixels=int(confusion.sum()),
        seconds=time.monotonic() - started,
        device=result.device,
        warnings=tuple(dict.fromkeys([*warnings, *notes, *result.warnings])),
        versions=versions(),
    )


def compare(predicted: RasterSource, labels: LabelSource, num_classes: int) -> Scores:
    """Confusion of a class map (255 nodata) with labels on the same grid, in blocks of bounded size."""
    scores = Scores(num_classes)
    for row in range(0, predicted.height, _BLOCK_PX):
        for col in range(0, predicted.width, _BLOCK_PX):
            window = Window(
                col, row, min(_BLOCK_PX, predicted.width - col), min(_BLOCK_PX, predicted.height - row)
            )
            reference = labels.rasterise(window)
            data, valid = predicted.read(window, [1])
            counted = valid & (reference < num_classes)
            if counted.any():
                scores.update(torch.from_numpy(data[0][counted]), torch.from_numpy(reference[counted]))
    return scores


def match_labels(
    labels: LabelSource, classes: Sequence[ClassInfo], positive: str
) -> tuple[LabelSource, list[str]]:
    """Labels valued by the model's classes, and what had to be left out."""
    names = [c.name for c in classes]
    rename = None
    if positive:
        rename = {n: names[0] for n in labels.classes if n != positive}
    unknown = [] if positive else [n for n in labels.classes if n not in names]
    if not positive and len(unknown) == len(labels.classes):
        raise LabelsError(
            f"The labels have the classes {', '.join(labels.classes)}, the model {', '.join(names)}: none in "
            "common.",
            hint="Check --class-field, or use the model that was trained with these classes.",
        )
    notes = []
    if positive and positive not in labels.classes:
        notes.append(
            f"No label is of the class {positive!r} that the model finds; all count as {names[0]!r}: "
            f"{', '.join(labels.classes)}."
        )
    if unknown:
        notes.append(f"The model does not know {', '.join(unknown)}; labels of it were not scored.")
    return labels.with_classes(names, rename), notes
