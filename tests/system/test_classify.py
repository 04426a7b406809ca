"""Scene classification of images from request to model file, split, report and CSV."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import nirlora
from classify_sets import KINDS, make_images
from data.make_data import make_raster
from nirlora.errors import (
    InputError,
    LabelsError,
    MismatchError,
    ModelError,
    OptionError,
    OutputError,
    RasterError,
)
from nirlora.models.bundle import read_bundle
from nirlora.protocol import ClassifyPredictRequest, ClassifyTrainRequest, LayerRef
from nirlora.raster.source import open_raster


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return make_images(tmp_path_factory.mktemp("set") / "images")


def request_for(images, folder, **changes):
    base = ClassifyTrainRequest(
        images=str(images),
        out=str(folder / "model.nirlora"),
        backbone="vit-demo",
        pretrained=False,
        adapter="full",
        input_px=32,
        batch=4,
        epochs=2,
        steps_per_epoch=5,
        val_fraction=0.25,
        device="cpu",
        report=False,
    )
    return replace(base, **changes)


def weights(path):
    return read_bundle(path)[1]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stop_at(step, keep=True):
    def progress(message):
        if message.stage == "train" and message.message.startswith(f"step {step}/"):
            raise nirlora.JobCancelled(keep=keep)

    return progress


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return nirlora.classify_train(
        request_for(images, folder, epochs=4, steps_per_epoch=15, batch=8, report=True)
    )


def test_it_learns_and_says_how_well(trained):
    assert [c.name for c in trained.classes] == list(KINDS)
    assert trained.metrics["accuracy"] == 1.0
    assert trained.metrics["confusion"] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert trained.metrics["classes"]["crop"] == {"accuracy": 1.0, "precision": 1.0, "count": 2}
    page = Path(trained.report).read_text(encoding="utf-8")
    assert "100.0 % of 6 held-out images are classified rightly" in page
    assert "would give 33.3 %" in page
    assert page.count('<img src="data:image/png;base64') == 6 + 1  # each held-out image, and the curves
    assert "http" not in page.split("</style>")[-1]


def test_the_split_is_written_and_can_be_used_again(trained, images, tmp_path):
    split = json.loads(Path(trained.split).read_text(encoding="utf-8"))
    assert (split["seed"], split["val_fraction"]) == (0, 0.25)
    assert len(split["train"]) == 18
    assert sorted(split["train"] + split["val"]) == sorted(
        p.relative_to(images).as_posix() for p in images.rglob("*.png")
    )
    assert [sum(name.startswith(kind) for name in split["val"]) for kind in KINDS] == [2, 2, 2]
    chosen = dict(split, train=split["val"], val=split["train"][:3])
    (tmp_path / "own.json").write_text(json.dumps(chosen))
    again = nirlora.classify_train(request_for(images, tmp_path, split=str(tmp_path / "own.json")))
    assert sum(c["count"] for c in again.metrics["classes"].values()) == 3
    written = json.loads(Path(again.split).read_text(encoding="utf-8"))
    assert written["train"] == sorted(split["val"])
    assert written["taken_from"] == str(tmp_path / "own.json")
    assert not {"seed", "val_fraction"} & set(written)
    assert any("15 of 24 are on no side of own.json" in w for w in again.warnings)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no split file"),
        ('{"train": ["a/b.png"]}', "no split file"),
        ('{"train": ["a/b.png"], "val": []}', "names 'a/b.png'"),
        ('{"train": ["bare/bare00.png"], "val": ["bare/bare00.png"]}', "on both sides"),
        ('{"train": [], "val": ["bare/bare00.png"]}', "nothing to train on"),
        ('{"train": ["bare/bare00.png", "crop/crop00.png"], "val": []}', "'wood' has no image to train on"),
    ],
)
def test_split_files_that_cannot_be_used(images, tmp_path, content, words):
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(InputError, match=words):
        nirlora.classify_train(request_for(images, tmp_path, split=str(tmp_path / "s.json")))
    assert [p.name for p in tmp_path.iterdir()] == ["s.json"]


def test_a_cancelled_training_keeps_its_model_and_resumes_to_the_same_weights(images, tmp_path):
    (tmp_path / "whole").mkdir()
    whole = nirlora.classify_train(request_for(images, tmp_path / "whole"))
    cut = nirlora.classify_train(request_for(images, tmp_path), stop_at(7))
    assert cut.stopped == "cancelled"
    assert read_bundle(cut.model)[0].training["steps"] == 7
    assert cut.metrics == {}  # the seventh step's weights have been scored by nobody
    resumed = nirlora.classify_train(request_for(images, tmp_path, resume=True))
    assert resumed.stopped == ""
    assert same(weights(resumed.model), weights(whole.model))
    assert resumed.metrics == whole.metrics
    assert sorted(p.name for p in tmp_path.glob("model*")) == ["model.nirlora", "model_split.json"]


def test_cancelled_before_the_first_step_or_with_nothing_to_keep_leaves_nothing(images, tmp_path):
    def at_once(message):
        raise nirlora.JobCancelled

    for progress in (at_once, stop_at(3, keep=False)):
        with pytest.raises(nirlora.JobCancelled):
            nirlora.classify_train(request_for(images, tmp_path), progress)
        assert not list(tmp_path.iterdir())


def test_other_settings_do_not_resume(images, tmp_path):
    nirlora.classify_train(request_for(images, tmp_path), stop_at(7))
    with pytest.raises(ModelError, match="other settings or data"):
        nirlora.classify_train(request_for(images, tmp_path, resume=True, learning_rate=1e-3))


def test_a_killed_training_resumes_to_the_same_weights(images, tmp_path):
    """SIGKILL in the second epoch: the checkpoint of the first one's end is whole."""
    (tmp_path / "whole").mkdir()
    long = {"epochs": 3, "steps_per_epoch": 20}
    request = request_for(images, tmp_path, **long)
    code = f"import nirlora; from nirlora.protocol import *; nirlora.classify_train({request!r})"
    threads = str(torch.get_num_threads())  # their number decides in which order sums are taken
    killed = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": threads})
    checkpoint = tmp_path / "model.nirlora.checkpoint"
    while not checkpoint.exists() and killed.poll() is None:
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "model.nirlora").exists()
    resumed = nirlora.classify_train(replace(request, resume=True))
    whole = nirlora.classify_train(request_for(images, tmp_path / "whole", **long))
    assert same(weights(resumed.model), weights(whole.model))
    assert resumed.metrics == whole.metrics


