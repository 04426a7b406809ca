"""A backend that answers what a test tells it to, over real HTTP."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "t0ken-of-the-tests"


def job(job_id: str = "j1", state: str = "running", fraction: float = 0.5, **more: Any) -> dict[str, Any]:
    """A JobRecord as JSON."""
    progress = {"stage": "train", "fraction": fraction}
    record = {"id": job_id, "kind": "segment", "state": state, "title": "", "request": {}, "created_s": 1.0}
    return {**record, "progress": progress, **more}


def event(record: dict[str, Any]) -> bytes:
    return b"event: job\ndata: " + json.dumps(record).encode() + b"\n\n"


PING = b": ping\n\n"
CUT = b"CUT"  # in a stream: close the connection here, in the middle of a chunk


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeBackend:
    """``routes`` maps "METHOD /path" to (status, JSON value or bytes), or to a list of chunks (a stream).

    A value may be a list of such answers under ``answers``: they are given one after the other, the last one
    again and again.
    """

    routes: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> FakeBackend:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, key: str) -> Any:
        queue = self.answers.get(key)
        if queue:
            return queue.pop(0) if len(queue) > 1 else queue[0]
        return self.routes.get(key, (404, {"error": {"code": "not_found", "message": key, "hint": ""}}))


def _handler(fake: FakeBackend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def do_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            fake.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            answer = fake.answer(f"{self.command} {self.path}")
            self.stream(answer) if isinstance(answer, list) else self.plain(*answer)

        do_GET = do_POST = do_DELETE = do_any  # noqa: N815

        def plain(self, status: int, value: Any) -> None:
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def stream(self, chunks: list[bytes]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in chunks:
                if chunk == CUT:
                    self.wfile.write(b"ff\r\nhalf a chu")
                    self.close_connection = True
                    return
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Handler
