"""What a job gives back, and what it says on its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

NO_CLASS = 255  # of a pixel without a class: nodata in maps, unlabelled in labels; classes are 0 to 254


@dataclass(frozen=True)
class ClassInfo:
    """A class of the map. ``value`` is the pixel value (0-based, 255 is nodata), ``color`` is ``#rrggbb``."""

    value: int
    name: str
    color: str


@dataclass(frozen=True)
class ClassArea:
    """Area of one class in a map."""

    value: int
    name: str
    pixels: int
    hectares: float


@dataclass(frozen=True)
class Progress:
    """One message of a running job.

    ``fraction`` (0..1) never falls; ``metrics`` holds loss, miou, px_per_s.
    """

    stage: str
    fraction: float
    message: str = ""
    eta_s: Optional[float] = None
    metrics: Dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainResult:
    """A finished training. ``metrics`` is empty when nothing could be held out."""

    model: str
    report: str
    classes: Tuple[ClassInfo, ...]
    metrics: Dict[str, Any]
    seconds: float
    device: str
    trainable_parameters: int
    total_parameters: int
    stopped: str  # "" ran to its end | "cancelled" | "max-seconds" | "patience"
    warnings: Tuple[str, ...]
    versions: Dict[str, str]


@dataclass(frozen=True)
class SegmentResult:
    """A finished map."""

    map: str
    outputs: Dict[str, str]  # kind -> path: map, style, confidence, probabilities, polygons, areas
    classes: Tuple[ClassInfo, ...]
    areas: Tuple[ClassArea, ...]
    valid_pixels: int
    seconds: float
    px_per_s: float
    device: str
    warnings: Tuple[str, ...]
    versions: Dict[str, str]


@dataclass(frozen=True)
class EvaluateResult:
    """Scores of a map against reference labels; ``confusion`` rows are the reference, columns the map."""

    classes: Tuple[ClassInfo, ...]
    metrics: Dict[str, Any]
    labelled_pixels: int
    seconds: float
    device: str
    warnings: Tuple[str, ...]
    versions: Dict[str, str]


@dataclass(frozen=True)
class ExportResult:
    """An exported model; ``chips`` says what both engines were compared on."""

    onnx: str
    classes: Tuple[ClassInfo, ...]
    tile_px: int
    size_bytes: int
    chips: str
    num_chips: int
    max_difference: float
    agreement: float
    seconds: float
    warnings: Tuple[str, ...]
    versions: Dict[str, str]