def test_patience_keeps_the_best_weights_and_else_the_last(images, tmp_path):
    request = request_for(images, tmp_path, epochs=40, steps_per_epoch=10)
    early = nirlora.classify_train(replace(request, patience=2))  # all is right soon, and cannot get better
    card = read_bundle(early.model)[0]
    assert early.stopped == "patience"
    assert early.metrics["accuracy"] == 1.0
    assert card.training["steps"] == 10 * (card.training["best_epoch"] + 2)
    last = nirlora.classify_train(replace(request, epochs=3, steps_per_epoch=3))
    assert read_bundle(last.model)[0].training["best_epoch"] == 3


def test_a_time_limit_ends_it_and_keeps_a_model(images, tmp_path):
    result = nirlora.classify_train(request_for(images, tmp_path, epochs=10_000, max_seconds=2))
    assert result.stopped == "max-seconds"
    assert result.metrics["accuracy"] is not None


def test_csv_of_a_folder(trained, images, tmp_path):
    result = nirlora.classify_predict(
        ClassifyPredictRequest(
            model=trained.model, images=str(images), out=str(tmp_path / "o.csv"), probabilities=True
        )
    )
    rows = list(csv.DictReader(Path(result.out).read_text(encoding="utf-8").splitlines()))
    assert [row["image"] for row in rows] == sorted(
        p.relative_to(images).as_posix() for p in images.rglob("*.png")
    )
    assert [row["predicted"] for row in rows] == [row["image"].split("/")[0] for row in rows]
    for row in rows:
        p = {kind: float(row[kind]) for kind in KINDS}
        assert sum(p.values()) == pytest.approx(1, abs=1e-5)
        assert float(row["confidence"]) == max(p.values()) == p[row["predicted"]]
    assert result.counts == dict.fromkeys(KINDS, 8)
    assert (result.metrics["accuracy"], result.unclassified) == (1.0, 0)
    assert [w.split(";")[0] for w in result.warnings] == [
        "The model was trained on images of images",
    ]


