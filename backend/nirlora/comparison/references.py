"""What a comparison scores on, opened before the first run as it will be after it."""

from __future__ import annotations

from collections.abc import Sequence

from nirlora.bands import ChannelReader
from nirlora.errors import LabelsError
from nirlora.inference.evaluate import match_labels
from nirlora.protocol import EvaluateRequest
from nirlora.raster.source import open_raster
from nirlora.training.run import Setup
from nirlora.vector.labels import open_labels


def check_references(tests: Sequence[EvaluateRequest], setup: Setup) -> None:
    """Refuse test layers that a model trained as in ``setup`` could not be scored on.

    Raises:
        NirLoraError: A raster or its labels cannot be opened, it lacks a channel of the model, or they share
            no class with it.
    """
    for test in tests:
        layer = test.layer
        if not layer.labels:
            raise LabelsError(
                f"There are no labels to score {layer.path} with.",
                hint="Give one --test-labels for each --test-layer.",
            )
        with open_raster(layer) as source:
            labels = open_labels(layer.labels, source, class_field=test.class_field)
            match_labels(labels, setup.data.classes, setup.request.positive_class)
            ChannelReader(
                source,
                setup.transform,
                test.bands,
                scale=test.reflectance_scale,
                offset=test.reflectance_offset,
            )
