"""The states of a job and how one becomes another; pure functions on records.

queued -> running -> done | failed | cancelled | interrupted
   `--------------------------------> cancelled
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

from nirlora.protocol import FINISHED_STATES, JobRecord, Progress

_NEXT: dict[str, tuple[str, ...]] = {"queued": ("running", "cancelled"), "running": FINISHED_STATES}
_ALMOST = 0.99  # the most a job without a result has done


def is_finished(record: JobRecord) -> bool:
    """Whether nothing will happen to the job any more."""
    return record.state in FINISHED_STATES


def moved(record: JobRecord, state: str, **changes: Any) -> JobRecord:
    """The record in its next state, with the time of the change.

    Raises:
        ValueError: No job goes that way; a fault of the program.
    """
    if state not in _NEXT.get(record.state, ()):
        raise ValueError(f"job {record.id} cannot go from {record.state} to {state}")
    now = time.time()
    changes["started_s" if state == "running" else "finished_s"] = now
    if state == "done":
        changes["progress"] = replace(record.progress, fraction=1.0, message="", eta_s=None)
    return replace(record, state=state, **changes)


def advanced(record: JobRecord, progress: Progress) -> JobRecord:
    """The record after a message of its job: the fraction never falls, and is 1 only with a result."""
    fraction = progress.fraction if math.isfinite(progress.fraction) else 0.0
    fraction = max(record.progress.fraction, min(fraction, _ALMOST))
    eta = progress.eta_s if progress.eta_s is not None and math.isfinite(progress.eta_s) else None
    metrics = {name: value for name, value in progress.metrics.items() if math.isfinite(value)}
    return replace(record, progress=Progress(progress.stage, fraction, progress.message, eta, metrics))
