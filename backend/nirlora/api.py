"""The functions that the command line, the backend process and Python callers share."""

from __future__ import annotations

from nirlora.classification.plan import plan as classify_plan
from nirlora.classification.predict import predict as classify_predict
from nirlora.classification.train import train as classify_train
from nirlora.inference.evaluate import evaluate
from nirlora.inference.segment import segment
from nirlora.onnx_export.run import export
from nirlora.training.plan import plan
from nirlora.training.run import train

__all__ = [
    "classify_plan",
    "classify_predict",
    "classify_train",
    "evaluate",
    "export",
    "plan",
    "segment",
    "train",
]
