"""Options become requests: every field has its option, with the same default."""

from __future__ import annotations

import dataclasses
import inspect
import shlex

import pytest

import nirlora
from nirlora.protocol import EvaluateRequest, ExportRequest, LayerRef, SegmentRequest, TrainRequest
from nirlora.training.report import command_line
from nirlora_train.evaluate import evaluate
from nirlora_train.export import export
from nirlora_train.segment import segment
from nirlora_train.train import train


class Asked(Exception):  # noqa: N818
    pass


@pytest.fixture
def asked(monkeypatch, cli):
    """The request that a command line makes."""

    def run(*words: str, name: str = "nirlora"):
        seen = []

        def record(request, progress=None):
            seen.append(request)
            raise nirlora.JobCancelled

        for function in ("train", "segment", "evaluate", "export"):
            monkeypatch.setitem(vars(nirlora), function, record)
        done = cli(*words, name=name)
        assert seen, done.err
        return seen[0]

    return run


def test_one_layer_is_enough(asked):
    assert asked("--layer", "a.tif", name="nirlora-train") == TrainRequest(layers=(LayerRef("a.tif"),))
    assert asked("train", "--layer", "a.tif") == TrainRequest(layers=(LayerRef("a.tif"),))


def test_layers_and_labels_pair_by_order(asked):
    request = asked(
        "train", *["--layer", "a.tif", "--labels", "a.gpkg", "--layer", "b.tif", "--labels", "b.gpkg"]
    )
    assert request.layers == (LayerRef("a.tif", "a.gpkg"), LayerRef("b.tif", "b.gpkg"))
    grouped = asked(
        "train", *["--layer", "a.tif", "--layer", "b.tif", "--labels", "a.gpkg", "--labels", "b.gpkg"]
    )
    assert grouped == request


def test_too_few_labels(cli):
    done = cli("train", *["--layer", "a.tif", "--layer", "b.tif", "--labels", "a.gpkg"])
    assert done.code == 2
    assert done.err.startswith("error: 2 --layer and 1 --labels were given")
    assert "hint: " in done.err
    assert done.out == ""


def test_too_few_target_labels(cli):
    words = [
        "--layer",
        "a.tif",
        "--target-layer",
        "b.tif",
        "--target-layer",
        "c.tif",
        "--target-labels",
        "b.gpkg",
    ]
    done = cli("train", *words)
    assert done.code == 2
    assert done.err.startswith("error: 2 --target-layer and 1 --target-labels were given")


REQUESTS = [
    TrainRequest(layers=(LayerRef("a b.tif", "a.gpkg", -1.5, "EPSG:32633"),)),
    TrainRequest(
        layers=(LayerRef("a.tif", "a.gpkg"), LayerRef("b.tif", "b.gpkg")),
        out="m.nirlora",
        class_field="kind",
        classes=("crop", "weed"),
        positive_class="crop",
        preset="lora-nir",
        bands="nir,red",
        reflectance_scale=1e-4,
        reflectance_offset=-0.1,
        point_buffer_m=2.5,
        backbone="vit-b",
        pretrained=False,
        stem="rgb",
        normalisation="mean",
        adapter="frozen",
        rank=8,
        alpha=16.0,
        blocks="last:4",
        adapter_options={"width": "16", "dropout": "0"},
        head="aspp",
        aspp_rates=(6, 12),
        zoom=2.0,
        chip_px=96,
        batch=6,
        epochs=3,
        steps_per_epoch=7,
        max_seconds=60.0,
        learning_rate=3e-4,
        patience=5,
        val_fraction=0.3,
        target_layers=(LayerRef("t.tif", "t.gpkg"), LayerRef("u.tif", "u.gpkg")),
        target_bands="nir=1",
        target_values="source",
        stabiliser="lora+ema",
        rounds=2,
        round_start="pretrained",
        class_shares="trained",
        min_confidence=0.9,
        adversarial_weight=0.01,
        discriminator="class",
        seed=7,
        device="cpu",
        resume=True,
        report=False,
        overwrite=False,
    ),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=["defaults", "everything"])
