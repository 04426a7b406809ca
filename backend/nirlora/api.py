"""The functions that the command line, the backend process and Python callers share.

Each is imported when it is first used: a map needs nothing of what scores a training and draws its report.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nirlora.protocol import TrainRequest, TrainResult

if TYPE_CHECKING:
    from nirlora.adaptation.plan import plan_adaptation
    from nirlora.adaptation.run import adapt
    from nirlora.classification.plan import plan as classify_plan
    from nirlora.classification.predict import predict as classify_predict
    from nirlora.classification.train import train as classify_train
    from nirlora.comparison.run import compare
    from nirlora.inference.evaluate import evaluate
    from nirlora.inference.segment import segment
    from nirlora.onnx_export.run import export
    from nirlora.recipes.run import reproduce
    from nirlora.training.run import ProgressCallback

_HOMES = {
    "adapt": ("nirlora.adaptation.run", "adapt"),
    "classify_plan": ("nirlora.classification.plan", "plan"),
    "classify_predict": ("nirlora.classification.predict", "predict"),
    "classify_train": ("nirlora.classification.train", "train"),
    "compare": ("nirlora.comparison.run", "compare"),
    "evaluate": ("nirlora.inference.evaluate", "evaluate"),
    "export": ("nirlora.onnx_export.run", "export"),
    "plan_adaptation": ("nirlora.adaptation.plan", "plan_adaptation"),
    "plan_self_training": ("nirlora.self_training.plan", "plan_self_training"),
    "plan_training": ("nirlora.training.plan", "plan"),
    "reproduce": ("nirlora.recipes.run", "reproduce"),
    "segment": ("nirlora.inference.segment", "segment"),
    "self_train": ("nirlora.self_training.run", "self_train"),
    "train_on_labels": ("nirlora.training.run", "train"),
}
# Threads that enter a circle of imports from two sides would stop each other; Python ends that by an error.
_importing = threading.RLock()

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
    run = __getattr__("self_train" if request.target_layers else "train_on_labels")
    trained: TrainResult = run(request, progress)
    return trained


def plan(request: TrainRequest) -> dict[str, Any]:
    """What :func:`train` would do; see :func:`nirlora.training.plan.plan`."""
    look = __getattr__("plan_self_training" if request.target_layers else "plan_training")
    planned: dict[str, Any] = look(request)
    return planned


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, own_name = _HOMES[name]
    with _importing:
        return getattr(import_module(home), own_name)
