"""Routes that answer questions about files, and change nothing.

Rasters and model cards are read here, in a thread of their own. What needs torch (plans, backbones, all of a
model) is asked of the worker, which answers while a job runs, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from nirlora.info import describe
from nirlora.jobs.lines import finite
from nirlora.jobs.supervisor import Supervisor
from nirlora.models.backbone_card import is_backbone_file
from nirlora.protocol import AdaptRequest, SegmentRequest, TrainRequest, to_dict
from nirlora.server.body import read_as
from nirlora.server.errors import error_info
from nirlora.server.fit import check_fit
from nirlora.server.models import list_models


@dataclass(frozen=True)
class Inspection:
    """Body of an inspection: the path of a raster or a model."""

    path: str


def question_routes(supervisor: Supervisor) -> APIRouter:
    """What can be asked without a job."""
    router = APIRouter(prefix="/v1")

    @router.get("/models")
    async def models(folder: list[str] = Query(default=[])) -> Response:  # noqa: B008 - FastAPI's way
        found = await run_in_threadpool(list_models, folder)
        return JSONResponse({"models": [to_dict(model) for model in found]})

    @router.post("/inspect")
    async def inspect(request: Request) -> Response:
        path = (await read_as(request, Inspection, "inspect")).path
        return await _plain(_describe, supervisor, path)

    @router.post("/plan")
    async def plan(request: Request) -> Response:
        training = await read_as(request, TrainRequest, "request")
        return await _plain(supervisor.ask, "plan", to_dict(training))

    @router.post("/plan-adaptation")
    async def plan_adaptation(request: Request) -> Response:
        wanted = await read_as(request, AdaptRequest, "request")
        return await _plain(supervisor.ask, "plan-adaptation", to_dict(wanted))

    @router.post("/check")
    async def check(request: Request) -> Response:
        wanted = await read_as(request, SegmentRequest, "request")
        problems, warnings = await run_in_threadpool(check_fit, wanted)
        infos = [to_dict(error_info(problem)) for problem in problems]
        return JSONResponse({"problems": infos, "warnings": warnings})

    @router.get("/backbones")
    async def backbones() -> Response:
        return await _plain(supervisor.ask, "backbones", None)

    return router


def _describe(supervisor: Supervisor, path: str) -> dict[str, Any]:
    if Path(path).suffix.lower() in (".nirlora", ".onnx") or is_backbone_file(path):
        return supervisor.ask("describe", path)
    return describe(path)


async def _plain(ask: Any, *arguments: Any) -> Response:
    return JSONResponse(finite(await run_in_threadpool(ask, *arguments)))
