"""From the library's errors to HTTP, in one place. Every error of every route is ``{"error": ErrorInfo}``."""

from __future__ import annotations

import logging
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from nirlora.errors import (
    DeviceError,
    JobFinished,
    JobRunning,
    MismatchError,
    NirLoraError,
    UnknownJob,
    WorkerDied,
)
from nirlora.protocol import ErrorInfo, ProtocolError, to_dict

_log = logging.getLogger(__name__)

# The first class that fits decides; what is none of these is the user's to put right.
_STATUS: tuple[tuple[type[NirLoraError], int], ...] = (
    (UnknownJob, 404),
    (JobFinished, 409),
    (JobRunning, 409),
    (MismatchError, 409),
    (DeviceError, 503),
    (WorkerDied, 503),
    (NirLoraError, 422),
)
# Errors that the worker raised come by their code.
_STATUS_BY_CODE = {kind.code: status for kind, status in _STATUS if kind is not NirLoraError}
_STATUS_BY_CODE["internal"] = 500
_CODES = {400: "bad_json", 401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "bad_method"}
_CODES[413] = "too_large"


class HttpError(Exception):
    """An error that only HTTP knows: a body that is no JSON, a wrong token, a route that is not there."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.info = ErrorInfo(_CODES.get(status, "bad_request"), message, hint)

    def response(self) -> JSONResponse:
        """The answer."""
        return error_response(self.status, self.info)


def error_response(status: int, info: ErrorInfo) -> JSONResponse:
    """The one shape of an error."""
    return JSONResponse({"error": to_dict(info)}, status)


def error_info(error: NirLoraError) -> ErrorInfo:
    """What a client is told."""
    return ErrorInfo(error.code, error.message, error.hint)


def register(app: FastAPI, log_path: Path) -> None:
    """Answer every exception of ``app`` in the one shape."""

    async def http(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HttpError):
            return error.response()
        if isinstance(error, HTTPException) and error.status_code == 405:
            hint = f"Allowed: {(error.headers or {}).get('Allow', 'another')}."
            return HttpError(405, f"{request.url.path} does not take {request.method}.", hint).response()
        if isinstance(error, HTTPException) and error.status_code != 404:
            return HttpError(error.status_code, str(error.detail)).response()
        return HttpError(404, f"There is no route {request.method} {request.url.path}.").response()

    async def expected(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, NirLoraError):
            return HttpError(422, str(error), "Plugin and backend may be of different versions.").response()
        status = _STATUS_BY_CODE.get(error.code, 0)
        status = status or next(number for kind, number in _STATUS if isinstance(error, kind))
        return error_response(status, error_info(error))

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        hint = f"This is a fault of the program. Details are in {log_path}."
        return error_response(500, ErrorInfo("internal", f"{type(error).__name__}: {error}", hint))

    app.add_exception_handler(HttpError, http)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(NirLoraError, expected)
    app.add_exception_handler(ProtocolError, expected)
    app.add_exception_handler(RequestValidationError, expected)
    app.add_exception_handler(Exception, unexpected)
