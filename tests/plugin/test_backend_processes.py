from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from fake_python import fake_python, needs_posix
from nir_lora_plugin.backend_process.processes import Outcome, run
from nir_lora_plugin.backend_process.pythons import find_interpreters, probe
from nir_lora_plugin.backend_process.self_test import identify
from nir_lora_plugin.errors import Cancelled, SetupError
from nirlora import __version__

ENV = dict(os.environ)


def python(code):
    return [sys.executable, "-c", code]


def test_lines_of_both_streams_come_as_they_are_printed():
    lines = []
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.stdout.write('a\\rb\\n')"
    outcome = run(python(code + "; sys.exit(3)"), ENV, on_line=lines.append)
    assert outcome.code == 3
    assert sorted(lines) == ["a", "b", "one", "two"]


def test_bytes_that_are_no_text_do_not_hurt():
    outcome = run(python("import sys; sys.stdout.buffer.write(b'\\xff\\xfe ok\\n')"), ENV)
    assert outcome.output.endswith(" ok")


def test_a_program_that_is_not_there():
    assert run(["/no/such/program"], ENV).code == -1


def test_a_program_that_takes_too_long_is_killed():
    assert run(python("import time; time.sleep(600)"), ENV, timeout_s=0.3).code != 0


def test_the_last_json_line():
    assert Outcome(0, 'noise\n{"a": 1}\nmore').last_json == '{"a": 1}'
    assert Outcome(0, "noise").last_json == ""


@needs_posix
def test_cancelling_takes_the_children_along(tmp_path):
    file = tmp_path / "pid"
    child = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(Cancelled):
        run(python(code), ENV, is_cancelled=lambda: file.exists() and file.read_text() != "")
    pid, deadline = int(file.read_text()), time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_this_python_is_found_and_described():
    found = probe(sys.executable, ENV)
    assert found is not None
    assert found.version == sys.version_info[:3]
    assert found.fits
    assert any(one.version[:2] == sys.version_info[:2] for one in find_interpreters(ENV))


@needs_posix
def test_a_program_that_is_no_python(tmp_path):
    assert probe(str(fake_python(tmp_path, "print('hello')")), ENV) is None
    assert probe(str(tmp_path), ENV) is None


def test_a_python_that_has_nirlora_is_identified():
    identity = identify(Path(sys.executable))
    assert (identity.version, identity.protocol) == (__version__, 1)


@needs_posix
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("raise SystemExit(\"ModuleNotFoundError: No module named 'nirlora'\")", "no_nirlora"),
        ('print(\'{"version": "0.9", "protocol": 7, "python": "3.11"}\')', "protocol_mismatch"),
        ("raise SystemExit('ImportError: libfoo.so')", "broken"),
    ],
)
def test_a_python_that_will_not_do_is_refused_with_the_reason(tmp_path, script, code):
    with pytest.raises(SetupError) as caught:
        identify(fake_python(tmp_path, script))
    assert caught.value.info.code == code
    assert caught.value.info.hint


def test_no_python_at_all(tmp_path):
    with pytest.raises(SetupError) as caught:
        identify(tmp_path / "nothing")
    assert caught.value.info.code == "no_python"
