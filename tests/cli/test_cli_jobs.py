"""The commands on real files: a tiny field, a tiny ViT with random weights."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from training_field import make_field

SMALL = [
    *("--backbone", "vit-demo", "--no-pretrained", "--adapter", "full", "--chip-px", "32", "--batch", "4"),
    *("--epochs", "2", "--steps-per-epoch", "5", "--val-fraction", "0.3", "--device", "cpu"),
]


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return make_field(tmp_path_factory.mktemp("field"))


@pytest.fixture(scope="module")
def trained(field) -> subprocess.CompletedProcess[str]:
    """``nirlora-train`` as a process of its own, with what was found beside the raster."""
    line = [script("nirlora-train"), "--layer", str(field.raster), *SMALL, "--json"]
    return subprocess.run(line, capture_output=True, text=True)


def script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_train(trained, field):
    assert trained.returncode == 0, trained.stderr
    (line,) = trained.stdout.splitlines()
    result = json.loads(line)
    folder = field.raster.parent
    assert result["model"] == str(folder / "field.nirlora")
    assert result["report"] == str(folder / "field_report.html")
    assert [c["name"] for c in result["classes"]] == ["crop", "soil", "tree"]
    assert all(re.fullmatch("#[0-9a-f]{6}", c["color"]) for c in result["classes"])
    assert {"torch", "nirlora"} <= set(result["versions"])
    assert result["seconds"] > 0
    assert 0 <= result["metrics"]["miou"] <= 1
    assert all(Path(result[key]).stat().st_size > 1000 for key in ("model", "report"))
    assert "train 100%" in trained.stderr


def test_report(trained, field):
    page = (field.raster.parent / "field_report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 4
    assert f"nirlora-train --layer {field.raster}" in page


def test_segment_then_evaluate_then_info(cli, trained, field, tmp_path):
    model, out = json.loads(trained.stdout)["model"], tmp_path / "map.tif"
    polygons = tmp_path / "map.gpkg"
    words = ("--layer", str(field.raster), "--model", model, "--device", "cpu")
    done = cli("segment", *words, "--out", str(out), "--confidence", "--polygons", str(polygons), "--json")
    assert done.code == 0, done.err
    assert done.json["map"] == str(out)
    assert all(Path(path).is_file() for path in done.json["outputs"].values())
    assert sum(area["pixels"] for area in done.json["areas"]) == done.json["valid_pixels"]

    scored = cli("evaluate", *words, "--labels", str(field.labels), "--json")
    assert scored.code == 0, scored.err
    assert scored.json["labelled_pixels"] > 0

    model_facts = cli("info", model, "--json").json
    assert [c["name"] for c in model_facts["classes"]] == ["crop", "soil", "tree"]
    assert model_facts["miou"] == json.loads(trained.stdout)["metrics"]["miou"]
    assert "vit-demo (random weights)" in cli("info", model).out


def test_dry_run_writes_nothing(cli, field, tmp_path):
    out = tmp_path / "never.nirlora"
    done = cli("train", "--layer", str(field.raster), *SMALL, "--out", str(out), "--dry-run", "--json")
    assert done.code == 0, done.err
    needed = "adapter_parameters head_parameters trainable_parameters total_parameters"
    assert set(needed.split()) <= set(done.json)
    assert not list(tmp_path.iterdir())
    assert cli("train", "--layer", str(field.raster), *SMALL, "--dry-run").code == 0


def test_info_of_a_raster(cli, field):
    facts = cli("info", str(field.raster), "--json").json
    assert (facts["width_px"], facts["height_px"], facts["dtype"]) == (144, 96, "uint16")
    assert facts["training_labels"] == str(field.labels)
    assert facts["training_input"] == "nir (band 1)"
    (band,) = facts["bands"]
    assert band["role"] == "nir"
    assert 0 < band["low"] < band["median"] < band["high"]
    shown = cli("info", str(field.raster))
    assert shown.code == 0
    assert "field_training.gpkg" in shown.out


@pytest.mark.parametrize("name", ["none.tif", "none.nirlora", "none.gpkg"])
def test_info_of_nothing(cli, tmp_path, name):
    done = cli("info", str(tmp_path / name))
    assert done.code == 2
    assert "hint: " in done.err


def test_a_model_that_is_none(cli, field, tmp_path):
    fake = tmp_path / "fake.nirlora"
    fake.write_bytes(b"PK\x03\x04 not really")
    done = cli("segment", "--layer", str(field.raster), "--model", str(fake), "--json")
    assert done.code == 2
    assert done.json["error"]["code"] == "bad_model"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fake.nirlora"]


def test_doctor(cli):
    done = cli("doctor", "--json")
    assert done.json["usable"] is True
    assert done.code == 0
    assert "torch cpu" in cli("doctor").out


def test_interrupted_training_keeps_its_model(field, tmp_path):
    out = tmp_path / "kept.nirlora"
    words = [*SMALL, "--epochs", "1000", "--no-report", "--json", "--out", str(out)]
    line = [script("nirlora-train"), "--layer", str(field.raster), *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = []
        for text in process.stderr:
            said.append(text)
            if text.startswith("train"):
                os.kill(process.pid, signal.SIGINT)
                break
        rest, errors = process.communicate(timeout=120)
    assert process.returncode == 0, "".join(said) + errors
    result = json.loads(rest)
    assert result["stopped"] == "cancelled"
    assert Path(result["model"]) == out
    assert out.is_file()


@pytest.mark.slow
def test_demo(cli, tmp_path):
    done = cli("demo", "--out", str(tmp_path), "--seconds", "20", "--device", "cpu", "--json")
    assert done.code == 0, done.err
    assert set(done.json) == {"train", "segment", "evaluate"}
    assert "comes with the program" in done.err
    assert (tmp_path / "map.tif").is_file()
