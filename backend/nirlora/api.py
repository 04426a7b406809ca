"""The functions that the command line, the backend process and Python callers share."""

from __future__ import annotations

from nirlora.inference.evaluate import evaluate
from nirlora.inference.segment import segment
from nirlora.onnx_export.run import export
from nirlora.training.plan import plan
from nirlora.training.run import train

__all__ = ["evaluate", "export", "plan", "segment", "train"]