def test_the_command_in_the_report_makes_the_same_request(asked, request_):
    words = shlex.split(command_line(request_))
    assert asked(*words[1:], name=words[0]) == request_


def test_the_second_example_changes_every_field():
    default = TrainRequest(layers=())
    same = [
        f.name
        for f in dataclasses.fields(default)
        if getattr(default, f.name) == getattr(REQUESTS[1], f.name)
    ]
    assert same == []


def test_segment_options(asked):
    line = (
        "segment --layer a.tif --model m.nirlora --out o.tif --confidence --probabilities --polygons p.gpkg "
        "--min-area-m2 4 --aoi f.gpkg --bands nir=4 --tile-px 512 --overlap-px 64 --batch 2 --device cpu "
        "--backbone w --allow-mismatch --no-overwrite --reflectance-scale 2 --reflectance-offset 1 "
        "--nodata 0 --crs EPSG:4326"
    )
    assert asked(*line.split()) == SegmentRequest(
        layer=LayerRef("a.tif", "", 0.0, "EPSG:4326"),
        model="m.nirlora",
        out="o.tif",
        confidence=True,
        probabilities=True,
        polygons="p.gpkg",
        min_area_m2=4.0,
        aoi="f.gpkg",
        bands="nir=4",
        tile_px=512,
        overlap_px=64,
        batch=2,
        device="cpu",
        backbone="w",
        reflectance_scale=2.0,
        reflectance_offset=1.0,
        allow_mismatch=True,
        overwrite=False,
    )
    plain = asked("segment", "--layer", "a.tif", "--model", "m.nirlora")
    assert plain == SegmentRequest(layer=LayerRef("a.tif"), model="m.nirlora")


def test_evaluate_options(asked):
    line = "evaluate --layer a.tif --model m --labels t.tif --class-field k --bands nir=1 --device cpu"
    assert asked(*line.split(), "--allow-mismatch", "--backbone", "w") == EvaluateRequest(
        layer=LayerRef("a.tif", "t.tif"),
        model="m",
        class_field="k",
        bands="nir=1",
        device="cpu",
        backbone="w",
        allow_mismatch=True,
    )


def test_export_options(asked):
    line = (
        "export m.nirlora --layer a.tif --nodata 0 --crs EPSG:4326 --out o.onnx --tile-px 256 --num-chips 3 "
        "--max-difference 0.01 --min-agreement 0.9 --backbone w --no-overwrite"
    )
    assert asked(*line.split()) == ExportRequest(
        model="m.nirlora",
        out="o.onnx",
        layer=LayerRef("a.tif", "", 0.0, "EPSG:4326"),
        tile_px=256,
        num_chips=3,
        max_difference=0.01,
        min_agreement=0.9,
        backbone="w",
        overwrite=False,
    )
    assert asked("export", "m.nirlora") == ExportRequest(model="m.nirlora")


@pytest.mark.parametrize(
    ("command", "request_"),
    [(train, TrainRequest), (segment, SegmentRequest), (evaluate, EvaluateRequest), (export, ExportRequest)],
)
def test_every_field_has_its_option(command, request_):
    options = set(inspect.signature(command).parameters) | {"layers", "target_layers"}
    assert {f.name for f in dataclasses.fields(request_)} <= options


@pytest.mark.parametrize("words", [["width"], ["=3"], ["width=3", "width=4"]])
def test_bad_adapter_options(cli, words):
    given = [word for text in words for word in ("--adapter-option", text)]
    done = cli("train", "--layer", "a.tif", *given)
    assert done.code == 2
    assert f"--adapter-option got {words[0]!r}; NAME=VALUE was expected" in done.err


@pytest.mark.parametrize("word", ["12,x", "", "12.5"])
def test_bad_rates(cli, word):
    done = cli("train", "--layer", "a.tif", "--aspp-rates", word)
    assert done.code == 2
    assert "--aspp-rates" in done.err
