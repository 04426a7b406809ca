"""Recipes of the kind ``pretraining``: a classifier on the published weights and on the adapted ones.

``adapt`` in the settings holds what ``nirlora adapt`` is asked; without it an experiment starts from the
published weights. One adapted backbone serves all experiments with the same ``adapt``. ``adapt_images``
bounds how many of the training images are adapted to, for every one of them is looked at first.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nirlora.adaptation.limits import check_request as check_adapt_request
from nirlora.adaptation.run import adapt
from nirlora.classification.config import check_request
from nirlora.classification.train import train
from nirlora.errors import InputError
from nirlora.models.weights import resolve_backbone
from nirlora.protocol import AdaptRequest, ClassifyTrainRequest, LayerRef, Progress, to_dict
from nirlora.recipes.classification import outcome_of
from nirlora.recipes.readers import Images
from nirlora.recipes.readers.base import Tick, thinned
from nirlora.recipes.recipe import Experiment
from nirlora.recipes.runner import Context, Outcome, ProgressCallback, checkpoint_of, make_request

_ADAPT_SHARE = 0.5  # of a run's progress


class PretrainingRunner:
    """See :class:`nirlora.recipes.runner.Runner`."""

    def __init__(self, context: Context, tick: Tick) -> None:
        self._context = context
        data = context.read(context.recipe.data, tick)
        if not isinstance(data, Images) or not data.train:
            raise InputError(
                "The recipe's reader gives no images with a split of their own.",
                hint="Choose another reader.",
            )
        self._data = data

    @property
    def notes(self) -> tuple[str, ...]:
        """How the data differ from those published."""
        return self._data.notes

    def content(self, experiment: Experiment, seed: int) -> dict[str, Any]:
        """Both requests, less where they write."""
        request, adaptation = self._requests(experiment, seed)
        check_request(request)
        resolve_backbone(request.backbone)
        if adaptation is None:
            return {"train": to_dict(request)}
        check_adapt_request(adaptation)
        return {"train": to_dict(request), "adapt": _without_layers(adaptation)}

    def run(self, experiment: Experiment, seed: int, stem: Path, say: ProgressCallback) -> Outcome:
        """Adapt, unless that has been done, then train and score."""
        request, adaptation = self._requests(experiment, seed)
        facts: dict[str, Any] = {}
        later = say
        fields: dict[str, Any] = {}
        if adaptation is not None:
            backbone, facts = self._adapted(adaptation, stem.parent, _part(say, 0.0, _ADAPT_SHARE))
            later, fields["backbone"] = _part(say, _ADAPT_SHARE, 1.0), str(backbone)
        model = stem.with_name(stem.name + ".nirlora")
        fields |= {"out": str(model), "resume": checkpoint_of(model).exists()}
        outcome = outcome_of(train(make_request(ClassifyTrainRequest, to_dict(request), **fields), later))
        return Outcome(outcome.scores, {**outcome.facts, **facts}, outcome.warnings)

    def _adapted(
        self, request: AdaptRequest, folder: Path, say: ProgressCallback
    ) -> tuple[Path, dict[str, Any]]:
        """The adapted backbone, made now or by an earlier run."""
        key = hashlib.sha256(json.dumps(_without_layers(request), sort_keys=True).encode()).hexdigest()
        backbone = folder / f"adapted_{key[:12]}.nirlora-backbone"
        facts = backbone.with_suffix(".json")
        if not (backbone.exists() and facts.exists()):
            resume = checkpoint_of(backbone).exists()
            content = {**to_dict(request), "out": str(backbone), "resume": resume}
            result = adapt(make_request(AdaptRequest, content), say)
            found = {"steps": result.steps, "losses": result.losses, "seconds": round(result.seconds, 1)}
            facts.write_text(json.dumps({"adapted": found}), encoding="utf-8")
        known: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
        return backbone, known

    def _requests(
        self, experiment: Experiment, seed: int
    ) -> tuple[ClassifyTrainRequest, AdaptRequest | None]:
        settings = self._context.settings(experiment)
        adaptation, most = settings.pop("adapt", None), settings.pop("adapt_images", 0)
        data = {"images": self._data.images, "split": self._data.split, "report": False}
        request = make_request(ClassifyTrainRequest, settings, seed=seed, **data)
        if not adaptation:
            return request, None
        shared = {k: settings[k] for k in ("backbone", "pretrained", "bands", "device") if k in settings}
        layers = [to_dict(LayerRef(path)) for path in thinned(self._data.train, most)]
        fields = {**shared, **adaptation, "layers": layers, "seed": seed, "report": False}
        return request, make_request(AdaptRequest, fields)


def _without_layers(request: AdaptRequest) -> dict[str, Any]:
    content = to_dict(request)
    names = json.dumps([layer.path for layer in request.layers])
    return {**content, "layers": hashlib.sha256(names.encode()).hexdigest()}


def _part(say: ProgressCallback, start: float, stop: float) -> ProgressCallback:
    """A stage's own fraction as a part of the run's."""

    def scaled(p: Progress) -> None:
        say(Progress(p.stage, start + (stop - start) * p.fraction, p.message, p.eta_s, p.metrics))

    return scaled
