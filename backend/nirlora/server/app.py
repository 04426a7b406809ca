"""The application: routes, guard, errors."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from nirlora.jobs.supervisor import Supervisor
from nirlora.protocol import PROTOCOL, Health, to_dict
from nirlora.server import errors
from nirlora.server.auth import Guard
from nirlora.server.body import read_as
from nirlora.server.job_routes import Nothing, job_routes
from nirlora.server.question_routes import question_routes
from nirlora.versions import versions


@dataclass(frozen=True)
class Service:
    """What the application stands on.

    Attributes:
        supervisor: Runs already; stopped with the application.
        token: That every request must show.
        port: Where it listens.
        log_path: Named in errors that are the program's fault.
        shutdown: Ends the server soon.
    """

    supervisor: Supervisor
    token: str
    port: int
    log_path: Path
    shutdown: Callable[[], None]


def create_app(service: Service) -> ASGIApp:
    """The ASGI application of a service."""
    supervisor = service.supervisor

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(supervisor.stop)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.get("/v1/health")
    async def health() -> Response:
        return JSONResponse(to_dict(_health(supervisor)))

    @app.post("/v1/shutdown")
    async def shutdown(request: Request) -> Response:
        await read_as(request, Nothing, "shutdown")
        service.shutdown()
        return JSONResponse({}, 202)

    app.include_router(job_routes(supervisor))
    app.include_router(question_routes(supervisor))
    errors.register(app, service.log_path)
    return Guard(app, service.token, service.port)


_versions = cache(versions)  # reading them takes some milliseconds


def _health(supervisor: Supervisor) -> Health:
    records = supervisor.jobs.all()
    found = _versions()
    return Health(
        protocol=PROTOCOL,
        version=found["nirlora"],
        pid=os.getpid(),
        worker=supervisor.worker_state,
        device=supervisor.device,
        running_job=next((record.id for record in records if record.state == "running"), ""),
        queued_jobs=sum(record.state == "queued" for record in records),
        versions=found,
    )
