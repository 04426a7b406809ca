"""What plugin and backend process say to each other about jobs; see ARCHITECTURE.md, "Plugin and backend"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

from .results import Progress

JOB_KINDS = ("train", "adapt", "segment", "evaluate", "export")
# ``interrupted``: the backend ended while the job ran; it can be submitted again (a training resumes).
JOB_STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
FINISHED_STATES = ("done", "failed", "cancelled", "interrupted")


@dataclass(frozen=True)
class Handshake:
    """The one line that the backend prints on stdout when it listens."""

    port: int
    pid: int
    protocol: int
    version: str


@dataclass(frozen=True)
class ErrorInfo:
    """The one JSON shape of every error: ``code`` for programs, ``message`` and ``hint`` for people."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Health:
    """State of the backend. ``worker`` is ``off | starting | ready | busy``; ``device`` is "" until known."""

    protocol: int
    version: str
    pid: int
    worker: str
    device: str = ""
    running_job: str = ""
    queued_jobs: int = 0
    versions: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobSubmission:
    """``kind`` is one of JOB_KINDS, ``request`` the JSON of that kind's request dataclass."""

    kind: str
    request: Dict[str, Any]
    title: str = ""


@dataclass(frozen=True)
class JobRecord:
    """A job as the backend knows it. Times are seconds since 1970 in UTC; 0 until they happen.

    ``fraction`` of the progress never falls and is 1.0 only with a result. ``result`` is the JSON of that
    kind's result dataclass when the state is ``done``, ``error`` is set when it is ``failed``.
    """

    id: str
    kind: str
    state: str
    title: str
    request: Dict[str, Any]
    created_s: float
    started_s: float = 0.0
    finished_s: float = 0.0
    progress: Progress = field(default_factory=lambda: Progress("queued", 0.0))
    warnings: Tuple[str, ...] = ()
    result: Optional[Dict[str, Any]] = None
    error: Optional[ErrorInfo] = None


@dataclass(frozen=True)
class ModelInfo:
    """A ``.nirlora`` file as a list of models shows it; ``problem`` says why it cannot be used, else ""."""

    path: str
    name: str
    classes: Tuple[str, ...] = ()
    channels: Tuple[str, ...] = ()
    backbone: str = ""
    adapter: str = ""
    date: str = ""  # ISO 8601, UTC
    miou: Optional[float] = None  # of the held-out labels, 0..1
    miou_of: str = ""  # of a model that was carried to another field: its score is of "source" or "target"
    carried_to: Tuple[str, ...] = ()  # paths of these rasters
    resolution_m: Optional[float] = None
    size_bytes: int = 0
    problem: str = ""
