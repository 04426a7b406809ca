"""QGIS is killed in the middle of a job: its backend and the process that computes are gone soon after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flow_tools import LONG_MS, files_in, make_field, make_large, write_labels

HERE = Path(__file__).parent
GONE_S = 10.0  # two seconds are promised, and measured by tests/benchmarks/qgis_speed.py on a quiet machine


def is_alive(pid):
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def start_victim(folder, kind):
    """Another desktop of this QGIS, with a profile and a state folder of its own."""
    sys.path.insert(0, str(HERE.parent))
    try:
        from desktop import make_profile
    finally:
        sys.path.pop(0)
    make_profile(folder)
    own = {"NIRLORA_VICTIM": str(folder), "NIRLORA_VICTIM_KIND": kind, "NIRLORA_INNER_FOLDER": str(folder)}
    environment = {**os.environ, **own, "NIRLORA_STATE_DIR": str(folder / "state")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), environment["PYTHONPATH"]])
    command = [str(Path("/proc/self/exe").readlink()), "--nologo", "--noversioncheck", "--nocustomization"]
    command += ["--profiles-path", str(folder), "--profile", "test", "--code", str(HERE / "victim.py")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def kill_qgis(folder, kind):
    """Start a job in another QGIS and kill that; seconds until server and worker are gone."""
    folder.mkdir(exist_ok=True)
    victim = start_victim(folder, kind)
    try:
        deadline = time.monotonic() + LONG_MS / 1000
        told = folder / "processes.json"
        while not told.exists():
            assert victim.poll() is None, (folder / "log").read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, (folder / "log").read_text(errors="replace")[-3000:]
            time.sleep(0.05)
        processes = json.loads(told.read_text())
    finally:
        victim.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        victim.wait()
    backend = {int(pid): words for pid, words in processes["backend"].items() if "nirlora" in words}
    for name in ("nirlora.server", "nirlora.jobs.worker"):
        assert any(name in words for words in backend.values()), f"{name} was not running"
    while any(map(is_alive, backend)) and time.monotonic() - killed < GONE_S:
        time.sleep(0.01)
    left = [backend[pid] for pid in backend if is_alive(pid)]
    assert not left, f"{GONE_S:.0f} s after QGIS was killed, there is still {left}"
    return time.monotonic() - killed


@pytest.mark.parametrize("kind", ["segment", "train"])
def test_the_backend_ends_with_a_qgis_that_is_killed(tmp_path, model, kind):
    field = make_field(tmp_path)
    if kind == "segment":
        make_large(field, 4).rename(tmp_path / "field.tif")
        (tmp_path / "model.nirlora").write_bytes(model.read_bytes())
    else:
        field.rename(tmp_path / "field.tif")
        write_labels(tmp_path / "field.tif", tmp_path / "field_training.gpkg")
    seconds = kill_qgis(tmp_path, kind)
    print(f"server and worker were gone {seconds:.2f} s after QGIS was killed")
    assert "field_model.tif" not in files_in(tmp_path)
    assert "field.nirlora" not in files_in(tmp_path)
