"""Comparisons from request to table, on a tiny field and a small ViT with random weights."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_field import make_field

import nirlora
from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.adapters import adapter_spec
from nirlora.adapters.options import own_options
from nirlora.comparison import run as comparison
from nirlora.errors import LabelsError, NirLoraError, OptionError, WorkerDied
from nirlora.protocol import CompareRequest, LayerRef


@pytest.fixture
def request_(tmp_path):
    field = make_field(tmp_path)
    return CompareRequest(
        layers=(LayerRef(str(field.raster), str(field.labels)),),
        adapters=("frozen", "vpt-deep:prompts=2"),
        seeds=2,
        steps=3,
        backbone="vit-demo",
        pretrained=False,
        chip_px=32,
        val_fraction=0.4,
        device="cpu",
        out=str(tmp_path / "compared"),
    )


def box(row, col):
    return pixel_box(grid_transform(), col, row, 9, 9)


@pytest.fixture
def trained(monkeypatch):
    """The runs that are carried out, without processes: each scores 0.1 more than the one before."""
    seen = []

    def pretend(train, tests, say):
        say("train", 0.5, "step 1/3")
        seen.append((train, tests))
        return {
            "metrics": {"miou": len(seen) / 10},
            "seconds": 1.0,
            "seconds_per_step": 0.2,
            "processor_seconds_per_step": 0.1,
            "peak_memory_mb": 100.0,
            "file_bytes": 1000,
            "adapter_parameters": 10,
            "trainable_parameters": 20,
            "total_parameters": 100,
            "device": "cpu",
            "warnings": ["a note"],
        }

    monkeypatch.setattr(comparison, "run_in_process", pretend)
    return seen


def test_every_adapter_meets_every_seed_on_the_same_settings(request_, trained):
    result = nirlora.compare(request_)
    assert [(t.seed, t.adapter) for t, _ in trained] == [
        (0, "frozen"),
        (0, "vpt-deep"),
        (1, "frozen"),
        (1, "vpt-deep"),
    ]
    same = {replace(t, adapter="", adapter_options={}, out="").__repr__() for t, _ in trained if t.seed == 0}
    assert len(same) == 1
    first = trained[0][0]
    assert (first.epochs, first.steps_per_epoch, first.val_fraction, first.report) == (1, 3, 0.4, False)
    assert trained[1][0].adapter_options == {"prompts": "2"}
    assert [row.adapter for row in result.rows] == ["frozen", "vpt-deep:prompts=2"]
    assert [row.miou for row in result.rows] == [(0.1, 0.3), (0.2, 0.4)]
    assert result.warnings == ("a note",)
    assert "| vpt-deep:prompts=2 | 0.300 ± 0.100 (2) |" in Path(result.table).read_text()
    records = [json.loads(line) for line in Path(result.records).read_text().splitlines()]
    assert [(r["adapter"], r["seed"]) for r in records] == [
        ("frozen", 0),
        ("vpt-deep:prompts=2", 0),
        ("frozen", 1),
        ("vpt-deep:prompts=2", 1),
    ]
    assert records[0]["config"]["backbone"] == "vit-demo"
    assert records[0]["versions"]["nirlora"] == nirlora.__version__
    assert "revision" in records[0]
    assert records[0]["tests"] == []


def test_it_goes_on_where_it_stopped(request_, trained):
    def stop_in_the_third(message):
        if message.message.startswith("run 3 of 4"):
            raise nirlora.JobCancelled

    with pytest.raises(nirlora.JobCancelled):
        nirlora.compare(request_, stop_in_the_third)
    assert len(trained) == 2
    result = nirlora.compare(request_)
    assert (result.runs_kept, result.runs_done, len(trained)) == (2, 2, 4)
    again = nirlora.compare(request_)
    assert (again.runs_kept, again.runs_done, len(trained)) == (4, 0, 4)
    assert again.rows == result.rows
    longer = nirlora.compare(replace(request_, steps=4))
    assert (longer.runs_kept, longer.runs_done) == (0, 4)


def test_the_progress_is_that_of_the_whole(request_, trained):
    seen = []
    nirlora.compare(request_, seen.append)
    assert [m.fraction for m in seen] == [0.125, 0.375, 0.625, 0.875]
    assert seen[1].message == "run 2 of 4, vpt-deep:prompts=2, seed 0: step 1/3"


def test_test_layers_score_and_all_labels_train(request_, trained, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_field(tmp_path / "other", name="other")
    test = LayerRef(str(other.raster), str(other.labels))
    nirlora.compare(replace(request_, test_layers=(test,), seeds=1))
    train, tests = trained[0]
    assert train.val_fraction == 0.0
    assert [(t.layer, t.model) for t in tests] == [(test, train.out)]
    record = json.loads(Path(request_.out, "records.jsonl").read_text().splitlines()[0])
    (scored,) = record["tests"]
    assert (scored["layer"]["path"], scored["layer"]["labels"]) == (str(other.raster), str(other.labels))
    assert scored["class_field"] == "class"


def test_what_cannot_work_is_refused_before_the_first_run(request_, trained):
    with pytest.raises(LabelsError, match="no labels to score"):
        nirlora.compare(replace(request_, test_layers=(LayerRef("x.tif"),)))
    with pytest.raises(OptionError, match="only 128 wide"):
        nirlora.compare(replace(request_, adapters=("frozen", "mufa:rates=256")))
    with pytest.raises(OptionError, match="4 blocks"):
        nirlora.compare(replace(request_, adapters=("frozen", "lora:blocks=last:9")))
    with pytest.raises(OptionError, match="at least one"):
        nirlora.compare(replace(request_, seeds=0))
    with pytest.raises(LabelsError):
        nirlora.compare(replace(request_, classes=("soil", "whale")))
    assert trained == []


def test_test_layers_are_opened_before_the_first_run(request_, trained, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_field(tmp_path / "other", name="other")
    strange = make_polygons(tmp_path / "strange.gpkg", [(box(10, 10), {"class": "whale"})])
    unfielded = make_polygons(tmp_path / "unfielded.gpkg", [(box(10, 10), {"kind": "soil"})])
    red = make_raster(tmp_path / "red.tif", np.ones((96, 144), "uint16"), descriptions=("Red",))

    def refused(raster, labels):
        with pytest.raises(NirLoraError) as caught:
            nirlora.compare(replace(request_, test_layers=(LayerRef(str(raster), str(labels)),)))
        return caught.value.message

    assert "nowhere.tif" in refused(tmp_path / "nowhere.tif", other.labels)
    assert "nowhere.gpkg" in refused(other.raster, tmp_path / "nowhere.gpkg")
    assert "class" in refused(other.raster, unfielded)
    assert "none in common" in refused(other.raster, strange)
    assert "No band is known to be near-infrared" in refused(red, other.labels)
    assert trained == []


def test_labels_found_beside_the_raster_count_and_a_folder_at_work_does_not(
    request_, trained, tmp_path, monkeypatch
):
    beside = replace(request_, layers=(LayerRef(request_.layers[0].path),), seeds=1)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    nirlora.compare(beside)
    (work / "notes.txt").write_text("made meanwhile")
    assert nirlora.compare(beside).runs_kept == 2
    labels = Path(request_.layers[0].labels)
    os.utime(labels, ns=(0, labels.stat().st_mtime_ns + 1))
    assert nirlora.compare(beside).runs_kept == 0


def test_another_device_repeats_what_was_timed_on_the_first(request_, trained, monkeypatch):
    chosen = replace(request_, device="auto", seeds=1)
    monkeypatch.setattr(comparison, "resolve_device", lambda name: torch.device("cpu"))
    first = nirlora.compare(chosen)
    assert {t.device for t, _ in trained} == {"cpu"}
    assert "| processor s a step |" in Path(first.table).read_text()
    monkeypatch.setattr(comparison, "resolve_device", lambda name: torch.device("mps"))
    second = nirlora.compare(chosen)
    assert second.runs_kept == 0
    assert {t.device for t, _ in trained[2:]} == {"mps"}
    assert "| s a step |" in Path(second.table).read_text()


def test_real_runs(request_):
    """In processes of their own; the models are thrown away, what they cost is kept."""
    result = nirlora.compare(replace(request_, seeds=1))
    records = [json.loads(line) for line in Path(result.records).read_text().splitlines()]
    assert [r["labels"] for r in records] == [[request_.layers[0].labels]] * 2
    defaults = own_options(adapter_spec("vpt-deep").defaults)
    assert [r["adapter_options"] for r in records] == [{}, {**defaults, "prompts": 2}]
    for row in result.rows:
        (miou,) = row.miou
        assert 0 <= miou <= 1
        assert row.peak_memory_mb > 50
        assert row.seconds_per_step > 0
        assert row.file_bytes > 10_000
    frozen, prompts = result.rows
    assert frozen.adapter_parameters == 0
    assert prompts.adapter_parameters == 4 * 2 * 128
    assert prompts.trainable_parameters == frozen.trainable_parameters + 4 * 2 * 128
    assert sorted(p.name for p in Path(request_.out).rglob("*")) == [
        "models",
        "plot.png",
        "records.jsonl",
        "table.md",
    ]


def test_errors_of_a_run_are_the_errors_of_the_comparison(request_, monkeypatch):
    monkeypatch.setattr(comparison, "_check", lambda runs: None)  # as if it came to light later
    with pytest.raises(OptionError, match="only 128 wide"):
        nirlora.compare(replace(request_, adapters=("mufa:rates=256",)))


def test_a_process_that_dies_is_said(request_, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(WorkerDied, match="ended without a result") as caught:
        nirlora.compare(request_)
    assert "finished is kept" in caught.value.hint
