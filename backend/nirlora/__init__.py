"""NIR-LoRA: from a near-infrared raster and a few polygons to a segmented map.

``import nirlora`` is cheap: torch is imported when a function that needs it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nirlora.errors import JobCancelled, NirLoraError
from nirlora.protocol import (
    AdaptRequest,
    AdaptResult,
    ClassifyPredictRequest,
    ClassifyPredictResult,
    ClassifyTrainRequest,
    ClassifyTrainResult,
    CompareRequest,
    CompareResult,
    EvaluateRequest,
    EvaluateResult,
    ExportRequest,
    ExportResult,
    LayerRef,
    Progress,
    ReproduceRequest,
    ReproduceResult,
    SegmentRequest,
    SegmentResult,
    TrainRequest,
    TrainResult,
)

if TYPE_CHECKING:
    from nirlora.api import (
        adapt,
        classify_plan,
        classify_predict,
        classify_train,
        compare,
        evaluate,
        export,
        plan,
        plan_adaptation,
        reproduce,
        segment,
        train,
    )

__version__ = "0.1.0"

_LAZY = (
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
)

__all__ = [
    "AdaptRequest",
    "AdaptResult",
    "ClassifyPredictRequest",
    "ClassifyPredictResult",
    "ClassifyTrainRequest",
    "ClassifyTrainResult",
    "CompareRequest",
    "CompareResult",
    "EvaluateRequest",
    "EvaluateResult",
    "ExportRequest",
    "ExportResult",
    "JobCancelled",
    "LayerRef",
    "NirLoraError",
    "Progress",
    "ReproduceRequest",
    "ReproduceResult",
    "SegmentRequest",
    "SegmentResult",
    "TrainRequest",
    "TrainResult",
    "__version__",
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


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from nirlora import api

        return getattr(api, name)
    raise AttributeError(f"module 'nirlora' has no attribute {name!r}")
