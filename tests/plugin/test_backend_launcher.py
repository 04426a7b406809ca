from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fake_python import SERVER, fake_python, needs_posix
from nir_lora_plugin.backend_process.environment import scrubbed_environment
from nir_lora_plugin.backend_process.launcher import Backend
from nir_lora_plugin.errors import BackendGone
from support import ROOT

pytestmark = needs_posix
DEADLINE_S = 30.0


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def backend(tmp_path):
    made = Backend(fake_python(tmp_path / "bin"), tmp_path / "state")
    yield made
    made.stop()


def test_start_answer_stop(backend, tmp_path):
    client = backend.start()
    assert client.health().version == "9.9"
    assert backend.is_running
    backend.stop()
    assert not backend.is_running
    assert (tmp_path / "state" / "ended").exists(), "it was killed instead of being asked to end"
    backend.stop()


def test_the_token_is_no_argument_and_no_variable(backend, tmp_path):
    backend.start()
    seen = json.loads((tmp_path / "state" / "seen.json").read_text())
    assert len(seen["token"]) >= 32
    assert seen["token"] not in json.dumps([seen["argv"], seen["environment"]])
    assert seen["argv"][1:] == ["-I", "-m", "nirlora.server"]


def test_what_belongs_to_qgis_does_not_reach_the_backend(backend, tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "QGIS_PREFIX_PATH", "GDAL_DATA", "PROJ_LIB", "QT_PLUGIN_PATH"):
        monkeypatch.setenv(name, "/qgis")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    backend.start()
    seen = json.loads((tmp_path / "state" / "seen.json").read_text())["environment"]
    assert "/qgis" not in seen.values()
    assert seen["CUDA_VISIBLE_DEVICES"] == "1"
    assert seen["NIRLORA_STATE_DIR"] == str(tmp_path / "state")


def test_the_environment_is_scrubbed_whatever_the_case_of_its_names():
    base = {"Path": "/bin", "PythonHome": "x", "gdal_data": "x", "LD_LIBRARY_PATH": "x", "HTTPS_PROXY": "p"}
    assert set(scrubbed_environment(base)) >= {"Path", "HTTPS_PROXY"}
    assert "x" not in scrubbed_environment(base).values()


def test_a_backend_that_ends_at_once_says_its_last_words(tmp_path):
    log = tmp_path / "state" / "backend-stderr.log"
    log.parent.mkdir()
    log.write_text("old trouble\n")
    python = fake_python(tmp_path, "import sys; sys.exit('torch is broken')")
    with pytest.raises(BackendGone, match=r"(?s)exit code 1.*torch is broken") as caught:
        Backend(python, log.parent).start()
    assert "old trouble" not in str(caught.value)


def test_a_backend_that_says_nothing_is_given_up(tmp_path):
    backend = Backend(fake_python(tmp_path, "import time; time.sleep(600)"), tmp_path, start_s=0.3)
    with pytest.raises(BackendGone, match="said nothing within"):
        backend.start()
    assert not backend.is_running


@pytest.mark.parametrize(
    "line", ["nonsense", "[1]", '{"port": 1, "pid": 2, "protocol": 99, "version": "3.0"}', '{"port": 1}']
)
def test_another_protocol_is_refused_with_the_cure(tmp_path, line):
    script = f"import sys; print({line!r}, flush=True); sys.stdin.read()"
    backend = Backend(fake_python(tmp_path, script), tmp_path)
    with pytest.raises(BackendGone, match="Update the backend") as caught:
        backend.start()
    assert caught.value.info.code == "protocol_mismatch"
    assert not backend.is_running


def test_no_such_python(tmp_path):
    with pytest.raises(BackendGone, match="cannot be started"):
        Backend(tmp_path / "nothing", tmp_path / "state").start()


def test_a_killed_backend_is_reported_by_the_next_call(backend):
    client = backend.start()
    os.kill(client.health().pid, signal.SIGKILL)
    with pytest.raises(BackendGone, match="signal 9"):
        client.health()
    assert not backend.is_running


def test_stopping_while_it_starts_does_not_wait(tmp_path):
    backend = Backend(fake_python(tmp_path, "import sys; sys.stdin.readline(); sys.stdin.read()"), tmp_path)
    caught = []

    def start():
        with pytest.raises(BackendGone) as error:
            backend.start()
        caught.append(error.value.info.code)

    thread = threading.Thread(target=start)
    thread.start()
    wait_for(lambda: backend.is_running)
    backend.stop()
    thread.join(DEADLINE_S)
    assert caught == ["backend_stopped"]


def test_it_ends_with_the_program_that_started_it_even_when_that_is_killed(tmp_path):
    code = (
        f"import sys, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from nir_lora_plugin.backend_process.launcher import Backend\n"
        f"Backend(Path({str(fake_python(tmp_path / 'bin', SERVER))!r}), Path({str(tmp_path)!r})).start()\n"
        "print('up', flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"up\n"
    parent.kill()
    parent.wait()
    wait_for((tmp_path / "ended").exists)