def test_one_image_and_folders_that_are_no_classes(trained, images, tmp_path):
    one = tmp_path / "field.png"
    shutil.copy(images / "crop" / "crop03.png", one)
    result = nirlora.classify_predict(ClassifyPredictRequest(model=trained.model, images=str(one)))
    assert Path(result.out) == tmp_path / "field_model.csv"
    assert result.counts == {"bare": 0, "crop": 1, "wood": 0}
    assert result.metrics == {}
    (tmp_path / "new" / "monday").mkdir(parents=True)
    shutil.copy(one, tmp_path / "new" / "monday")
    result = nirlora.classify_predict(
        ClassifyPredictRequest(model=trained.model, images=str(tmp_path / "new"))
    )
    assert Path(result.out).read_text().splitlines()[1].startswith("monday/field.png,crop,")


def test_the_batch_does_not_change_the_answer(trained, images, tmp_path):
    answers = []
    for batch in (1, 5, 64):
        out = tmp_path / f"{batch}.csv"
        nirlora.classify_predict(
            ClassifyPredictRequest(model=trained.model, images=str(images), out=str(out), batch=batch)
        )
        rows = [line.split(",") for line in out.read_text().split()[1:]]
        answers.append([(name, kind, round(float(p), 4)) for name, kind, p in rows])
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_formats(tmp_path, suffix):
    images = make_images(tmp_path / "set", count=4, suffix=suffix)
    result = nirlora.classify_train(request_for(images, tmp_path, epochs=1))
    transform = read_bundle(result.model)[0].transform
    assert [c["role"] for c in transform["channels"]] == ["red", "green", "blue"]
    assert {(c["low"], c["high"]) for c in transform["channels"]} == {(0.0, 255.0)}


def test_images_of_16_bits_are_scaled_by_their_range_and_bands_can_be_chosen(tmp_path):
    rng = np.random.default_rng(0)
    for kind, level in (("dark", 800), ("light", 2500)):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for i in range(4):
            data = np.stack([rng.integers(1, 100, (30, 30)), rng.normal(level, 100, (30, 30))]).astype(
                "uint16"
            )
            make_raster(tmp_path / "set" / kind / f"{i}.tif", data, descriptions=("red", "nir"), nodata=0)
    result = nirlora.classify_train(request_for(tmp_path / "set", tmp_path, bands="nir", epochs=3))
    (channel,) = read_bundle(result.model)[0].transform["channels"]
    assert (channel["name"], channel["band"]) == ("nir", 2)
    assert 500 < channel["low"] < 700
    assert 2600 < channel["high"] < 2800
    predicted = nirlora.classify_predict(
        ClassifyPredictRequest(model=result.model, images=str(tmp_path / "set"), out=str(tmp_path / "o.csv"))
    )
    assert predicted.counts == {"dark": 4, "light": 4}


def copies(images, folder, change, suffix=".tif"):
    """The same images with other values."""
    for path in sorted(images.rglob("*.png")):
        with open_raster(str(path)) as source:
            data, _ = source.read(source.window, [1, 2, 3])
        target = folder / path.parent.name / path.with_suffix(suffix).name
        target.parent.mkdir(parents=True, exist_ok=True)
        make_raster(target, change(data), crs=None, photometric="RGB")
    return folder


