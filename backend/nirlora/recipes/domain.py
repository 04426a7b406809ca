"""Recipes of the kind ``domain``: a model carried from labelled photographs to unlabelled ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nirlora.errors import InputError
from nirlora.inference.evaluate import evaluate
from nirlora.models.weights import resolve_backbone
from nirlora.protocol import EvaluateRequest, Progress, TrainRequest, to_dict
from nirlora.recipes.readers import Domain
from nirlora.recipes.readers.base import Tick
from nirlora.recipes.recipe import Experiment
from nirlora.recipes.runner import Context, Outcome, ProgressCallback, checkpoint_of, make_request
from nirlora.self_training.options import checked
from nirlora.self_training.run import self_train
from nirlora.training.limits import check_limits

_TRAIN_SHARE = 0.9  # of a run's progress


class DomainRunner:
    """See :class:`nirlora.recipes.runner.Runner`."""

    def __init__(self, context: Context, tick: Tick) -> None:
        recipe = context.recipe
        self._context = context
        source = context.read(recipe.data, tick)
        target = context.read(recipe.target, tick) if recipe.target else None
        if not isinstance(source, Domain) or not isinstance(target, Domain) or target.test is None:
            raise InputError("The recipe's readers give no two domains.", hint="Choose other readers.")
        self._source, self._target, self._test = source, target, target.test

    @property
    def notes(self) -> tuple[str, ...]:
        """How the data differ from those published."""
        return (*self._source.notes, *self._target.notes)

    def content(self, experiment: Experiment, seed: int) -> dict[str, Any]:
        """The request, less where it writes."""
        request = self._request(experiment, seed)
        check_limits(checked(request))
        resolve_backbone(request.backbone)
        return to_dict(request)

    def run(self, experiment: Experiment, seed: int, stem: Path, say: ProgressCallback) -> Outcome:
        """Train with the unlabelled target, then score its validation images."""
        model = stem.with_name(stem.name + ".nirlora")
        request = replace(
            self._request(experiment, seed), out=str(model), resume=checkpoint_of(model).exists()
        )

        def training(p: Progress) -> None:
            say(Progress(p.stage, _TRAIN_SHARE * p.fraction, p.message, p.eta_s, p.metrics))

        trained = self_train(request, training)
        scored = evaluate(
            EvaluateRequest(self._test, str(model), device=request.device, allow_mismatch=True),
            lambda p: say(Progress(p.stage, _TRAIN_SHARE + (1 - _TRAIN_SHARE) * p.fraction, p.message)),
        )
        scores = {k: scored.metrics[k] for k in ("miou", "accuracy") if scored.metrics.get(k) is not None}
        scores |= self._subsets(scored.metrics)
        facts = {
            "metrics": scored.metrics,
            "source_metrics": trained.metrics,
            "trainable_parameters": trained.trainable_parameters,
            "total_parameters": trained.total_parameters,
            "seconds": round(trained.seconds, 1),
            "device": trained.device,
        }
        return Outcome(scores, facts, (*trained.warnings, *scored.warnings))

    def _subsets(self, metrics: dict[str, Any]) -> dict[str, float]:
        """Mean IoU over the classes that a metric of the recipe names."""
        found = {}
        for metric in self._context.recipe.metrics:
            ious = [metrics["classes"].get(name, {}).get("iou") for name in metric.classes]
            known = [iou for iou in ious if iou is not None]
            if known:
                found[metric.name] = sum(known) / len(known)
        return found

    def _request(self, experiment: Experiment, seed: int) -> TrainRequest:
        settings = self._context.settings(experiment)
        layers = {"layers": [to_dict(self._source.train)], "target_layers": [to_dict(self._target.train)]}
        return make_request(TrainRequest, settings, seed=seed, report=False, **layers)
