"""Wire types shared by the plugin, the command line and the backend: standard library only, no I/O."""

from .codec import ProtocolError, from_dict, to_dict
from .requests import EvaluateRequest, LayerRef, SegmentRequest, TrainRequest
from .results import ClassArea, ClassInfo, EvaluateResult, Progress, SegmentResult, TrainResult

PROTOCOL = 1

__all__ = [
    "PROTOCOL",
    "ClassArea",
    "ClassInfo",
    "EvaluateRequest",
    "EvaluateResult",
    "LayerRef",
    "Progress",
    "ProtocolError",
    "SegmentRequest",
    "SegmentResult",
    "TrainRequest",
    "TrainResult",
    "from_dict",
    "to_dict",
]
