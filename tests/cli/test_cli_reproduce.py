"""``nirlora reproduce``: options become a request, results a table."""

from __future__ import annotations

import dataclasses
import inspect

import nirlora
import recipe_sets
from nirlora.protocol import ReproduceRequest
from nirlora_train.reproduce import reproduce
from support import ROOT

RECIPE = ROOT / "recipes" / "ucm.yaml"


def test_options_become_a_request(monkeypatch, cli):
    seen = []

    def record(request, progress=None):
        seen.append(request)
        raise nirlora.JobCancelled

    monkeypatch.setitem(vars(nirlora), "reproduce", record)
    line = (
        "reproduce r.yaml --data d --out o --only method=LoRA --only fold=1 --seeds 2 --first-seed 5 "
        "--set epochs=3 --set adapt.steps=7 --weights vit-base=w --no-pretrained --keep-models --device cpu"
    )
    assert cli(*line.split()).code == 130
    assert seen == [
        ReproduceRequest(
            recipe="r.yaml",
            data="d",
            out="o",
            only=("method=LoRA", "fold=1"),
            seeds=2,
            first_seed=5,
            settings={"epochs": 3, "adapt": {"steps": 7}},
            weights=("vit-base=w",),
            pretrained=False,
            keep_models=True,
            device="cpu",
        )
    ]


def test_every_field_has_its_option():
    options = set(inspect.signature(reproduce).parameters)
    assert {f.name for f in dataclasses.fields(ReproduceRequest)} <= options


def test_from_a_recipe_to_a_table(cli, tmp_path):
    data = recipe_sets.uc_merced(tmp_path)
    words = ["reproduce", str(RECIPE), "--data", str(data), "--out", str(tmp_path / "out"), "--no-pretrained"]
    words += ["--only", "backbone=vit-base", "--only", "method=frozen", "--device", "cpu"]
    small = ("backbone=vit-demo", "epochs=1", "steps_per_epoch=1", "batch=4", "input_px=32")
    words += [word for setting in small for word in ("--set", setting)]
    done = cli(*words)
    assert done.code == 0, done.err
    assert "90.95" in done.out
    assert str(tmp_path / "out" / "table.md") in done.out
    again = cli(*words, "--json")
    assert (again.json["runs_done"], again.json["runs_kept"]) == (0, 1)


def test_missing_data_is_exit_code_2_and_says_where_from(cli, tmp_path):
    done = cli("reproduce", str(RECIPE), "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--json")
    assert done.code == 2
    assert done.json["error"]["code"] == "no_data"
    assert "Yang and Newsam 2010" in done.json["error"]["hint"]
