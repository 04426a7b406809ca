from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from nirlora import doctor


@pytest.fixture(scope="module")
def report() -> doctor.Examination:
    return doctor.examine()


def test_this_installation_is_usable(report):
    assert report.usable
    found = {check.name: check for check in report.checks}
    assert found["torch cpu"].ok
    assert found["raster"].ok
    assert found["onnxruntime cpu"].ok


def test_versions_name_what_matters(report):
    needed = "nirlora python torch torchvision timm peft onnxruntime CUDA cuDNN rasterio GDAL PROJ"
    assert set(needed.split()) <= set(report.versions)
    assert all(report.versions.values())


def test_is_json(report):
    assert json.loads(json.dumps(report.to_dict()))["usable"] is True


def test_tiny_model_multiplies():
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(doctor.tiny_onnx_model(), providers=["CPUExecutionProvider"])
    a = np.arange(16, dtype=np.float32).reshape(4, 4)
    (product,) = session.run(None, {"a": a, "b": np.eye(4, dtype=np.float32) * 2})
    assert np.array_equal(product, a * 2)


def test_a_failing_device_is_a_finding_and_not_a_crash(monkeypatch):
    def broken(device: str) -> str:
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setattr(doctor, "_compute", broken)
    (check,) = [c for c in doctor._device_checks() if c.name == "torch cpu"]
    assert not check.ok
    assert check.detail == "RuntimeError: no kernel image is available"
    assert not doctor.examine().usable


def problems() -> dict[str, doctor.Problem]:
    return {problem.name: problem for problem in doctor._problems()}


def test_two_onnxruntimes(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: "1.20")
    assert "pip uninstall" in problems()["two-onnxruntimes"].cure


def test_gpu_machine_with_a_cpu_torch(monkeypatch):
    import torch

    monkeypatch.setattr(doctor, "_has_cuda", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "CPU build" in problems()["cpu-torch"].message
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    assert "driver" in problems()["no-cuda"].cure


def test_broken_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # importing it now raises ImportError
    assert "torchvision" in problems()["torchvision"].cure


def test_little_disk_is_named(monkeypatch):
    usage = type("Usage", (), {"free": 1e9})()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    check = doctor._disk_check()
    assert not check.ok
    (problem,) = doctor._failed([check])
    assert problem.name == "disk"


def test_weights_cache_follows_the_hub_clients_variables(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "hub" / "models--timm--vit").mkdir(parents=True)
    assert doctor.weights_cache() == tmp_path / "hub"
    assert "timm/vit" in doctor._cache_check().detail
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "other"))
    assert doctor._cache_check().detail.endswith("empty")
