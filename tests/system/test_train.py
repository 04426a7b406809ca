"""Trainings from request to model file, on a tiny field and a small ViT with random weights."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_field import make_field

import nirlora
from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.errors import LabelsError, ModelError, OptionError, OutputError, RasterError
from nirlora.models.bundle import read_bundle
from nirlora.protocol import EvaluateRequest, LayerRef, SegmentRequest, TrainRequest
from nirlora.raster.source import open_raster


@pytest.fixture
def field(tmp_path):
    return make_field(tmp_path)


def request_for(field, **changes):
    base = TrainRequest(
        layers=(LayerRef(str(field.raster)),),
        backbone="vit-demo",
        pretrained=False,
        adapter="full",
        chip_px=32,
        batch=4,
        epochs=2,
        steps_per_epoch=5,
        val_fraction=0.3,
        device="cpu",
        report=False,
    )
    return replace(base, **changes)


def weights(path):
    return read_bundle(path)[1]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stop_at(step):
    def progress(message):
        if message.stage == "train" and message.message.startswith(f"step {step}/"):
            raise nirlora.JobCancelled

    return progress


def test_it_learns_a_field_and_maps_it_where_it_is(field):
    result = nirlora.train(request_for(field, epochs=5, steps_per_epoch=25, report=True))
    assert [c.name for c in result.classes] == ["crop", "soil", "tree"]
    assert result.metrics["miou"] > 0.9
    assert "fewer than some tens are weak evidence" in result.metrics["verdict"]
    assert "flatter" in result.metrics["verdict"]
    assert result.report.endswith("field_report.html")
    drawn = nirlora.segment(SegmentRequest(layer=LayerRef(str(field.raster)), model=result.model))
    with open_raster(drawn.map) as file:
        data, valid = file.read(file.window, [1])
    assert valid.all()
    assert (data[0] == field.truth).mean() > 0.95
    assert sum(a.hectares for a in drawn.areas) == pytest.approx(96 * 144 / 1e4, rel=2e-3)
    scores = nirlora.evaluate(
        EvaluateRequest(layer=LayerRef(str(field.raster), str(field.labels)), model=result.model)
    )
    assert scores.metrics["miou"] > 0.9


def test_a_cancelled_training_keeps_its_model_and_resumes_to_the_same_weights(field, tmp_path):
    whole = nirlora.train(request_for(field, out=str(tmp_path / "whole.nirlora")))
    request = request_for(field, out=str(tmp_path / "cut.nirlora"))
    cut = nirlora.train(request, stop_at(7))
    assert cut.stopped == "cancelled"
    assert read_bundle(cut.model)[0].training["steps"] == 7
    assert (tmp_path / "cut.nirlora.checkpoint").exists()
    resumed = nirlora.train(replace(request, resume=True))
    assert resumed.stopped == ""
    assert same(weights(resumed.model), weights(whole.model))
    assert resumed.metrics == whole.metrics
    assert not (tmp_path / "cut.nirlora.checkpoint").exists()


def test_cancelled_before_the_first_step_leaves_nothing(field, tmp_path):
    def at_once(message):
        raise nirlora.JobCancelled

    before = sorted(tmp_path.iterdir())
    with pytest.raises(nirlora.JobCancelled):
        nirlora.train(request_for(field), at_once)
    assert sorted(tmp_path.iterdir()) == before


def test_stopped_at_the_report_the_model_is_there_and_said_to_be(field, tmp_path):
    def at_the_report(message):
        if message.stage == "report":
            raise nirlora.JobCancelled

    result = nirlora.train(request_for(field, epochs=1, report=True), at_the_report)
    assert read_bundle(result.model)[0].training["steps"] == 5
    assert result.report == ""
    assert "Stopped before the report was written." in result.warnings
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_checkpoint_that_cannot_be_written_warns_once_and_the_training_goes_on(field, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("nirlora.training.checkpoint.save_file", full)
    result = nirlora.train(request_for(field, epochs=4, steps_per_epoch=25))
    assert result.metrics["miou"] > 0.8
    (warning,) = [w for w in result.warnings if "checkpoint" in w]
    assert "No space left on device" in warning
    assert read_bundle(result.model)[0].training["warnings"] == list(result.warnings)


@pytest.mark.parametrize("val_fraction", [0.0, 0.3])
def test_cancelled_between_epochs_the_last_step_counts_where_nothing_is_held_out(
    field, tmp_path, val_fraction
):
    """With held-out polygons the best epoch stays: it is the one that the scores belong to."""
    options = {"val_fraction": val_fraction, "epochs": 4, "steps_per_epoch": 5}
    runs = {
        step: nirlora.train(
            request_for(field, out=str(tmp_path / f"{step}.nirlora"), **options), stop_at(step)
        )
        for step in (6, 9)
    }
    sixth, ninth = (weights(run.model) for run in runs.values())
    assert same(sixth, ninth) == (val_fraction > 0)
    if val_fraction:
        assert runs[9].metrics == runs[6].metrics


def test_nothing_to_resume_from_is_said(field):
    result = nirlora.train(request_for(field, epochs=1, resume=True))
    assert any("no field.nirlora.checkpoint to resume from" in w for w in result.warnings)
    assert "resume" not in " ".join(nirlora.train(request_for(field, epochs=1)).warnings)


def test_killed_at_any_moment_nothing_is_broken_and_resume_goes_on(field, tmp_path):
    out = tmp_path / "killed.nirlora"
    request = request_for(field, out=str(out), epochs=200, steps_per_epoch=2)
    code = (
        "import json, sys, nirlora\n"
        "from nirlora.protocol import TrainRequest, from_dict\n"
        "def say(p):\n"
        "    if p.stage == 'train': print(p.message, flush=True)\n"
        "nirlora.train(from_dict(TrainRequest, json.loads(sys.argv[1])), say)\n"
    )
    from nirlora.protocol import to_dict

    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(to_dict(request))],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    for line in process.stdout:
        if int(line.split()[1].split("/")[0]) >= 9:
            break
    time.sleep(0.03)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not out.exists()
    steps = []

    def say(message):
        if message.stage == "train":
            steps.append(int(message.message.split()[1].split("/")[0]))
            if len(steps) == 4:
                raise nirlora.JobCancelled

    result = nirlora.train(replace(request, resume=True), say)
    assert steps[0] > 8  # went on from a checkpoint, not from the start
    assert read_bundle(result.model)[0].training["steps"] == steps[-1]


def test_resuming_with_other_settings_is_refused(field):
    request = request_for(field)
    nirlora.train(request, stop_at(7))
    with pytest.raises(ModelError, match="other settings"):
        nirlora.train(replace(request, resume=True, rank=8, adapter="lora"))


def test_a_time_limit_ends_the_training_with_a_model(field):
    result = nirlora.train(request_for(field, epochs=10_000, max_seconds=3.0))
    assert result.stopped == "max-seconds"
    assert result.metrics["miou"] is not None


def test_patience_ends_it_when_nothing_improves(field):
    result = nirlora.train(request_for(field, epochs=50, steps_per_epoch=1, learning_rate=1e-12, patience=2))
    assert result.stopped == "patience"


def test_one_seed_one_model(field, tmp_path):
    a = nirlora.train(request_for(field, out=str(tmp_path / "a.nirlora")))
    b = nirlora.train(request_for(field, out=str(tmp_path / "b.nirlora")))
    other = nirlora.train(request_for(field, out=str(tmp_path / "c.nirlora"), seed=1))
    assert same(weights(a.model), weights(b.model))
    assert not same(weights(a.model), weights(other.model))


def test_a_positive_class_makes_a_binary_model_with_one_logit(field):
    result = nirlora.train(request_for(field, positive_class="tree", epochs=3, steps_per_epoch=20))
    assert [c.name for c in result.classes] == ["other", "tree"]
    assert read_bundle(result.model)[0].model.num_classes == 1
    drawn = nirlora.segment(SegmentRequest(layer=LayerRef(str(field.raster)), model=result.model))
    with open_raster(drawn.map) as file:
        data, _ = file.read(file.window, [1])
    assert ((data[0] == 1) == (field.truth == 2)).mean() > 0.95


def test_a_positive_class_may_be_called_other(field, tmp_path):
    boxes = [
        (pixel_box(grid_transform(), 16 * i + 3, 9, 9, 9), {"class": ("crop", "soil", "other")[i % 3]})
        for i in range(9)
    ]
    labels = make_polygons(tmp_path / "o.gpkg", boxes)
    layers = (LayerRef(str(field.raster), str(labels)),)
    made = nirlora.plan(request_for(field, layers=layers, positive_class="other"))
    assert [c["name"] for c in made["classes"]] == ["rest", "other"]
    assert all(c["train_pixels"] for c in made["classes"])


def test_several_rasters_make_one_training_set(field, tmp_path):
    other = tmp_path / "second"
    other.mkdir()
    second = make_field(other, seed=1, rows=64)
    layers = (LayerRef(str(field.raster)), LayerRef(str(second.raster), str(second.labels)))
    made = nirlora.plan(request_for(field, layers=layers))
    alone = nirlora.plan(request_for(field))
    for both, one in zip(made["classes"], alone["classes"], strict=True):
        pixels = both["train_pixels"] + both["val_pixels"]
        assert pixels > one["train_pixels"] + one["val_pixels"]
    result = nirlora.train(request_for(field, layers=layers))
    assert [entry["path"] for entry in read_bundle(result.model)[0].training["layers"]] == [
        str(field.raster),
        str(second.raster),
    ]


def test_a_plan_says_what_training_does_and_writes_nothing(field, tmp_path):
    before = sorted(tmp_path.iterdir())
    made = nirlora.plan(request_for(field))
    assert sorted(tmp_path.iterdir()) == before
    result = nirlora.train(request_for(field))
    assert made["trainable_parameters"] == result.trainable_parameters
    assert made["total_parameters"] == result.total_parameters
    assert made["steps"] == 10
    assert sum(c["train_pixels"] + c["val_pixels"] for c in made["classes"]) == 27 * 81
    assert {c["name"] for c in made["classes"]} == {"crop", "soil", "tree"}


@pytest.mark.parametrize(
    ("backbone", "adapter", "trainable", "total"),
    [
        ("vit-base", "lora", 6_770_433, 92_569_089),
        ("vit-large", "lora", 8_916_737, 312_218_369),
        ("vit-base", "full", 92_421_633, 92_421_633),
        ("vit-large", "full", 311_825_153, 311_825_153),
    ],
)
def test_the_lora_nir_preset_has_the_published_counts(tmp_path, backbone, adapter, trainable, total):
    """Ulku et al.: 92.67 % (B/16) and 97.14 % (L/16) fewer trainable parameters than full fine-tuning."""
    bands = np.random.default_rng(0).integers(500, 5000, (3, 64, 64)).astype("uint16")
    raster = make_raster(tmp_path / "f.tif", bands, descriptions=("red edge", "nir", "nir2"))
    boxes = [
        (pixel_box(grid_transform(), 10 * i, 10 * j, 8, 8), {"class": ("crop", "soil")[(i + j) % 2]})
        for i in range(6)
        for j in range(6)
    ]
    make_polygons(tmp_path / "f.gpkg", boxes)
    request = TrainRequest(
        layers=(LayerRef(str(raster)),),
        bands="rededge,nir,nir2",
        backbone=backbone,
        preset="lora-nir",
        positive_class="crop",
        device="cpu",
    )
    made = nirlora.plan(request)
    if adapter == "lora":
        assert made["adapter_parameters"] == {"vit-base": 147_456, "vit-large": 393_216}[backbone]
        assert made["head_parameters"] == {"vit-base": 6_622_977, "vit-large": 8_523_521}[backbone]
        assert (made["chip_px"], made["input_px"]) == (224, 224)
    else:
        made = nirlora.plan(replace(request, preset="", head="aspp", adapter="full"))
    assert made["trainable_parameters"] == trainable
    assert made["total_parameters"] == total


def test_missing_labels_name_both_places_looked_at(field, tmp_path):
    field.labels.unlink()
    with pytest.raises(LabelsError, match=r"field_training\.gpkg and field\.gpkg") as caught:
        nirlora.train(request_for(field))
    assert "--labels" in caught.value.hint


def test_one_class_is_refused_because_unlabelled_is_not_background(field, tmp_path):
    boxes = [(pixel_box(grid_transform(), 5, 5, 9, 9), {"class": "crop"})]
    lone = make_polygons(tmp_path / "lone.gpkg", boxes)
    with pytest.raises(LabelsError, match="Only one class"):
        nirlora.train(request_for(field, layers=(LayerRef(str(field.raster), str(lone)),)))


def test_impossible_outputs_and_options_are_refused_before_any_work(field, tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        nirlora.train(request_for(field, out=str(tmp_path / "nowhere" / "m.nirlora")))
    (tmp_path / "field.nirlora").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        nirlora.train(request_for(field, overwrite=False))
    assert (tmp_path / "field.nirlora").read_bytes() == b"mine"
    (tmp_path / "field.nirlora").unlink()
    (tmp_path / "field_report.html").write_text("mine")
    with pytest.raises(OutputError, match=r"field_report\.html exists"):
        nirlora.train(request_for(field, overwrite=False, report=True))
    (tmp_path / "field.nirlora.part").write_bytes(b"of a training that runs now")
    nirlora.plan(request_for(field))
    assert (tmp_path / "field.nirlora.part").exists()
    with pytest.raises(OptionError):
        nirlora.train(request_for(field, adapter="nonsense"))
    with pytest.raises(OptionError):
        nirlora.train(request_for(field, batch=0))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": -1}, "--seed"),
        ({"seed": 2**70}, "--seed"),
        ({"alpha": float("nan")}, "--alpha"),
        ({"zoom": 1e-9}, "--zoom"),
        ({"zoom": 1000.0}, "--zoom"),
        ({"chip_px": 10**6}, "--chip-px"),
        ({"point_buffer_m": float("nan")}, "--point-buffer-m"),
        ({"rank": 5000, "adapter": "lora"}, "rank is 5000"),
        ({"head": "aspp", "aspp_rates": ()}, "ASPP"),
        ({"head": "aspp", "aspp_rates": (0,)}, "ASPP"),
        ({"reflectance_scale": 0.0}, "positive scale"),
        ({"reflectance_scale": -1.0}, "positive scale"),
        ({"reflectance_offset": float("nan")}, "positive scale and a number"),
    ],
)
def test_a_plan_refuses_the_numbers_that_training_could_not_use(field, changes, said):
    with pytest.raises(OptionError, match=said):
        nirlora.plan(request_for(field, **changes))


def test_an_empty_path_is_no_raster(field):
    with pytest.raises(RasterError):
        nirlora.plan(request_for(field, layers=(LayerRef(""),)))
