"""Wire types shared by the plugin, the command line and the backend: standard library only, no I/O."""

from .adaptation import AdaptRequest, AdaptResult
from .classify import (
    ClassifyPredictRequest,
    ClassifyPredictResult,
    ClassifyTrainRequest,
    ClassifyTrainResult,
)
from .codec import ProtocolError, from_dict, to_dict
from .comparison import CompareRequest, CompareResult, CompareRow
from .jobs import (
    FINISHED_STATES,
    JOB_KINDS,
    JOB_STATES,
    ErrorInfo,
    Handshake,
    Health,
    JobRecord,
    JobSubmission,
    ModelInfo,
)
from .reproduce import ReproducedRow, ReproduceRequest, ReproduceResult
from .requests import EvaluateRequest, ExportRequest, LayerRef, SegmentRequest, TrainRequest
from .results import (
    NO_CLASS,
    ClassArea,
    ClassInfo,
    EvaluateResult,
    ExportResult,
    Progress,
    SegmentResult,
    TrainResult,
)

PROTOCOL = 1

__all__ = [
    "FINISHED_STATES",
    "JOB_KINDS",
    "JOB_STATES",
    "NO_CLASS",
    "PROTOCOL",
    "AdaptRequest",
    "AdaptResult",
    "ClassArea",
    "ClassInfo",
    "ClassifyPredictRequest",
    "ClassifyPredictResult",
    "ClassifyTrainRequest",
    "ClassifyTrainResult",
    "CompareRequest",
    "CompareResult",
    "CompareRow",
    "ErrorInfo",
    "EvaluateRequest",
    "EvaluateResult",
    "ExportRequest",
    "ExportResult",
    "Handshake",
    "Health",
    "JobRecord",
    "JobSubmission",
    "LayerRef",
    "ModelInfo",
    "Progress",
    "ProtocolError",
    "ReproduceRequest",
    "ReproduceResult",
    "ReproducedRow",
    "SegmentRequest",
    "SegmentResult",
    "TrainRequest",
    "TrainResult",
    "from_dict",
    "to_dict",
]
