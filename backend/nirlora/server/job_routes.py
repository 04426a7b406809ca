"""Routes of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from nirlora.jobs.supervisor import Supervisor
from nirlora.protocol import JobRecord, JobSubmission, to_dict
from nirlora.server.body import read_as
from nirlora.server.events import job_events


@dataclass(frozen=True)
class Cancellation:
    """Body of a cancel: whether a training keeps the best model so far."""

    keep: bool = False


@dataclass(frozen=True)
class Nothing:
    """Body of routes that take none."""


def job_routes(supervisor: Supervisor) -> APIRouter:
    """What can be done with jobs; see ``nirlora.protocol.jobs`` for the shapes."""
    router = APIRouter(prefix="/v1/jobs")

    @router.get("")
    async def list_jobs() -> Response:
        return JSONResponse({"jobs": [to_dict(record) for record in supervisor.jobs.all()]})

    @router.post("")
    async def submit(request: Request) -> Response:
        submission = await read_as(request, JobSubmission, "submission")
        return _answer(await run_in_threadpool(supervisor.submit, submission), 201)

    @router.get("/{job_id}")
    async def show(job_id: str) -> Response:
        return _answer(supervisor.jobs.get(job_id))

    @router.get("/{job_id}/events")
    async def watch(job_id: str) -> Response:
        supervisor.jobs.get(job_id)
        events = job_events(supervisor.jobs, job_id)
        return StreamingResponse(events, media_type="text/event-stream")

    @router.post("/{job_id}/cancel")
    async def cancel(job_id: str, request: Request) -> Response:
        body = await read_as(request, Cancellation, "cancel")
        return _answer(await run_in_threadpool(supervisor.cancel, job_id, keep=body.keep))

    @router.post("/{job_id}/resume")
    async def resume(job_id: str, request: Request) -> Response:
        await read_as(request, Nothing, "resume")
        return _answer(await run_in_threadpool(supervisor.resume, job_id), 201)

    @router.delete("/{job_id}")
    async def remove(job_id: str) -> Response:
        await run_in_threadpool(supervisor.remove, job_id)
        return Response(status_code=204)

    return router


def _answer(record: JobRecord, status: int = 200) -> Response:
    content: dict[str, Any] = to_dict(record)
    return JSONResponse(content, status)
