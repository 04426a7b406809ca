"""``nirlora classify``: options become requests, results become text or JSON."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import shlex

import pytest

import nirlora
from classify_sets import make_images
from nirlora.protocol import ClassifyPredictRequest, ClassifyTrainRequest, LayerRef
from nirlora.training.report import command_line
from nirlora_train.classify import classify_predict, classify_train


@pytest.fixture
def asked(monkeypatch, cli):
    """The request that a command line makes."""

    def run(*words: str):
        seen = []

        def record(request, progress=None):
            seen.append(request)
            raise nirlora.JobCancelled

        for function in ("classify_train", "classify_predict"):
            monkeypatch.setitem(vars(nirlora), function, record)
        done = cli(*words)
        assert seen, done.err
        return seen[0]

    return run


EVERYTHING = ClassifyTrainRequest(
    images="set of images",
    layers=(LayerRef("a.tif", "a.gpkg", -1.5, "EPSG:32633"), LayerRef("b.tif", "b.gpkg", -1.5, "EPSG:32633")),
    out="m.nirlora",
    class_field="kind",
    classes=("crop", "weed"),
    bands="nir,red",
    reflectance_scale=1e-4,
    reflectance_offset=-0.1,
    split="s.json",
    val_fraction=0.3,
    backbone="vit-b",
    pretrained=False,
    stem="rgb",
    adapter="frozen",
    rank=8,
    alpha=16.0,
    blocks="last:2",
    adapter_options={"prompts": "5"},
    input_px=96,
    zoom=2.0,
    chip_px=64,
    batch=6,
    epochs=3,
    steps_per_epoch=7,
    max_seconds=60.0,
    learning_rate=3e-4,
    label_smoothing=0.1,
    patience=5,
    seed=7,
    device="cpu",
    resume=True,
    report=False,
    overwrite=False,
)


@pytest.mark.parametrize(
    "request_",
    [ClassifyTrainRequest(images="a b"), ClassifyTrainRequest(layers=(LayerRef("a.tif"),)), EVERYTHING],
)
def test_the_command_in_the_report_makes_the_same_request(asked, request_):
    assert asked(*shlex.split(command_line(request_))[1:]) == request_


def test_the_example_changes_every_field():
    default = ClassifyTrainRequest()
    fields = (f.name for f in dataclasses.fields(default))
    assert [n for n in fields if getattr(default, n) == getattr(EVERYTHING, n)] == []


def test_predict_options(asked):
    line = (
        "classify predict --model m --layer a.tif --parcels p.gpkg --class-field k --bands nir=4 --nodata 0 "
        "--crs EPSG:4326 --backbone w --allow-mismatch --out o.gpkg --probabilities --no-overwrite --batch 2 "
        "--reflectance-scale 2 --reflectance-offset 1 --device cpu"
    )
    assert asked(*line.split()) == ClassifyPredictRequest(
        model="m",
        layer=LayerRef("a.tif", "", 0.0, "EPSG:4326"),
        parcels="p.gpkg",
        class_field="k",
        bands="nir=4",
        backbone="w",
        allow_mismatch=True,
        out="o.gpkg",
        probabilities=True,
        overwrite=False,
        batch=2,
        reflectance_scale=2.0,
        reflectance_offset=1.0,
        device="cpu",
    )
    assert asked("classify", "predict", "--model", "m", "--images", "d") == ClassifyPredictRequest("m", "d")


@pytest.mark.parametrize(
    ("command", "request_"),
    [(classify_train, ClassifyTrainRequest), (classify_predict, ClassifyPredictRequest)],
)
def test_every_field_has_its_option(command, request_):
    options = set(inspect.signature(command).parameters) | {"layers"}
    assert {f.name for f in dataclasses.fields(request_)} <= options


def test_from_a_folder_to_a_csv(cli, tmp_path):
    images = make_images(tmp_path / "images", count=4)
    words = (
        f"classify train --images {images} --backbone vit-demo --no-pretrained --adapter full --input-px 32"
    )
    words += " --epochs 1 --steps-per-epoch 3 --device cpu"
    planned = cli(*words.split(), "--dry-run", "--json")
    assert (planned.code, planned.json["samples"]) == (0, {"train": 9, "val": 3})
    assert not list(tmp_path.glob("*.nirlora"))
    trained = cli(*words.split(), "--json")
    assert trained.code == 0, trained.err
    assert trained.json["model"] == str(tmp_path / "images_classify.nirlora")
    assert "val accuracy" in trained.err
    shown = cli(*words.split())
    assert "top-1 accuracy" in shown.out
    assert "images_classify_split.json" in shown.out
    predicted = cli("classify", "predict", "--model", trained.json["model"], "--images", str(images))
    assert predicted.code == 0
    assert str(tmp_path / "images_images_classify.csv") in predicted.out
    info = cli("info", trained.json["model"], "--json")
    assert (info.json["task"], info.json["head"]) == ("classification", "pooled")
    refused = cli("segment", "--layer", "a.tif", "--model", trained.json["model"], "--json")
    assert refused.code == 2


def test_wrong_use_is_exit_code_2(cli, tmp_path):
    for words in ("classify train", f"classify train --images {tmp_path}/none", "classify predict --model m"):
        done = cli(*words.split())
        assert done.code == 2, done.err
        assert "error: " in done.err
        assert "hint: " in done.err
    for words, option in itertools.product(
        ("classify train --images d", "classify predict --model m --images d"),
        ("--nodata 0", "--crs EPSG:4326", "--class-field k"),
    ):
        done = cli(*words.split(), *option.split())
        assert done.code == 2, done.err
        assert f"error: {option.split()[0]} is an option of " in done.err
    helped = cli("classify", "--help")
    assert "predict" in helped.out
