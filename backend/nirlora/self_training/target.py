"""The unlabelled field: its rasters matched to the source's channels, in which range, and its own labels.

The target's labels, where there are any, are for scores alone: nothing here gives them to the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from nirlora.bands import ChannelReader, InputTransform, refit_transform
from nirlora.errors import MismatchError
from nirlora.inference.evaluate import match_labels
from nirlora.metrics import Scores
from nirlora.protocol import ClassInfo, LayerRef, TrainRequest
from nirlora.raster.source import RasterSource, open_raster
from nirlora.self_training.scenes import Scene
from nirlora.vector.items import LabelSource
from nirlora.vector.labels import open_labels

_SAME = 0.5  # of the source's range; what the ends of two ranges may differ by


@dataclass(frozen=True)
class Target:
    """The open target.

    Attributes:
        readers: One per raster.
        transform: How its pixels become model input; the model's in the end.
        values: Whose range scales the pixels, ``source`` or ``own``.
        labels: For scores, None for a raster without.
        warnings: What the user should know.
    """

    readers: tuple[ChannelReader, ...]
    transform: InputTransform
    values: str
    labels: tuple[LabelSource | None, ...]
    warnings: tuple[str, ...]

    @property
    def scored(self) -> bool:
        """Whether there is anything to score with."""
        return any(labels is not None for labels in self.labels)


def open_target(
    request: TrainRequest, transform: InputTransform, classes: Sequence[ClassInfo], stack: ExitStack
) -> Target:
    """Open the target rasters; ``stack`` closes them.

    With ``target_values`` ``own`` pixels are scaled by the target's own 2nd and 98th percentile, so that both
    fields fill the same range of model input; with ``source`` by those of the source, which keeps a
    difference in brightness that means something, and needs values of the same scale. ``auto`` is ``source``
    where both ranges are about the same, else ``own``. (Measured: docs/results.md.)

    Args:
        request: Its target fields.
        transform: Fitted to the source.
        classes: Of the model.
        stack: Closes what is opened.

    Raises:
        NirLoraError: A raster cannot be used, has no such channel, or does not fit the source.
    """
    sources = [stack.enter_context(open_raster(layer)) for layer in request.target_layers]

    def readers(used: InputTransform) -> tuple[ChannelReader, ...]:
        scale, offset = request.reflectance_scale, request.reflectance_offset
        return tuple(
            ChannelReader(source, used, request.target_bands, scale=scale, offset=offset)
            for source in sources
        )

    found = readers(transform)
    used, values = transform, "source"
    if request.target_values != "source":
        own = refit_transform(found)
        if request.target_values == "own" or not about_the_same(own, transform):
            used, values = own, "own"
    matched = readers(used)
    warnings = [w for reader in found for w in reader.warnings]
    warnings += _compared(readers(replace(used, resolution_m=transform.resolution_m)), request)
    labels = []
    for layer, source in zip(request.target_layers, sources, strict=True):
        opened, notes = _labels(layer, source, request, classes)
        labels.append(opened)
        warnings += notes
    return Target(matched, used, values, tuple(labels), tuple(dict.fromkeys(warnings)))


def about_the_same(own: InputTransform, source: InputTransform) -> bool:
    """Whether no end of any channel's range lies further off than half the source's range."""
    return own.kind == source.kind and all(
        max(abs(a.low - b.low), abs(a.high - b.high)) <= _SAME * (b.high - b.low)
        for a, b in zip(own.channels, source.channels, strict=True)
    )


def score(
    scenes: Sequence[Scene], labels: Sequence[LabelSource | None], num_classes: int
) -> NDArray[np.int64]:
    """Confusion ``(K, K)`` of the scenes' classes with the target's labels; rows are the reference."""
    scores = Scores(num_classes)
    for scene in scenes:
        known = labels[scene.number]
        if known is None:
            continue
        reference = known.rasterise(scene.window)
        counted = (reference < num_classes) & (scene.classes < num_classes)
        if counted.any():
            scores.update(torch.from_numpy(scene.classes[counted]), torch.from_numpy(reference[counted]))
    return scores.confusion()


def _compared(readers: Sequence[ChannelReader], request: TrainRequest) -> list[str]:
    """Warnings about how target and source differ; what no model would be carried over is refused."""
    try:
        return [w for reader in readers for w in reader.check()]
    except MismatchError as error:
        if request.target_values != "source":
            raise
        raise MismatchError(
            error.message, hint="Scale the target by its own range, with --target-values own."
        ) from error


def _labels(
    layer: LayerRef, source: RasterSource, request: TrainRequest, classes: Sequence[ClassInfo]
) -> tuple[LabelSource | None, list[str]]:
    if not layer.labels:
        return None, []
    opened = open_labels(layer.labels, source, class_field=request.class_field)
    matched, notes = match_labels(opened, classes, request.positive_class)
    return matched, [*opened.warnings, *notes]
