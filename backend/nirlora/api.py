"""The functions that the command line, the backend process and Python callers share."""

from __future__ import annotations

from typing import Any

from nirlora.adaptation.plan import plan_adaptation
from nirlora.adaptation.run import adapt
from nirlora.classification.plan import plan as classify_plan
from nirlora.classification.predict import predict as classify_predict
from nirlora.classification.train import train as classify_train
from nirlora.comparison.run import compare
from nirlora.inference.evaluate import evaluate
from nirlora.inference.segment import segment
from nirlora.onnx_export.run import export
from nirlora.protocol import TrainRequest, TrainResult
from nirlora.recipes.run import reproduce
from nirlora.self_training.plan import plan_self_training
from nirlora.self_training.run import self_train
from nirlora.training.plan import plan as plan_training
from nirlora.training.run import ProgressCallback
from nirlora.training.run import train as train_on_labels

__all__ = [
    "adapt",
    "classify_plan",
    "classify_predict",
    "classify_train",
    "compare",
    "evaluate",
    "export",
    "plan",
    "plan_adaptation",
    "reproduce",
    "segment",
    "train",
]


def train(request: TrainRequest, progress: ProgressCallback | None = None) -> TrainResult:
    """Train on the labels, and carry the model to the target layers if there are any.

    See :func:`nirlora.training.run.train` and :func:`nirlora.self_training.run.self_train`.
    """
    return self_train(request, progress) if request.target_layers else train_on_labels(request, progress)


def plan(request: TrainRequest) -> dict[str, Any]:
    """What :func:`train` would do; see :func:`nirlora.training.plan.plan`."""
    return plan_self_training(request) if request.target_layers else plan_training(request)