def predicted(trained, images, out, **changes):
    return nirlora.classify_predict(
        ClassifyPredictRequest(model=trained.model, images=str(images), out=str(out), **changes)
    )


def test_images_of_another_scale_are_refused_and_can_be_rescaled(trained, images, tmp_path):
    """A model of bytes and the same images in 16 bits: all would be white to it."""
    wide = copies(images, tmp_path / "wide", lambda data: data.astype("uint16") * 257)
    with pytest.raises(
        MismatchError, match=r"values of wide are about 2\d0 times larger .* are uint16, .* were uint8\."
    ) as caught:
        predicted(trained, wide, tmp_path / "o.csv")
    assert "--reflectance-scale" in caught.value.hint
    assert not (tmp_path / "o.csv").exists()
    allowed = predicted(trained, wide, tmp_path / "o.csv", allow_mismatch=True)
    assert len([w for w in allowed.warnings if w.endswith("Used all the same, as was asked.")]) == 3
    right = predicted(trained, wide, tmp_path / "o.csv", reflectance_scale=1 / 257)
    assert (right.metrics["accuracy"], right.warnings) == (1.0, ())


def test_images_of_another_type_with_the_same_values_are_fine(trained, images, tmp_path):
    same = copies(images, tmp_path / "floats", lambda data: data.astype("float32"))
    result = predicted(trained, same, tmp_path / "o.csv")
    assert (result.metrics["accuracy"], result.warnings) == (1.0, ())


def test_dark_images_of_the_same_type_are_warned_of(trained, images, tmp_path):
    """Water at night, for what is known: another scale would differ by more."""
    dark = copies(images, tmp_path / "dark", lambda data: (data // 20).astype("uint8"))
    result = predicted(trained, dark, tmp_path / "o.csv")
    assert len([w for w in result.warnings if "times smaller than in training" in w]) == 3


def test_every_header_is_matched_with_the_model(tmp_path):
    rng = np.random.default_rng(0)
    for kind, level in (("dark", 800), ("light", 2500)):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for i in range(3):
            data = np.stack([rng.integers(1, 100, (30, 30)), rng.normal(level, 100, (30, 30))])
            make_raster(
                tmp_path / "set" / kind / f"{i}.tif", data.astype("uint16"), descriptions=("red", "nir")
            )
    model = nirlora.classify_train(request_for(tmp_path / "set", tmp_path, bands="2", epochs=1))
    (tmp_path / "new").mkdir()
    swapped = data[::-1].astype("uint16")
    for i in range(2):
        make_raster(tmp_path / "new" / f"{i}.tif", swapped, descriptions=("nir", "red"))
    result = predicted(model, tmp_path / "new", tmp_path / "o.csv")
    assert result.warnings == (
        "Channel b2 (nir) was band 2 in training and is band 1 here.",
        "So in 2 of 2 images.",
    )
    make_raster(tmp_path / "new" / "x.tif", data.astype("uint16"), descriptions=("red", "nir"))
    with pytest.raises(RasterError, match=r"x\.tif has its channels in other bands than .*0\.tif"):
        predicted(model, tmp_path / "new", tmp_path / "o.csv")
    with pytest.raises(OptionError, match="--class-field is an option of parcels"):
        predicted(model, tmp_path / "new", tmp_path / "o.csv", class_field="class")


def test_a_table_of_images_is_as_good_as_folders(images, trained, tmp_path):
    rows = [f"{p},{p.parent.name}" for p in sorted(images.rglob("*.png"))]
    (tmp_path / "set.csv").write_text("\n".join(["image,class", *rows]) + "\n")
    result = nirlora.classify_train(request_for(tmp_path / "set.csv", tmp_path, epochs=1))
    assert [c.name for c in result.classes] == list(KINDS)
    assert json.loads(Path(result.split).read_text())["train"][0].startswith(str(images))
    (tmp_path / "set.csv").write_text("image,class\na.png,\n")
    with pytest.raises(LabelsError, match=r"Line 2 of .* has no image or no class"):
        nirlora.classify_train(request_for(tmp_path / "set.csv", tmp_path))


def bad_set(folder, change):
    images = make_images(folder / "set", count=2)
    change(images)
    return images


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda p: shutil.rmtree(p), InputError, "There is no folder"),
        (lambda p: [shutil.rmtree(p / k) for k in KINDS], LabelsError, "but holds none"),
        (lambda p: [shutil.rmtree(p / k) for k in KINDS[1:]], LabelsError, "but holds only 'bare'"),
        (lambda p: (p / "bare" / "x.png").write_bytes(b"no image"), RasterError, "x.png cannot be opened"),
        (
            lambda p: make_raster(p / "wood" / "x.tif", np.ones((1, 8, 8), "uint8")),
            RasterError,
            "x.tif has 1 band.* of uint8, but .* has 3",
        ),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, change, error, words):
    images = bad_set(tmp_path, change)
    with pytest.raises(error, match=words) as caught:
        nirlora.classify_train(request_for(images, tmp_path))
    assert caught.value.hint
    assert not list(tmp_path.glob("model*"))


