"""Recipes of the kind ``classification``: a training of a classifier on each backbone with each method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nirlora.classification.config import check_request
from nirlora.classification.train import train
from nirlora.errors import InputError
from nirlora.models.weights import resolve_backbone
from nirlora.protocol import ClassifyTrainRequest, ClassifyTrainResult, to_dict
from nirlora.recipes.readers import Images
from nirlora.recipes.readers.base import Tick
from nirlora.recipes.recipe import Experiment
from nirlora.recipes.runner import Context, Outcome, ProgressCallback, checkpoint_of, make_request


class ClassificationRunner:
    """See :class:`nirlora.recipes.runner.Runner`."""

    def __init__(self, context: Context, tick: Tick) -> None:
        self._context = context
        data = context.read(context.recipe.data, tick)
        if not isinstance(data, Images):
            raise InputError("The recipe's reader gives no labelled images.", hint="Choose another reader.")
        self._data = data

    @property
    def notes(self) -> tuple[str, ...]:
        """How the data differ from those published."""
        return self._data.notes

    def content(self, experiment: Experiment, seed: int) -> dict[str, Any]:
        """The request, less where it writes."""
        request = self._request(experiment, seed)
        check_request(request)
        resolve_backbone(request.backbone)
        return to_dict(request)

    def run(self, experiment: Experiment, seed: int, stem: Path, say: ProgressCallback) -> Outcome:
        """Train and score on the held-out images."""
        model = stem.with_name(stem.name + ".nirlora")
        resume = checkpoint_of(model).exists()
        request = self._request(experiment, seed, out=str(model), resume=resume)
        return outcome_of(train(request, say))

    def _request(self, experiment: Experiment, seed: int, **fields: Any) -> ClassifyTrainRequest:
        settings = self._context.settings(experiment)
        data = {"images": self._data.images, "split": self._data.split, "report": False}
        return make_request(ClassifyTrainRequest, settings, seed=seed, **data, **fields)


def outcome_of(result: ClassifyTrainResult) -> Outcome:
    """Scores and counts of a training."""
    scores = {
        k: result.metrics[k] for k in ("accuracy", "mean_accuracy") if result.metrics.get(k) is not None
    }
    facts = {
        "metrics": result.metrics,
        "trainable_parameters": result.trainable_parameters,
        "total_parameters": result.total_parameters,
        "seconds": round(result.seconds, 1),
        "device": result.device,
    }
    return Outcome(scores, facts, result.warnings)
