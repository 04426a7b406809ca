"""One job, from the JSON of its request to the JSON of its result, in the process that owns the device."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from nirlora import api
from nirlora.adaptation.limits import with_smaller_batch
from nirlora.errors import DeviceError
from nirlora.inference.segment import segment
from nirlora.jobs.kinds import job_kind
from nirlora.jobs.warm import WarmModel
from nirlora.protocol import (
    AdaptRequest,
    AdaptResult,
    Progress,
    TrainRequest,
    TrainResult,
    from_dict,
    to_dict,
)

Request = TypeVar("Request", TrainRequest, AdaptRequest)
Result = TypeVar("Result", TrainResult, AdaptResult)


@dataclass(frozen=True)
class Reporter:
    """Whom a job tells what.

    Attributes:
        progress: Every message; may raise JobCancelled.
        changed: The request, when the job goes on with another one than it was given.
    """

    progress: Callable[[Progress], None]
    changed: Callable[[dict[str, Any]], None]


def execute(kind: str, data: dict[str, Any], report: Reporter, warm: WarmModel) -> dict[str, Any]:
    """Run a job and return its result as JSON values.

    Raises:
        NirLoraError: It cannot be done.
        JobCancelled: The reporter asked for it.
    """
    request: Any = from_dict(job_kind(kind).request, data)
    load = warm.loader(lambda text: report.progress(Progress("prepare", 0.0, text)))
    if kind == "segment":
        return to_dict(segment(request, report.progress, load))
    if kind == "evaluate":
        return to_dict(api.evaluate(request, report.progress, load))
    warm.forget()  # all memory to what comes
    if kind == "train":
        return to_dict(_train(request, report))
    if kind == "adapt":
        return to_dict(_adapt(request, report))
    return to_dict(api.export(request, report.progress))


def _train(request: TrainRequest, report: Reporter) -> TrainResult:
    def halved(request: TrainRequest) -> TrainRequest:
        return replace(request, batch=max(1, request.batch // 2))

    return _as_memory_allows(api.train, request, halved, report)


def _adapt(request: AdaptRequest, report: Reporter) -> AdaptResult:
    return _as_memory_allows(api.adapt, request, with_smaller_batch, report)


def _as_memory_allows(
    job: Callable[[Request, Callable[[Progress], None]], Result],
    request: Request,
    halved: Callable[[Request], Request],
    report: Reporter,
) -> Result:
    """Run ``job``; where the device's memory is too small, with half the batch, and say so."""
    notes: tuple[str, ...] = ()
    while True:
        try:
            result = job(request, report.progress)
            return replace(result, warnings=result.warnings + notes)
        except DeviceError as error:
            smaller = halved(request)
            # A resumed run must go on as it was.
            if (
                not isinstance(error.__cause__, torch.OutOfMemoryError)
                or smaller == request
                or request.resume
            ):
                raise
            message = error.message
        request = smaller
        notes = (*notes, f"{message} Went on with batches of {request.batch}.")
        report.changed(to_dict(request))
        gc.collect()
        torch.cuda.empty_cache()
        report.progress(Progress("prepare", 0.0, notes[-1]))
