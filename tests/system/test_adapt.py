"""Adapting a backbone from request to file, on a tiny field and a small ViT with random weights."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_field import make_field

import nirlora
from data.make_data import make_raster
from nirlora.errors import (
    BandsError,
    DeviceError,
    MismatchError,
    ModelError,
    NirLoraError,
    OptionError,
    OutputError,
    RasterError,
    WeightsUnavailable,
)
from nirlora.info import describe
from nirlora.models.backbone_file import read_backbone
from nirlora.models.backbones import build_backbone
from nirlora.models.bundle import read_bundle
from nirlora.protocol import AdaptRequest, LayerRef, SegmentRequest, TrainRequest, to_dict
from nirlora.raster.source import open_raster
from support import shared_data


@pytest.fixture
def field(tmp_path):
    return make_field(tmp_path)


def request_for(field, **changes) -> AdaptRequest:
    base = AdaptRequest(
        layers=(LayerRef(str(field.raster)),),
        backbone="vit-demo",
        pretrained=False,
        chip_px=32,
        batch=4,
        steps=8,
        prototypes=64,
        local_crops=2,
        device="cpu",
        report=False,
    )
    return replace(base, **changes)


def state_of(result) -> dict[str, torch.Tensor]:
    return read_backbone(result.backbone)[1]


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stop_at(step: int):
    def progress(message):
        if message.stage == "adapt" and message.message.startswith(f"step {step}/"):
            raise nirlora.JobCancelled

    return progress


@pytest.mark.parametrize("objective", ["mae", "dino"])
def test_the_result_is_a_plain_network_that_remembers_what_it_saw(field, objective):
    result = nirlora.adapt(request_for(field, objective=objective))
    assert result.backbone == str(field.raster.with_name("field.nirlora-backbone"))
    assert (result.objective, result.channels, result.steps, result.stopped) == (objective, ("nir",), 8, "")
    assert result.trainable_parameters == result.total_parameters  # random weights: everything trains
    card, state = read_backbone(result.backbone)
    plain = build_backbone("vit-demo")
    plain.set_channels(("nir",))
    assert state.keys() == plain.net.state_dict().keys()
    assert (card.backbone, card.roles, card.mean, card.std) == ("vit-demo", ("nir",), (0.5,), (0.5,))
    (run,) = card.history
    assert run["start"] == {"backbone": "vit-demo", "source": "random weights", "sha256": "", "revision": ""}
    assert run["rasters"][0]["path"] == str(field.raster)
    assert run["rasters"][0]["crs"] == "EPSG:32633"
    assert (run["objective"], run["unfreeze"], run["steps"], run["chips"]) == (objective, "all", 8, 32)
    assert run["losses"] == result.losses
    assert card.transform["channels"][0]["median"] == pytest.approx(5000, abs=300)
    facts = describe(result.backbone)
    assert (facts["kind"], facts["backbone"], facts["adapted_to"]) == ("backbone", "vit-demo", ["nir"])
    assert facts["history"][0]["rasters"] == [str(field.raster)]


def test_mae_learns_to_draw_what_is_hidden(field, tmp_path):
    rows, cols = np.mgrid[0:96, 0:96]
    waves = (5000 + 2000 * np.sin(rows / 5) + 2000 * np.sin(cols / 9)).astype("uint16")
    layers = (LayerRef(str(make_raster(tmp_path / "w.tif", waves, descriptions=("NIR",)))),)
    result = nirlora.adapt(request_for(field, layers=layers, steps=80, learning_rate=2e-3, batch=8))
    first, last = (result.losses[end]["loss"] for end in ("first", "last"))
    assert last < 0.98 < first  # 1 is the error of drawing every patch in its mean


def test_a_model_on_it_trains_segments_and_opens_anywhere(field, tmp_path):
    adapted = nirlora.adapt(request_for(field, out=str(tmp_path / "b")))
    assert adapted.backbone.endswith("b.nirlora-backbone")
    trained = nirlora.train(
        TrainRequest(
            layers=(LayerRef(str(field.raster)),),
            backbone=adapted.backbone,
            head="linear",
            chip_px=32,
            epochs=1,
            steps_per_epoch=3,
            val_fraction=0.0,
            device="cpu",
            report=False,
        )
    )
    card = read_bundle(trained.model)[0]
    assert card.model.backbone_source == adapted.backbone
    assert card.backbone_sha256 == describe(adapted.backbone)["sha256"]
    assert card.model.pretrained
    assert [run["steps"] for run in card.training["backbone_history"]] == [8]
    assert describe(trained.model)["backbone_adapted_to"] == ["nir"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    model = Path(trained.model).rename(elsewhere / "m.nirlora")
    Path(adapted.backbone).unlink()
    drawn = nirlora.segment(SegmentRequest(layer=LayerRef(str(field.raster)), model=str(model)))
    with open_raster(drawn.map) as file:
        assert file.read(file.window, [1])[1].all()


def test_channels_that_are_new_to_the_backbone_are_said(field, tmp_path):
    adapted = nirlora.adapt(request_for(field, out=str(tmp_path / "b")))
    with open_raster(field.raster) as file:
        nir = file.read(file.window, [1])[0][0]
    both = make_raster(tmp_path / "both.tif", np.stack([nir, nir]), descriptions=("Red", "NIR"), nodata=0)
    request = TrainRequest(
        layers=(LayerRef(str(both), str(field.labels)),), backbone=adapted.backbone, bands="nir,red",
        chip_px=32, device="cpu",
    )  # fmt: skip
    (warning,) = [w for w in nirlora.plan(request)["warnings"] if "adapted" in w]
    assert warning == "The backbone b.nirlora-backbone was adapted to nir; red is new to it."


def test_going_on_with_an_adapted_backbone_keeps_its_history(field, tmp_path):
    first = nirlora.adapt(request_for(field, out=str(tmp_path / "one")))
    second = nirlora.adapt(
        request_for(field, backbone=first.backbone, pretrained=True, out=str(tmp_path / "two"), rank=4)
    )
    card = read_backbone(second.backbone)[0]
    assert [run["unfreeze"] for run in card.history] == ["all", "last"]
    assert card.history[1]["start"]["source"] == first.backbone
    assert card.history[1]["start"]["sha256"] == describe(first.backbone)["sha256"]
    assert card.history[1]["patch_embedding"] == "frozen"  # its channels are not new to it
    assert [(run["rank"], run["alpha"]) for run in card.history] == [(0, 0.0), (4, 1.0)]  # all: no LoRA
    whole = replace(request_for(field, backbone=first.backbone, pretrained=True), unfreeze="all")
    assert nirlora.plan_adaptation(whole)["patch_embedding"] == "train"
    before, after = state_of(first), state_of(second)
    assert torch.equal(before["patch_embed.proj.weight"], after["patch_embed.proj.weight"])
    assert torch.equal(before["pos_embed"], after["pos_embed"])
    assert torch.equal(before["blocks.0.mlp.fc1.weight"], after["blocks.0.mlp.fc1.weight"])
    assert not torch.equal(before["blocks.3.mlp.fc1.weight"], after["blocks.3.mlp.fc1.weight"])
    key = slice(128, 256)
    changed = "blocks.0.attn.qkv.weight"
    assert torch.equal(before[changed][key], after[changed][key])  # LoRA on q and v alone
    assert not torch.equal(before[changed], after[changed])


@pytest.mark.parametrize("objective", ["mae", "dino"])
def test_cancelled_it_keeps_what_is_there_and_resumes_to_the_same_weights(field, tmp_path, objective):
    options = {"objective": objective, "unfreeze": "last", "rank": 4, "accumulate": 2, "steps": 6}
    whole = nirlora.adapt(request_for(field, out=str(tmp_path / "whole"), **options))
    request = request_for(field, out=str(tmp_path / "cut"), **options)
    cut = nirlora.adapt(request, stop_at(4))
    assert (cut.stopped, cut.steps) == ("cancelled", 4)
    assert not same(state_of(cut), state_of(whole))
    checkpoint = tmp_path / "cut.nirlora-backbone.checkpoint"
    assert checkpoint.exists()
    resumed = nirlora.adapt(replace(request, resume=True))
    assert (resumed.stopped, resumed.steps) == ("", 6)
    assert same(state_of(resumed), state_of(whole))
    assert not checkpoint.exists()


def test_killed_at_any_moment_it_resumes_to_the_same_weights(field, tmp_path):
    request = request_for(field, out=str(tmp_path / "killed"), steps=14, objective="dino")
    code = (
        "import json, sys, nirlora\n"
        "import nirlora.adaptation.run as run\n"
        "from dataclasses import replace\n"
        "from nirlora.protocol import AdaptRequest, from_dict\n"
        "whole = run.LoopConfig\n"
        "run.LoopConfig = lambda **k: whole(checkpoint_every_s=0.0, **k)\n"
        "def say(p):\n"
        "    print(p.message, flush=True)\n"
        "nirlora.adapt(from_dict(AdaptRequest, json.loads(sys.argv[1])), say)\n"
    )
    line = [sys.executable, "-c", code, json.dumps(to_dict(request))]
    threads = str(torch.get_num_threads())  # their number decides in which order sums are taken
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for text in process.stdout:
            if text.startswith("step 6/"):
                break
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed.nirlora-backbone").exists()
    steps = []

    def say(message):
        if message.stage == "adapt":
            steps.append(int(re.findall(r"\d+", message.message)[0]))

    resumed = nirlora.adapt(replace(request, resume=True), say)
    assert steps[0] > 3  # from a checkpoint, not from the start
    whole = nirlora.adapt(replace(request, out=str(tmp_path / "whole")))
    assert same(state_of(resumed), state_of(whole))


def test_resuming_with_other_settings_or_nothing_to_resume(field):
    request = request_for(field)
    nirlora.adapt(request, stop_at(3))
    with pytest.raises(ModelError, match="other settings"):
        nirlora.adapt(replace(request, resume=True, mask_ratio=0.5))
    fresh = nirlora.adapt(request_for(field, resume=True, out=str(field.raster.with_name("new")), steps=1))
    assert any("no new.nirlora-backbone.checkpoint to resume from" in w for w in fresh.warnings)


def test_cancelled_before_the_first_step_leaves_nothing(field, tmp_path):
    def at_once(message):
        raise nirlora.JobCancelled

    before = sorted(tmp_path.iterdir())
    with pytest.raises(nirlora.JobCancelled):
        nirlora.adapt(request_for(field), at_once)
    assert sorted(tmp_path.iterdir()) == before


def test_a_time_limit_ends_it_with_a_backbone(field):
    result = nirlora.adapt(request_for(field, steps=100_000, max_seconds=2.0))
    assert result.stopped == "max-seconds"
    assert 0 < result.steps < 100_000
    assert torch.isfinite(state_of(result)["norm.weight"]).all()


def test_a_loss_that_is_no_number_stops_it_without_a_result(field, tmp_path):
    with pytest.raises(NirLoraError, match="no number any more") as caught:
        nirlora.adapt(request_for(field, learning_rate=100.0, steps=400))
    assert caught.value.code == "diverged"
    assert "--learning-rate" in caught.value.hint
    assert not (tmp_path / "field.nirlora-backbone").exists()


@pytest.mark.parametrize(
    ("objective", "batch", "said"),
    [
        ("dino", 2, "Use a smaller --chip-px, or --device cpu."),
        ("dino", 3, "Use --batch 2 --accumulate 2, a smaller --chip-px, or --device cpu."),
        ("mae", 2, "Use --batch 1 --accumulate 2, a smaller --chip-px, or --device cpu."),
        ("mae", 1, "Use a smaller --chip-px, or --device cpu."),
    ],
)
def test_out_of_memory_names_what_can_be_asked_for(field, monkeypatch, objective, batch, said):
    def full(*_):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr("nirlora.adaptation.run.pretrain", full)
    with pytest.raises(DeviceError, match=f"out of memory with batches of {batch} chips") as caught:
        nirlora.adapt(request_for(field, objective=objective, batch=batch))
    assert caught.value.hint == said


def test_one_seed_one_backbone(field, tmp_path):
    a, b = (nirlora.adapt(request_for(field, out=str(tmp_path / name), steps=3)) for name in "ab")
    other = nirlora.adapt(request_for(field, out=str(tmp_path / "c"), steps=3, seed=1))
    assert same(state_of(a), state_of(b))
    assert not same(state_of(a), state_of(other))


def test_the_report_shows_curves_features_and_history(field, tmp_path):
    result = nirlora.adapt(request_for(field, objective="dino", report=True))
    assert result.report == str(tmp_path / "field_adaptation.html")
    page = (tmp_path / "field_adaptation.html").read_text()
    assert page.count("data:image/png;base64,") == 4  # curves; input, features before and after
    assert "http" not in re.sub(r"data:[^\"]*", "", page)
    assert "nirlora adapt --layer" in page
    assert "random weights" in page
    assert "only a training with labels can say" in page


@pytest.mark.parametrize("objective", ["mae", "dino"])
def test_a_plan_says_what_adapting_does_and_writes_nothing(field, tmp_path, objective):
    before = sorted(tmp_path.iterdir())
    request = request_for(field, objective=objective, unfreeze="1,last", rank=8, steps=0)
    made = nirlora.plan_adaptation(request)
    assert sorted(tmp_path.iterdir()) == before
    json.dumps(made, allow_nan=False)
    result = nirlora.adapt(replace(request, steps=1))
    assert made["trainable_parameters"] == result.trainable_parameters
    assert made["total_parameters"] == result.total_parameters
    assert (made["rasters"], made["channels"], made["unfreeze"]) == (1, ["nir"], "1,last")
    assert made["patch_embedding"] == "train"
    assert made["valid_megapixels"] == pytest.approx(96 * 144 / 1e6, abs=1e-3)
    assert made["steps"] == 338  # 100 passes over 13824 px in batches of 4 chips of 32 x 32 px
    assert any("leaves most of them so" in w for w in made["warnings"])
    assert 0 < made["estimated_seconds"] < 1e4
    assert made["estimated_memory_mb"] > 100
    twice = nirlora.plan_adaptation(replace(request, batch=8))
    assert twice["estimated_memory_mb"] > made["estimated_memory_mb"]


def test_a_folder_stands_for_its_rasters_and_values_must_agree(tmp_path):
    folder = tmp_path / "tiles"
    folder.mkdir()
    for i in range(3):
        make_field(folder, name=f"f{i}", seed=i, rows=64)
    request = request_for(make_field(tmp_path), layers=(LayerRef(str(folder)),), steps=2)
    result = nirlora.adapt(request)
    card = read_backbone(result.backbone)[0]
    assert [r["path"] for r in card.history[0]["rasters"]] == [str(folder / f"f{i}.tif") for i in range(3)]
    values = np.random.default_rng(0).uniform(0.1, 0.6, (64, 64)).astype("float32")
    make_raster(folder / "other.tif", values, descriptions=("NIR",))
    with pytest.raises(MismatchError, match=r"other\.tif"):
        nirlora.adapt(request)


def test_pixels_without_values_are_neither_seen_nor_drawn(tmp_path):
    """Nodata of another huge value must not reach the loss: the result is that of any other nodata value."""
    rng = np.random.default_rng(0)
    values = rng.integers(1000, 9000, (64, 96)).astype("int32")
    hole = rng.random((64, 96)) < 0.02
    hole[:, 60:] = True
    states = []
    for name, nodata in (("a", -9999), ("b", 2_000_000_000)):
        data = np.where(hole, nodata, values).astype("int32")
        make_raster(tmp_path / f"{name}.tif", data, nodata=nodata, descriptions=("NIR",))
        request = AdaptRequest(
            layers=(LayerRef(str(tmp_path / f"{name}.tif")),), backbone="vit-demo", chip_px=32, batch=4,
            steps=3, device="cpu", report=False,
        )  # fmt: skip
        states.append(state_of(nirlora.adapt(request)))
    assert same(*states)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"objective": "simclr"}, OptionError, "--objective"),
        ({"centering": "middle"}, OptionError, "--centering"),
        ({"patch_embedding": "yes"}, OptionError, "--patch-embedding"),
        ({"unfreeze": "9"}, OptionError, "blocks 1 to 4"),
        ({"mask_ratio": 1.0}, OptionError, "--mask-ratio"),
        ({"batch": 1, "objective": "dino"}, OptionError, "at least 2"),
        ({"rank": -1}, OptionError, "--rank"),
        ({"layers": ()}, OptionError, "No raster"),
        ({"layers": (LayerRef("gone.tif"),)}, RasterError, "no file gone.tif"),
        ({"bands": "swir1"}, BandsError, "swir1"),
        ({"backbone": "swin-tiny"}, OptionError, "no plain Vision Transformer"),
        ({"backbone": "no.nirlora-backbone"}, WeightsUnavailable, "no file or folder"),
        ({"out": "/nowhere/b"}, OutputError, "no folder"),
        ({"decoder": "gone.pth"}, WeightsUnavailable, "--decoder"),
        ({"decoder": "gone.pth", "objective": "dino"}, OptionError, "no use for --decoder"),
        ({"unfreeze": "all", "patch_embedding": "freeze"}, OptionError, "forbids --patch-embedding freeze"),
        ({"patch_embedding": "freeze"}, OptionError, "the default with random weights"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(field, tmp_path, changes, error, said):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error) as caught:
        nirlora.adapt(request_for(field, **changes))
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_raster_is_refused(tmp_path):
    empty = make_raster(tmp_path / "e.tif", np.zeros((64, 64), "uint16"), nodata=0, descriptions=("NIR",))
    with pytest.raises(RasterError, match="no valid pixel"):
        nirlora.adapt(AdaptRequest(layers=(LayerRef(str(empty)),), backbone="vit-demo", device="cpu"))


def test_galileo_on_one_channel_and_on_four(tmp_path):
    weights = shared_data("galileo_nano_weights")
    raster = shared_data("micasense_rededge_orchard") / "northup_8cm.tif"
    for bands, trains in (
        ("nir", "trained"),
        ("nir,red,green,blue", "trained"),
        ("red,green,blue", "frozen"),
    ):
        result = nirlora.adapt(
            AdaptRequest(
                layers=(LayerRef(str(raster)),),
                out=str(tmp_path / "g"),
                backbone=f"galileo-nano:p8={weights}",
                bands=bands,
                chip_px=48,
                batch=2,
                steps=2,
                device="cpu",
                report=False,
            )
        )
        card, state = read_backbone(result.backbone)
        assert card.roles == tuple(bands.split(","))
        assert card.history[0]["patch_embedding"] == trains
        assert card.backbone == "galileo-nano:p8"
        assert state["patch_embed.proj.weight"].shape == (128, len(card.roles), 8, 8)
        assert len(card.history[0]["start"]["sha256"]) == 64
