"""Models carried to an unlabelled field: two tiny fields of which one is the other in another light."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_field import LEVELS, Field, make_field

import nirlora
from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.errors import BandsError, LabelsError, MismatchError, ModelError, OptionError, RasterError
from nirlora.models.bundle import read_bundle
from nirlora.protocol import EvaluateRequest, LayerRef, SegmentRequest, TrainRequest, to_dict
from nirlora.raster.source import open_raster
from nirlora.self_training.options import STABILISERS


def make_target(folder: Path, name: str = "target", gain: float = 0.5, offset: int = 3000) -> Field:
    """The same kinds of stripes at other places, in another light, with labels that nobody may train on."""
    rows, cols = 72, 120
    names = tuple(sorted(LEVELS))
    truth = ((np.arange(rows) // 12 + 1) % 3)[:, None].repeat(cols, 1)
    rng = np.random.default_rng(7)
    values = np.array([LEVELS[n] for n in names])[truth] * gain + offset + rng.normal(0, 100, truth.shape)
    raster = make_raster(
        folder / f"{name}.tif", values.clip(1).astype("uint16"), descriptions=("NIR",), nodata=0
    )
    labels = make_raster(folder / f"{name}_truth.tif", truth.astype("uint8"))
    return Field(raster, labels, truth, names)


@pytest.fixture
def field(tmp_path):
    return make_field(tmp_path)


@pytest.fixture
def target(tmp_path, field):
    made = make_target(tmp_path)
    boxes = [
        (pixel_box(grid_transform(), col, row, 6, 6), {"class": made.names[made.truth[row, col]]})
        for row in range(3, 70, 12)
        for col in range(4, 110, 20)
    ]
    make_polygons(tmp_path / "target_labels.gpkg", boxes)
    return replace(made, labels=tmp_path / "target_labels.gpkg")


def request_for(field, target, **changes) -> TrainRequest:
    base = TrainRequest(
        layers=(LayerRef(str(field.raster)),),
        target_layers=(LayerRef(str(target.raster)),),
        backbone="vit-demo",
        pretrained=False,
        chip_px=32,
        batch=2,
        epochs=2,
        steps_per_epoch=3,
        rounds=2,
        val_fraction=0.3,
        device="cpu",
        report=False,
    )
    return replace(base, **changes)


def scored(request: TrainRequest, target: Field) -> TrainRequest:
    return replace(request, target_layers=(LayerRef(str(target.raster), str(target.labels)),))


def weights(path):
    return read_bundle(path)[1]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stop_at(stage: str, step: int):
    def progress(message):
        if message.stage == stage and message.message.startswith(f"step {step}/"):
            raise nirlora.JobCancelled

    return progress


@pytest.mark.parametrize("stabiliser", list(STABILISERS))
def test_it_is_a_normal_model_that_maps_the_target_without_further_words(field, target, stabiliser):
    request = scored(request_for(field, target, stabiliser=stabiliser, steps_per_epoch=8), target)
    result = nirlora.train(request)
    assert result.stopped == ""
    assert result.metrics["of"] == "target"
    card, _ = read_bundle(result.model)
    told = card.training["adaptation"]
    assert told["stabiliser"] == stabiliser
    assert [entry["path"] for entry in told["target"]] == [str(target.raster)]
    assert [stage["name"] for stage in told["stages"]] == ["warm-up", "round 1", "round 2"]
    assert told["stages"][0]["flips"] is None
    assert all(0 <= stage["flips"] <= 1 for stage in told["stages"][1:])
    looks = [flips for stage in told["stages"] for flips in stage["epoch_flips"]]
    assert looks[0] is None
    assert all(0 <= flips <= 1 for flips in looks[1:])
    assert told["stages"][0]["target_miou"] == result.metrics["before"]
    assert told["stages"][-1]["target_miou"] == result.metrics["miou"]
    assert card.training["steps"] == 3 * 16
    drawn = nirlora.segment(SegmentRequest(layer=LayerRef(str(target.raster)), model=result.model))
    assert drawn.warnings == ()
    measured = nirlora.evaluate(
        EvaluateRequest(layer=LayerRef(str(target.raster), str(target.labels)), model=result.model)
    )
    assert measured.metrics["miou"] == pytest.approx(result.metrics["miou"], abs=0.05)


def test_a_round_keeps_the_shares_of_the_classes_unless_asked_not_to(field, target, tmp_path):
    made, stages = {}, {}
    for name in ("source", "trained"):
        out = str(tmp_path / f"{name}.nirlora")
        card, made[name] = read_bundle(
            nirlora.train(
                request_for(field, target, class_shares=name, rounds=1, steps_per_epoch=20, out=out)
            ).model
        )
        stages[name] = card.training["adaptation"]["stages"]
    assert all("biases" not in stage for stage in stages["trained"])
    first, last = (stage["said"] for stage in stages["source"])
    assert max(first) < 0.95  # or nothing would be shown
    assert last == pytest.approx(first, abs=0.02)
    assert not same(made["source"], made["trained"])


def test_without_rounds_it_is_the_model_of_the_warm_up(field, target, tmp_path):
    def at_round(message):
        if message.stage == "round 1":
            raise nirlora.JobCancelled

    cut = nirlora.train(request_for(field, target, out=str(tmp_path / "cut.nirlora")), at_round)
    result = nirlora.train(request_for(field, target, rounds=TrainRequest(layers=()).rounds, report=True))
    assert result.stopped == ""
    assert "<h2>Stages</h2>" in Path(result.report).read_text(encoding="utf-8")
    assert same(weights(result.model), weights(cut.model))
    (stage,) = read_bundle(result.model)[0].training["adaptation"]["stages"]
    assert stage["name"] == "warm-up"


def test_labels_of_the_target_change_nothing_but_the_scores(field, target, tmp_path):
    blind = nirlora.train(request_for(field, target, out=str(tmp_path / "blind.nirlora")))
    seen = nirlora.train(scored(request_for(field, target, out=str(tmp_path / "seen.nirlora")), target))
    assert same(weights(blind.model), weights(seen.model))
    assert blind.metrics["of"] == "source"
    assert blind.metrics["verdict"].startswith("Of the source, not of the target: ")
    assert any("nothing is known of the target" in w for w in blind.warnings)
    assert not any("nothing is known" in w for w in seen.warnings)


def test_labels_that_lie_beside_the_target_are_not_looked_for(field, target, tmp_path):
    (tmp_path / "target_training.gpkg").write_bytes(target.labels.read_bytes())
    result = nirlora.train(request_for(field, target, epochs=1, rounds=1))
    assert result.metrics["of"] == "source"
    assert read_bundle(result.model)[0].training["adaptation"]["target"][0]["labels"] == ""


@pytest.mark.parametrize(
    ("stabiliser", "stage", "step"),
    [
        ("lora", "warm-up", 4),
        ("lora", "round 2", 6),
        pytest.param("ema", "round 1", 2, marks=pytest.mark.slow),
        ("lora+ema", "round 1", 2),
    ],
)
def test_stopped_anywhere_it_resumes_to_the_same_model(field, target, tmp_path, stabiliser, stage, step):
    options = {"stabiliser": stabiliser, "min_confidence": 0.5}
    whole = nirlora.train(request_for(field, target, out=str(tmp_path / "whole.nirlora"), **options))
    request = request_for(field, target, out=str(tmp_path / "cut.nirlora"), **options)
    cut = nirlora.train(request, stop_at(stage, step))
    assert cut.stopped == "cancelled"
    assert Path(f"{cut.model}.checkpoint").exists()
    resumed = nirlora.train(replace(request, resume=True))
    assert resumed.stopped == ""
    assert same(weights(resumed.model), weights(whole.model))
    stages = [read_bundle(run.model)[0].training["adaptation"]["stages"] for run in (resumed, whole)]
    for here, there in zip(*stages, strict=True):
        assert here | {"seconds": 0} == there | {"seconds": 0}
    assert not Path(f"{cut.model}.checkpoint").exists()


def test_stopped_in_a_round_the_last_whole_stage_is_the_result(field, target, tmp_path):
    request = request_for(field, target)
    early, late = (
        weights(
            nirlora.train(replace(request, out=str(tmp_path / f"{n}.nirlora")), stop_at("round 1", n)).model
        )
        for n in (1, 5)
    )
    assert same(early, late)


def test_cancelled_before_the_first_step_leaves_nothing(field, target, tmp_path):
    def at_once(message):
        raise nirlora.JobCancelled

    before = sorted(tmp_path.iterdir())
    with pytest.raises(nirlora.JobCancelled):
        nirlora.train(request_for(field, target), at_once)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_broken_and_resume_goes_on(field, target, tmp_path):
    out = tmp_path / "killed.nirlora"
    request = request_for(field, target, out=str(out), epochs=40, steps_per_epoch=2)
    code = (
        "import json, sys, nirlora\n"
        "from nirlora.protocol import TrainRequest, from_dict\n"
        "request = from_dict(TrainRequest, json.loads(sys.argv[1]))\n"
        "nirlora.train(request, lambda p: print(p.message, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(to_dict(request))],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    for line in process.stdout:
        if line.startswith("step") and int(line.split()[1].split("/")[0]) >= 9:
            break
    time.sleep(0.03)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not out.exists()
    steps = []

    def say(message):
        if message.stage == "warm-up":
            steps.append(int(message.message.split()[1].split("/")[0]))
            if len(steps) == 3:
                raise nirlora.JobCancelled

    result = nirlora.train(replace(request, resume=True), say)
    assert steps[0] > 7  # went on from a checkpoint, not from the start
    assert read_bundle(result.model)[0].training["steps"] == steps[-1]


def test_a_time_limit_is_shared_by_all_stages(field, target):
    seen = []
    request = request_for(field, target, epochs=10_000, max_seconds=6.0)
    result = nirlora.train(request, lambda p: seen.append((p.stage, p.fraction)))
    assert result.stopped == "max-seconds"
    stages = read_bundle(result.model)[0].training["adaptation"]["stages"]
    assert [stage["name"] for stage in stages] == ["warm-up", "round 1", "round 2"]
    assert all(stage["steps"] for stage in stages)
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert list(dict.fromkeys(stage for stage, _ in seen)) == [
        "prepare",
        "warm-up",
        "pseudo-labels 1",
        "round 1",
        "pseudo-labels 2",
        "round 2",
        "target map",
    ]


def test_the_report_shows_stages_and_how_steady_they_were(field, target):
    result = nirlora.train(scored(request_for(field, target, report=True), target))
    page = Path(result.report).read_text(encoding="utf-8")
    for words in ("<h2>Stages</h2>", "pseudo-labels that flipped", "round 2", "target mIoU", "lora"):
        assert words in page
    assert "The dot marks the best epoch" not in page
    assert "--target-layer" in page
    assert result.metrics["verdict"].replace("'", "&#39;") in page
    assert page.count("data:image/png") == 7  # two looks of three pictures, and the curves


def test_a_plan_counts_all_stages_and_writes_nothing(field, target, tmp_path):
    request = scored(request_for(field, target), target)
    before = sorted(tmp_path.iterdir())
    plans = {name: nirlora.plan(replace(request, stabiliser=name)) for name in STABILISERS}
    assert sorted(tmp_path.iterdir()) == before
    plan = plans["lora"]
    assert (plan["stages"], plan["steps"], plan["teacher"]) == (3, 18, False)
    assert plan["target"][0]["pixels_looked_at"] == target.truth.size
    result = nirlora.train(request)
    assert plan["trainable_parameters"] == result.trainable_parameters
    assert plan["total_parameters"] == result.total_parameters
    assert plans["ema"]["trainable_parameters"] == plans["ema"]["total_parameters"]
    assert plans["ema"]["teacher"]


@pytest.mark.slow
def test_swin_and_the_published_head_and_a_binary_model_work_too(field, target, tmp_path):
    """For function only: Swin starts random."""
    request = request_for(
        field,
        target,
        backbone="swin-tiny",
        head="uper",
        chip_px=32,
        zoom=1.0,
        epochs=1,
        steps_per_epoch=1,
        rounds=1,
        positive_class="tree",
        discriminator="class",
        round_start="continue",
        min_confidence=0.4,
    )
    result = nirlora.train(request)
    card, _ = read_bundle(result.model)
    assert (card.model.backbone, card.model.head, card.model.num_classes) == ("swin-tiny", "uper", 1)
    assert 0 <= card.training["adaptation"]["stages"][0]["kept"] <= 1
    drawn = nirlora.segment(SegmentRequest(layer=LayerRef(str(target.raster)), model=result.model))
    assert [area.name for area in drawn.areas] == ["other", "tree"]


def test_values_of_another_scale_need_the_targets_own_range(field, target, tmp_path):
    with open_raster(str(target.raster)) as file:
        data = file.read(file.window, [1])[0]
    darker = make_raster(
        tmp_path / "darker.tif", (data // 40).astype("uint16"), descriptions=("NIR",), nodata=0
    )
    other = replace(target, raster=darker)
    with pytest.raises(MismatchError) as caught:
        nirlora.train(request_for(field, other, target_values="source"))
    assert "--target-values own" in caught.value.hint
    result = nirlora.train(request_for(field, other, epochs=1, rounds=1))
    card, _ = read_bundle(result.model)
    (channel,) = card.transform["channels"]
    low, high = np.percentile(data // 40, (2, 98))
    assert (channel["low"], channel["high"]) == pytest.approx((low, high), rel=0.02)
    assert nirlora.segment(SegmentRequest(layer=LayerRef(str(darker)), model=result.model)).warnings == ()


def test_with_the_sources_range_the_model_keeps_the_sources_transform(field, target, tmp_path):
    plain = nirlora.train(
        replace(request_for(field, target), target_layers=(), out=str(tmp_path / "plain.nirlora"))
    )
    result = nirlora.train(request_for(field, target, target_values="source", epochs=1, rounds=1))
    assert read_bundle(result.model)[0].transform == read_bundle(plain.model)[0].transform


def test_what_cannot_be_a_target_is_refused_before_any_work(field, target, tmp_path):
    before = sorted(tmp_path.iterdir())
    bands = make_raster(tmp_path / "red.tif", np.ones((1, 40, 40), "uint8"), descriptions=("Red",))
    empty = make_raster(
        tmp_path / "empty.tif", np.zeros((1, 40, 40), "uint16"), descriptions=("NIR",), nodata=0
    )
    for raster, kind in ((tmp_path / "no.tif", RasterError), (bands, BandsError), (empty, RasterError)):
        with pytest.raises(kind):
            nirlora.train(request_for(field, replace(target, raster=raster)))
    with pytest.raises(LabelsError):
        nirlora.train(
            replace(
                request_for(field, target),
                target_layers=(LayerRef(str(target.raster), str(tmp_path / "no.gpkg")),),
            )
        )
    with pytest.raises(OptionError, match="both a source and a target"):
        nirlora.train(request_for(field, field))
    assert sorted({*before, bands, empty}) == sorted(tmp_path.iterdir())


def test_resuming_with_another_stabiliser_is_refused(field, target):
    request = request_for(field, target)
    nirlora.train(request, stop_at("warm-up", 4))
    with pytest.raises(ModelError, match="other settings"):
        nirlora.train(replace(request, resume=True, stabiliser="lora+ema"))


def test_a_checkpoint_that_cannot_be_written_warns_once_and_the_training_goes_on(field, target, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("nirlora.training.checkpoint.save_file", full)
    result = nirlora.train(request_for(field, target))
    (warning,) = [w for w in result.warnings if "checkpoint" in w]
    assert "No space left on device" in warning
