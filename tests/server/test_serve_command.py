"""``nirlora serve``: a backend by hand."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from server.harness import is_alive, wait_until

COMMAND = [sys.executable, "-c", "from nirlora_train.main import main; main()", "serve"]


@pytest.fixture
def environment(tmp_path):
    return {**os.environ, "NIRLORA_STATE_DIR": str(tmp_path / "state"), "PYTHONUNBUFFERED": "1"}


def test_it_says_where_it_is_and_ends_on_ctrl_c(environment):
    with subprocess.Popen(
        [*COMMAND, "--port", "0"],
        stdin=subprocess.DEVNULL,  # no terminal: it must not take that for the end of its parent
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            address = process.stdout.readline().split("http://")[1].strip()
            token = process.stdout.readline().split()[1]
            connection = http.client.HTTPConnection(address, timeout=60)
            with contextlib.closing(connection):
                connection.request("GET", "/v1/health", headers={"Authorization": f"Bearer {token}"})
                health = json.loads(connection.getresponse().read())
            assert health["pid"] == process.pid
            assert token not in " ".join(COMMAND)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_a_taken_port_is_said(environment):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", str(port)], capture_output=True, text=True, env=environment, check=False
        )
    assert done.returncode == 2
    assert f"Port {port} cannot be used" in done.stderr
    assert "hint:" in done.stderr


def test_sigterm_takes_the_worker_along(launch):
    backend = launch()
    worker = backend.worker().pid
    backend.process.terminate()
    backend.process.wait(20)
    wait_until(lambda: not is_alive(worker), 10)
