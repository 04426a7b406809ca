"""``nirlora compare``: options become the request, the result a table."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import nirlora
from nirlora.protocol import CompareRequest, CompareResult, CompareRow, LayerRef
from nirlora_train.compare import compare

ROW = CompareRow("lora", (0.5, 0.7), 0.6, 0.1, 5000, 1000, 0.05, 0.25, 512.4, 1_500_000)
UNSCORED = CompareRow("frozen", (), None, None, 4000, 0, 0.04, 0.1, 400.0, 1_000_000)
RESULT = CompareResult((UNSCORED, ROW), "r.jsonl", "t.md", "p.png", 61.0, 3, 1, "cpu", ("a note",), {})


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def record(request, progress=None):
        seen.append(request)
        return RESULT

    monkeypatch.setitem(vars(nirlora), "compare", record)
    return seen


def test_every_field_has_its_option():
    options = set(inspect.signature(compare).parameters) | {"layers", "test_layers"}
    assert {f.name for f in dataclasses.fields(CompareRequest)} <= options


def test_the_request(cli, asked):
    line = (
        "compare --layer a.tif --labels a.gpkg --test-layer b.tif --test-labels b.gpkg --nodata 0 "
        "--crs EPSG:4326 --adapters all --class-field kind --classes crop,weed --bands nir "
        "--backbone vit-tiny --no-pretrained --stem rgb --head linear --zoom 2 --chip-px 64 "
        "--seeds 5 --first-seed 7 --steps 9 --batch 2 --val-fraction 0.25 --out folder "
        "--keep-models --device cpu"
    )
    cli(*line.split())
    default = CompareRequest(layers=())
    (request,) = asked
    assert request == CompareRequest(
        layers=(LayerRef("a.tif", "a.gpkg", 0.0, "EPSG:4326"),),
        test_layers=(LayerRef("b.tif", "b.gpkg", 0.0, "EPSG:4326"),),
        adapters=("all",),
        seeds=5,
        first_seed=7,
        steps=9,
        out="folder",
        class_field="kind",
        classes=("crop", "weed"),
        bands="nir",
        backbone="vit-tiny",
        pretrained=False,
        stem="rgb",
        head="linear",
        zoom=2.0,
        chip_px=64,
        batch=2,
        val_fraction=0.25,
        device="cpu",
        keep_models=True,
    )
    same = [
        f.name for f in dataclasses.fields(default) if getattr(default, f.name) == getattr(request, f.name)
    ]
    assert same == ["adapters"]


def test_adapters_are_repeated_or_written_in_one(cli, asked):
    words = ["--adapters", "lora frozen", "--adapters", "mufa:rates=8,16,placement=serial"]
    cli("compare", "--layer", "a.tif", *words)
    assert asked[0].adapters == ("lora", "frozen", "mufa:rates=8,16,placement=serial")
    cli("compare", "--layer", "a.tif")
    assert asked[1] == CompareRequest(layers=(LayerRef("a.tif"),))


def test_test_layers_pair_with_their_labels(cli, asked):
    done = cli("compare", "--layer", "a.tif", *["--test-layer", "b.tif"] * 2, "--test-labels", "b.gpkg")
    assert done.code == 2
    assert done.err.startswith("error: 2 --test-layer and 1 --test-labels were given")
    assert asked == []


def test_the_table_has_the_best_first(cli, asked):
    done = cli("compare", "--layer", "a.tif")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "time 1:01 min on cpu, 3 runs, 1 kept from before" in lines
    assert any("processor s/step" in line for line in lines)
    assert lines[-2:] == ["lora 0.600 ± 0.100 2 5.00 0.250 512 1.50", "frozen - 0 4.00 0.100 400 1.00"]
    assert "warning: a note" in done.err


def test_times_of_other_devices_are_those_of_the_clock(cli, monkeypatch):
    rows = (ROW, dataclasses.replace(UNSCORED, seconds_per_step=None))
    result = dataclasses.replace(RESULT, rows=rows, device="cuda:0 (NVIDIA)")
    monkeypatch.setitem(vars(nirlora), "compare", lambda request, progress=None: result)
    done = cli("compare", "--layer", "a.tif")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert not any("processor" in line for line in lines)
    assert lines[-1] == "frozen - 0 4.00 - 400 1.00"


def test_json(cli, asked):
    done = cli("compare", "--layer", "a.tif", "--json")
    assert done.json["rows"][1]["miou"] == [0.5, 0.7]
    assert done.json["rows"][0]["miou_mean"] is None


def test_stopping_says_that_finished_runs_are_kept(cli, monkeypatch):
    def stopped(request, progress=None):
        raise nirlora.JobCancelled

    monkeypatch.setitem(vars(nirlora), "compare", stopped)
    done = cli("compare", "--layer", "a.tif", "--json")
    assert done.code == 130
    assert done.json["error"]["code"] == "cancelled"
    assert done.err == "Stopped. Finished runs are kept; the same command goes on from there.\n"
