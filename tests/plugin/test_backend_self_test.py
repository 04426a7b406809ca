"""The self-test's verdicts, with a Python whose doctor says what the test wants."""

from __future__ import annotations

import json
import os

import pytest

from fake_python import SERVER, fake_python, needs_posix
from nir_lora_plugin.backend_process.gpu import find_gpus
from nir_lora_plugin.backend_process.self_test import self_test
from nir_lora_plugin.errors import BackendError, BackendGone, SetupError

pytestmark = needs_posix
CPU = {"name": "torch cpu", "ok": True, "detail": "works, 8 threads"}
CUDA = {"name": "torch cuda:0", "ok": True, "detail": "works, RTX 4090, 24 GiB, bf16"}
PROBLEM = {"name": "torch", "message": "torch does not load.", "cure": "Install it again."}


@pytest.fixture
def tested(tmp_path):
    """``tested(checks, ...)``: run the self-test of a Python with such a doctor and such a server."""

    def run(checks, problems=(), usable=True, server=SERVER, **options):
        report = {"versions": {"torch": "2"}, "checks": checks, "problems": list(problems), "usable": usable}
        who = {"version": "1.0.0", "protocol": 1, "python": "3.11.2"}
        script = (
            "import sys\n"
            f"if 'examine' in sys.argv[-1]: print('noise'); print({json.dumps(report)!r})\n"
            f"elif '-c' in sys.argv: print({json.dumps(who)!r})\n"
            f"else: exec({server!r})\n"
        )
        return self_test(fake_python(tmp_path / "bin", script), tmp_path / "state", **options)

    return run


def test_the_best_device_is_named(tested):
    lines = []
    passed = tested([CPU, CUDA], on_line=lines.append)
    assert passed.device == "cuda:0: RTX 4090, 24 GiB, bf16"
    assert (passed.identity.version, passed.warnings, passed.versions) == ("1.0.0", (), {"torch": "2"})
    assert "torch cpu: works, 8 threads" in lines


def test_a_gpu_that_torch_cannot_use_is_a_warning(tested):
    passed = tested([CPU], has_gpu=True)
    assert passed.device == "cpu: 8 threads"
    assert any("torch cannot use it" in warning for warning in passed.warnings)
    assert tested([CPU, CUDA], has_gpu=True).warnings == ()


def test_an_installation_that_cannot_compute_fails_with_the_doctors_cure(tested):
    with pytest.raises(SetupError, match=r"torch does not load\. Install it again\.") as caught:
        tested([{**CPU, "ok": False}], [PROBLEM], usable=False)
    assert caught.value.info.code == "self_test"


def test_lesser_problems_are_warnings(tested):
    assert tested([CPU], [PROBLEM]).warnings == ("torch does not load. Install it again.",)


def test_a_server_that_does_not_start_fails_the_test(tested):
    with pytest.raises(BackendGone, match="no such module"):
        tested([CPU], server="import sys; sys.exit('no such module')")


def test_a_worker_that_ends_at_once_fails_the_test(tested):
    """Jobs run there: a package that it lacks shows nowhere else."""
    error = {"error": {"code": "worker_died", "message": "It ended.", "hint": "No module named scipy."}}
    dead = SERVER.replace('"worker": "ready"', '"worker": "off"').replace(
        "data = json.dumps(health if good else {})",
        f"data = json.dumps({error} if 'backbones' in self.path else health)",
    )
    dead = dead.replace("200 if good else 401", "503 if 'backbones' in self.path else 200")
    with pytest.raises(BackendError, match="No module named scipy"):
        tested([CPU], server=dead)


def test_gpus_are_what_the_driver_says(tmp_path, monkeypatch):
    smi = fake_python(tmp_path, "print('NVIDIA H100 80GB HBM3, 550.54.15, 81559 MiB')")
    smi.rename(tmp_path / "nvidia-smi")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert find_gpus() == ["NVIDIA H100 80GB HBM3, 550.54.15, 81559 MiB"]
    (tmp_path / "script.py").write_text("raise SystemExit('NVIDIA-SMI has failed: no driver')")
    assert find_gpus() == []
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_gpus() == []
