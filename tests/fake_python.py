"""A program that stands for the Python of a backend: it does what a test's script says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="the fake Python is a shell script")

SERVER = """
import http.server, json, os, sys, threading
folder = os.environ["NIRLORA_STATE_DIR"]
token = json.loads(sys.stdin.readline())["token"]
seen = {"token": token, "argv": sys.argv, "environment": dict(os.environ), "cwd": os.getcwd()}
open(os.path.join(folder, "seen.json"), "w").write(json.dumps(seen))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers["Authorization"] == f"Bearer {token}"
        health = {"protocol": 1, "version": "9.9", "pid": os.getpid(), "worker": "ready"}
        data = json.dumps(health if good else {}).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *_): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
hello = {"port": server.server_port, "pid": os.getpid(), "protocol": 1, "version": "9.9"}
print(json.dumps(hello), flush=True)
try:
    print("x" * 200000, flush=True)  # more than a pipe holds
except OSError:
    pass  # the parent was killed meanwhile
sys.stdin.read()
open(os.path.join(folder, "ended"), "w").close()
"""


def fake_python(folder: Path, script: str = SERVER) -> Path:
    """An executable that runs ``script`` whatever its arguments are."""
    folder.mkdir(parents=True, exist_ok=True)
    code = folder / "script.py"
    code.write_text(script, encoding="utf-8")
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{code}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program
