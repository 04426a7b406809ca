"""A real backend in a process of its own, spoken to over real HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from nirlora.protocol import LayerRef, TrainRequest, to_dict

TOKEN = "t0ken-of-the-tests-0123456789"
FINISHED = ("done", "failed", "cancelled", "interrupted")
PATIENCE_S = 180.0  # of loops that wait for what takes a moment


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        """The error, whose shape is always the same."""
        assert list(self.json) == ["error"]
        assert list(self.json["error"]) == ["code", "message", "hint"]
        return self.json["error"]


@dataclass
class Backend:
    """``python -I -m nirlora.server`` with its state in ``folder``."""

    folder: Path
    arguments: tuple[str, ...] = ()
    token: str = TOKEN
    port: int = 0
    process: Any = field(default=None, repr=False)

    def start(self) -> Backend:
        self.folder.mkdir(exist_ok=True)
        with (self.folder.parent / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-m", "nirlora.server", *self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "NIRLORA_STATE_DIR": str(self.folder), "OMP_NUM_THREADS": "1"},
            )
        self.process.stdin.write(json.dumps({"token": self.token}).encode() + b"\n")
        self.process.stdin.flush()
        self.handshake = json.loads(self.process.stdout.readline())
        self.port = self.handshake["port"]
        return self

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            try:
                self.process.wait(10)
            finally:
                self.process.kill()
                self.process.wait()
                self.process.stdout.close()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, path, payload, {k: v for k, v in sent.items() if v})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def submit(self, kind: str, request: Any, title: str = "") -> dict[str, Any]:
        data = request if isinstance(request, dict) else to_dict(request)
        answer = self.ask("POST", "/v1/jobs", {"kind": kind, "request": data, "title": title})
        assert answer.status == 201, answer.body
        return answer.json

    def job(self, job_id: str) -> dict[str, Any]:
        return self.ask("GET", f"/v1/jobs/{job_id}").json

    def events(self, job_id: str) -> Iterator[dict[str, Any] | None]:
        """Records, and None for a ping, until the stream ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request("GET", f"/v1/jobs/{job_id}/events", headers=headers)
            response = connection.getresponse()
            assert response.getheader("Content-Type").startswith("text/event-stream")
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
                elif line.startswith(b": ping"):
                    yield None

    def follow(self, job_id: str) -> list[dict[str, Any]]:
        return [record for record in self.events(job_id) if record is not None]

    def finish(self, job_id: str) -> dict[str, Any]:
        return self.follow(job_id)[-1]

    def run(self, kind: str, request: Any) -> dict[str, Any]:
        return self.finish(self.submit(kind, request)["id"])

    def wait_for(self, job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first record that is as wanted; fails when the job ends before."""
        for record in self.events(job_id):
            if record is not None and wanted(record):
                return record
        raise AssertionError(f"the job ended first: {record}")

    @property
    def psutil(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def children(self) -> list[psutil.Process]:
        return self.psutil.children()

    def worker(self) -> psutil.Process:
        """The worker process, as soon as there is one."""
        found: list[psutil.Process] = []
        wait_until(lambda: found.extend(self.children()) or found)
        return found[-1]

    def wait_ready(self) -> None:
        wait_until(lambda: self.ask("GET", "/v1/health").json["worker"] == "ready")


def wait_until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def tiny_training(raster: Path, **changes: Any) -> TrainRequest:
    """Ends within seconds on any machine."""
    request = TrainRequest(
        layers=(LayerRef(str(raster)),),
        backbone="vit-demo",
        pretrained=False,
        adapter="full",
        chip_px=32,
        batch=4,
        epochs=2,
        steps_per_epoch=5,
        val_fraction=0.3,
        device="cpu",
        report=False,
    )
    return replace(request, **changes)