def test_what_is_left_out_is_said(tmp_path):
    images = make_images(tmp_path / "set", count=3)
    shutil.copy(images / "bare" / "bare00.png", images / "loose.png")
    (images / "empty").mkdir()
    (images / ".hidden").mkdir()
    shutil.copy(images / "bare" / "bare00.png", images / ".hidden" / "x.png")
    result = nirlora.classify_train(request_for(images, tmp_path, epochs=1, classes=("crop", "bare")))
    assert [c.name for c in result.classes] == ["crop", "bare"]
    assert "1 image(s) lie in" in result.warnings[0]
    assert "No images in empty; skipped." in result.warnings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": ""}, "got neither"),
        ({"layers": (LayerRef("a.tif"),)}, "got both"),
        ({"chip_px": 32}, "--chip-px is an option of parcels"),
        ({"class_field": "kind"}, "--class-field is an option of parcels"),
        ({"reflectance_scale": 1e-4}, "--reflectance-scale is an option of parcels"),
        ({"val_fraction": 0.99}, "--val-fraction must lie between 0 and 0.95"),
        ({"label_smoothing": 1.0}, "--label-smoothing"),
        ({"batch": 0}, "--batch"),
        ({"adapter": "magic"}, "no adapter 'magic'"),
        ({"backbone": "magic"}, "no backbone 'magic'"),
        ({"classes": ("bare", "lake")}, "no images of class 'lake'"),
    ],
)
def test_options_that_cannot_be(images, tmp_path, changes, words):
    with pytest.raises((OptionError, LabelsError), match=words):
        nirlora.classify_train(replace(request_for(images, tmp_path), **changes))
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unasked(images, trained, tmp_path):
    (tmp_path / "model_split.json").write_text("{}")
    with pytest.raises(OutputError, match="exists already"):
        nirlora.classify_train(request_for(images, tmp_path, overwrite=False))
    (tmp_path / "o.csv").write_text("kept")
    asked = ClassifyPredictRequest(
        model=trained.model, images=str(images), out=str(tmp_path / "o.csv"), overwrite=False
    )
    with pytest.raises(OutputError, match="exists already"):
        nirlora.classify_predict(asked)
    assert (tmp_path / "o.csv").read_text() == "kept"


def test_a_dry_run_counts_and_writes_nothing(images, tmp_path):
    plan = nirlora.classify_plan(request_for(images, tmp_path, adapter="frozen", backbone="vit-tiny"))
    assert plan["samples"] == {"train": 18, "val": 6}
    assert plan["head_parameters"] == plan["trainable_parameters"] == 3 * 193
    assert (plan["what"], plan["steps"], plan["input_px"]) == ("image", 10, 32)
    assert [(c["name"], c["train"], c["val"]) for c in plan["classes"]] == [(k, 6, 2) for k in KINDS]
    assert not list(tmp_path.iterdir())
