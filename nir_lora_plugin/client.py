"""One method per route of the backend. Qt-free: the dock, tasks, Processing and qgis_process share it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Type, TypeVar, Union
from urllib.parse import quote, urlencode

from .errors import BackendError, BackendGone
from .protocol import (
    FINISHED_STATES,
    AdaptRequest,
    ErrorInfo,
    EvaluateRequest,
    ExportRequest,
    Health,
    JobRecord,
    JobSubmission,
    ModelInfo,
    ProtocolError,
    SegmentRequest,
    TrainRequest,
    from_dict,
    to_dict,
)
from .translation import translate

_tr = partial(translate, "Client")

Request = Union[TrainRequest, AdaptRequest, SegmentRequest, EvaluateRequest, ExportRequest]
T = TypeVar("T")

READING_S = 300.0  # routes that open rasters or models may take this long
STREAM_SILENCE_S = 20.0  # the backend pings every 2 s
_LOST = (ConnectionError, http.client.HTTPException)  # the other end closed or refused


class Client:
    """Speaks to one running backend.

    Every call makes its own connection: on the loopback this costs a fraction of a millisecond, any thread
    may call, and no connection can have gone stale. All calls block, so none belongs on the main thread.

    Args:
        port: Where the backend listens.
        token: Its bearer token.
        host: Always the loopback, whatever proxy is set.
        timeout_s: How long one answer may take, except where a route reads rasters.
        explain: Called when the backend is gone; returns what is known about why.

    Every method raises ``BackendError`` when the backend answers with an error and ``BackendGone`` when it
    does not answer.
    """

    def __init__(
        self,
        port: int,
        token: str,
        host: str = "127.0.0.1",
        timeout_s: float = 30.0,
        explain: Optional[Callable[[], str]] = None,
    ) -> None:
        self.port = port
        self._host = host
        self._timeout_s = timeout_s
        self._explain = explain or (lambda: "")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def health(self) -> Health:
        """State of the backend and its worker."""
        return _read(Health, self._call("GET", "/v1/health"))

    def jobs(self) -> List[JobRecord]:
        """All jobs, newest first."""
        return [_read(JobRecord, job) for job in _listed(self._call("GET", "/v1/jobs"), "jobs")]

    def submit(self, kind: str, request: Request, title: str = "") -> JobRecord:
        """Queue a job of one of JOB_KINDS; mistakes in the request are answered at once."""
        submission = JobSubmission(kind, to_dict(request), title)
        return _read(JobRecord, self._call("POST", "/v1/jobs", to_dict(submission), READING_S))

    def job(self, job_id: str) -> JobRecord:
        """One job as it is now."""
        return _read(JobRecord, self._call("GET", _job(job_id)))

    def events(self, job_id: str) -> Iterator[Optional[JobRecord]]:
        """Yield the job at every change until it is finished, and None at least every few seconds between.

        The last record has a state of FINISHED_STATES. A stream that breaks while the backend lives is
        replaced by asking.
        """
        while True:
            try:
                for record in self._stream(f"{_job(job_id)}/events"):
                    yield record
                    if record is not None and record.state in FINISHED_STATES:
                        return
            except (*_LOST, socket.timeout):
                time.sleep(0.2)  # a process that is ending may still take connections
            record = self.job(job_id)
            yield record
            if record.state in FINISHED_STATES:
                return

    def cancel(self, job_id: str, keep: bool = False) -> JobRecord:
        """Stop a job; ``keep``: a training ends with the best model so far."""
        return _read(JobRecord, self._call("POST", f"{_job(job_id)}/cancel", {"keep": keep}))

    def resume(self, job_id: str) -> JobRecord:
        """Queue the request of a failed, cancelled or interrupted job again; a training goes on."""
        return _read(JobRecord, self._call("POST", f"{_job(job_id)}/resume", timeout_s=READING_S))

    def delete(self, job_id: str) -> None:
        """Remove a finished job from the list."""
        self._call("DELETE", _job(job_id))

    def models(self, folders: Sequence[str]) -> List[ModelInfo]:
        """Models in these folders, the unusable ones with their ``problem``."""
        query = urlencode([("folder", folder) for folder in folders])
        answer = self._call("GET", f"/v1/models?{query}", timeout_s=READING_S)
        return [_read(ModelInfo, model) for model in _listed(answer, "models")]

    def inspect(self, path: str) -> Dict[str, Any]:
        """What a raster, model or label file is."""
        return _object(self._call("POST", "/v1/inspect", {"path": path}, READING_S))

    def plan(self, request: TrainRequest) -> Dict[str, Any]:
        """What a training would do: counts, estimate, warnings; trains nothing."""
        return _object(self._call("POST", "/v1/plan", to_dict(request), READING_S))

    def plan_adaptation(self, request: AdaptRequest) -> Dict[str, Any]:
        """What adapting a backbone would do: steps, estimate, warnings; trains nothing."""
        return _object(self._call("POST", "/v1/plan-adaptation", to_dict(request), READING_S))

    def check(self, request: SegmentRequest) -> Tuple[List[ErrorInfo], List[str]]:
        """Whether the model fits the raster: (problems, warnings)."""
        answer = self._call("POST", "/v1/check", to_dict(request), READING_S)
        problems = [_read(ErrorInfo, problem) for problem in _listed(answer, "problems")]
        return problems, [str(warning) for warning in _listed(answer, "warnings")]

    def backbones(self) -> List[Dict[str, Any]]:
        """Backbones to choose from: name, description, whether the weights are on this computer."""
        return [_object(item) for item in _listed(self._call("GET", "/v1/backbones"), "backbones")]

    def shutdown(self) -> None:
        """Ask the backend to end."""
        self._call("POST", "/v1/shutdown")

    def close(self) -> None:
        """Nothing is kept open; here so that a client can be used with ``contextlib.closing``."""

    def _call(
        self, method: str, path: str, body: Optional[Dict[str, Any]] = None, timeout_s: float = 0.0
    ) -> Any:
        limit_s = timeout_s or self._timeout_s
        connection = http.client.HTTPConnection(self._host, self.port, timeout=limit_s)
        payload = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, payload, self._headers)
            response = connection.getresponse()
            return _answer(response.status, response.read())
        except socket.timeout:
            info = ErrorInfo(
                "timeout",
                _tr("The backend did not answer within {:.0f} s.").format(limit_s),
                _tr("It may be very busy; try again."),
            )
            raise BackendError(info, 504) from None
        except _LOST as error:
            raise self._gone(error) from error
        finally:
            connection.close()

    def _stream(self, path: str) -> Iterator[Optional[JobRecord]]:
        connection = http.client.HTTPConnection(self._host, self.port, timeout=STREAM_SILENCE_S)
        try:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            if response.status >= 400:
                _answer(response.status, response.read())
            for line in response:
                if line.startswith(b"data:"):
                    yield _read(JobRecord, _decoded(line[5:]))
                elif line.startswith(b":"):
                    yield None
        finally:
            connection.close()

    def _gone(self, error: Exception) -> BackendGone:
        reason = self._explain() or f"{type(error).__name__}: {error}"
        hint = _tr("It is started again with the next action.")
        message = _tr("The backend is not running any more.")
        return BackendGone(f"{message} {reason}", hint=hint)


def _job(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _answer(status: int, body: bytes) -> Any:
    """The decoded body of a good answer; raises BackendError for a bad one."""
    if status < 400:
        return _decoded(body) if body else None
    try:
        info = from_dict(ErrorInfo, json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        text = body[:300].decode("utf-8", "replace").strip()
        message = _tr("The backend answered: {}").format(f"{status} {text}".strip())
        info = ErrorInfo("internal", message, _tr("Look at its log."))
    raise BackendError(info, status)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise _misunderstood(f"no JSON: {error}") from error


def _read(cls: Type[T], data: Any) -> T:
    try:
        return from_dict(cls, data)
    except ProtocolError as error:
        raise _misunderstood(str(error)) from error


def _object(data: Any) -> Dict[str, Any]:
    if not isinstance(data, dict):
        raise _misunderstood(f"expected an object, got {type(data).__name__}")
    return data


def _listed(data: Any, key: str) -> List[Any]:
    items = _object(data).get(key)
    if not isinstance(items, list):
        raise _misunderstood(f"expected a list of {key}, got {type(items).__name__}")
    return items


def _misunderstood(detail: str) -> BackendError:
    info = ErrorInfo(
        "protocol_mismatch",
        _tr("The backend's answer is not what this plugin expects ({}).").format(detail),
        _tr("Plugin and backend have different versions: update the backend in the set-up panel."),
    )
    return BackendError(info, 502)
