"""Every recipe from the real folder layout of its data to a table, on a few tiny files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import nirlora
import recipe_sets
from nirlora.errors import DataMissing, InputError, OptionError
from nirlora.protocol import ReproduceRequest
from nirlora.recipes.recipe import load_recipe
from support import ROOT

RECIPES = ROOT / "recipes"
SMALL = {"backbone": "vit-demo", "epochs": 1, "batch": 4}
CLASSIFY = {**SMALL, "input_px": 32, "steps_per_epoch": 3}


def request_for(name, data, folder, **changes) -> ReproduceRequest:
    base = ReproduceRequest(
        recipe=str(RECIPES / f"{name}.yaml"),
        data=str(data),
        out=str(folder / "out"),
        pretrained=False,
        device="cpu",
    )
    return replace(base, **changes)


def ours(result):
    """The rows that were run here."""
    return [row for row in result.rows if row.runs]


@pytest.mark.parametrize(("name", "make"), [("ucm", "uc_merced"), ("resisc45", "resisc45")])
def test_scene_classification(tmp_path, name, make):
    data = getattr(recipe_sets, make)(tmp_path)
    only = ("backbone=vit-base", "method=frozen", "method=LoRA", "method=MuFA")
    result = nirlora.reproduce(request_for(name, data, tmp_path, only=only, settings=CLASSIFY))
    rows = ours(result)
    assert [row.experiment["method"] for row in rows] == ["frozen", "LoRA", "MuFA"]
    assert all(0 <= row.ours <= 1 for row in rows)
    published = {"ucm": [90.95, 98.12, 98.57], "resisc45": [76.55, 89.44, 91.29]}[name]
    assert [(row.published, row.tag) for row in rows] == [(value, "primary") for value in published]
    assert "3 classes and 15 images, the published set" in result.warnings[0]
    page = Path(result.table).read_text(encoding="utf-8")
    assert f"| vit-base | MuFA | {100 * rows[2].ours:.2f} | 1 | {published[2]:.2f} |" in page
    assert "## Known of the published experiment" in page
    assert "## Different here" in page
    assert not list((tmp_path / "out" / "models").iterdir())


def test_an_interrupted_reproduction_goes_on_and_keeps_what_is_done(tmp_path):
    data = recipe_sets.uc_merced(tmp_path)
    only = ("backbone=swin-tiny", "method=frozen", "method=LoRA", "method=BitFit")
    request = request_for("ucm", data, tmp_path, only=only, settings={**CLASSIFY, "epochs": 2})

    def stop(message):
        if "run 2 of 3" in message.message and "step 4/" in message.message:
            raise nirlora.JobCancelled(keep=False)

    with pytest.raises(nirlora.JobCancelled):
        nirlora.reproduce(request, stop)
    records = tmp_path / "out" / "records.jsonl"
    (first,) = [json.loads(line) for line in records.read_text().splitlines()]
    assert first["labels"] == {"backbone": "swin-tiny", "method": "frozen"}
    assert {"config", "versions", "revision", "seed", "scores"} <= first.keys()
    steps = []
    result = nirlora.reproduce(request, lambda m: steps.append(m.message))
    assert (result.runs_done, result.runs_kept) == (2, 1)
    assert not any("run 1 of 3" in text for text in steps)
    assert len(records.read_text().splitlines()) == 3
    again = nirlora.reproduce(request)
    assert (again.runs_done, again.runs_kept) == (0, 3)
    assert again.rows == result.rows
    seeds = nirlora.reproduce(replace(request, seeds=2, only=("backbone=swin-tiny", "method=frozen")))
    assert (seeds.runs_done, seeds.runs_kept) == (1, 1)
    assert ours(seeds)[0].runs == 2


def test_extended_pre_training_on_rgb_images(tmp_path):
    data = recipe_sets.fmow_rgb(tmp_path / "fmow")
    adapt = {"objective": "mae", "steps": 3, "chip_px": 32, "batch": 2, "accumulate": 1, "unfreeze": "all"}
    settings = {**CLASSIFY, "adapt": adapt, "adapt_images": 5}
    only = ("start=MAE ViT-L", "downstream=linear probe", "downstream=LoRA", "pretraining=ExPLoRA")
    request = request_for("fmow-rgb", data, tmp_path, only=only, settings=settings, keep_models=True)
    result = nirlora.reproduce(request)
    assert [(row.experiment["downstream"], row.published) for row in ours(result)] == [
        ("linear probe", None),
        ("LoRA", 76.55),
    ]
    records = [json.loads(line) for line in Path(result.records).read_text().splitlines()]
    assert [r["adapted"]["steps"] for r in records] == [3, 3]
    assert len(list((tmp_path / "out" / "models").glob("*.nirlora-backbone"))) == 1  # made once for both
    assert records[0]["metrics"]["classes"].keys() == {"airport", "barn", "zoo"}  # no false_detection
    assert sum(c["count"] for c in records[0]["metrics"]["classes"].values()) == 6
    named = {row.name: row.published for row in result.rows if row.name}
    assert named["ScaleMAE, LoRA"] == 78.01


def test_without_pre_training_nothing_is_adapted(tmp_path):
    data = recipe_sets.fmow_rgb(tmp_path / "fmow")
    only = ("start=DINOv2 ViT-L", "downstream=linear probe", "pretraining=none")
    settings = {**CLASSIFY, "adapter": "frozen"}
    (row,) = ours(nirlora.reproduce(request_for("fmow-rgb", data, tmp_path, only=only, settings=settings)))
    assert row.published == 69.0


def test_extended_pre_training_on_sentinel(tmp_path):
    data = recipe_sets.fmow_sentinel(tmp_path / "s2")
    adapt = {"steps": 3, "chip_px": 16, "zoom": 2.0, "batch": 2, "accumulate": 1, "unfreeze": "all"}
    settings = {**CLASSIFY, "adapt": adapt}
    result = nirlora.reproduce(request_for("fmow-sentinel", data, tmp_path, settings=settings))
    assert [row.experiment["pretraining"] for row in ours(result)] == ["none", "ExPLoRA"]
    assert ours(result)[1].published == 60.15
    assert "1 of 13 images that train.csv lists are not there." in result.warnings


PATCHES = {
    "backbone": "vit-demo",
    "epochs": 2,
    "batch": 4,
    "patch_px": 32,
    "stride_px": 24,
    "stem": "by_role",
}


def test_patches_of_dstl(tmp_path):
    data = recipe_sets.dstl(tmp_path / "dstl")
    only = ("backbone=vit-large", "method=LoRA", "bands=nir", "fold=0", "fold=1")
    settings = {**PATCHES, "folds": 3, "learning_rate": 1e-3}
    request = request_for("dstl-crop", data, tmp_path, only=only, settings=settings)
    result = nirlora.reproduce(request)
    rows = ours(result)
    assert [(r.experiment["split"], r.metric, r.runs) for r in rows] == [
        (split, metric, 2) for split in ("patches", "scenes") for metric in ("jaccard", "f1", "iou")
    ]
    assert "fold" not in rows[0].experiment
    assert all(0 < row.ours <= 1 for row in rows)
    record = json.loads(Path(result.records).read_text().splitlines()[0])
    assert sum(record["patches"].values()) == 5 * 9
    assert record["patches"]["test"] == 15
    assert "45 patches were cut." in result.warnings
    assert "ResLMFFNet, NDVI" in Path(result.table).read_text(encoding="utf-8")


def test_a_killed_run_on_patches_resumes_to_the_same_scores(tmp_path):
    data = recipe_sets.dstl(tmp_path / "dstl")
    only = ("backbone=vit-large", "method=LoRA", "bands=rgb", "fold=0", "split=patches")
    settings = {**PATCHES, "folds": 3}
    whole = nirlora.reproduce(request_for("dstl-crop", data, tmp_path / "a", only=only, settings=settings))
    request = request_for("dstl-crop", data, tmp_path / "b", only=only, settings=settings)

    def die(message):
        if "step 9/" in message.message:  # in the second epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nirlora.reproduce(request, die)
    assert list((tmp_path / "b" / "out" / "models").glob("*.checkpoint"))
    steps = []
    resumed = nirlora.reproduce(request, lambda m: steps.append(m.message))
    assert not any("step 3/" in text for text in steps)
    assert [r.ours for r in ours(resumed)] == [r.ours for r in ours(whole)]


def test_patches_of_rit18(tmp_path):
    (tmp_path / "rit").mkdir()
    data = recipe_sets.rit18(tmp_path / "rit")
    only = ("backbone=vit-base", "method=LoRA", "bands=nir")
    settings = {**PATCHES, "stride_px": 32}
    result = nirlora.reproduce(request_for("rit18-tree", data, tmp_path, only=only, settings=settings))
    rows = ours(result)
    assert {row.runs for row in rows} == {2}
    assert {row.metric for row in rows} == {"jaccard", "f1", "iou"}
    record = json.loads(Path(result.records).read_text().splitlines()[0])
    # rows of patches at 0, 24, 48 and 68 of 100 rows, and at 0, 18 and 36 of 68; those at 0 touch the mask
    assert sum(record["patches"].values()) == 3 * 5 + 2 * 5


DOMAIN = {
    "preset": "", "backbone": "vit-demo", "head": "linear", "epochs": 1, "steps_per_epoch": 3, "rounds": 1,
    "batch": 2, "chip_px": 24, "val_fraction": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "make", "metrics"),
    [("gta5-cityscapes", "gta5", ["miou"]), ("synthia-cityscapes", "synthia", ["miou", "miou13"])],
)
def test_street_scenes(tmp_path, name, make, metrics):
    recipe_sets.cityscapes(tmp_path)
    data = getattr(recipe_sets, make)(tmp_path)
    only = ("stabiliser=lora", "stabiliser=ema")
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    recipe_file = tmp_path / "small.yaml"
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    recipe_file.write_text(
        text.replace("target:\n", "  options: {gutter_px: 16}\ntarget:\n  options: {gutter_px: 16}\n"),
        encoding="utf-8",
    )
    settings = {**DOMAIN, "classes": ["road", "building", "sky"]}
    request = request_for(name, data, tmp_path, recipe=str(recipe_file), only=only, settings=settings)
    result = nirlora.reproduce(request)
    rows = ours(result)
    assert [row.metric for row in rows] == metrics * 2
    assert all(0 <= row.ours <= 1 for row in rows)
    assert recipe.metrics[0].name == "miou"
    record = json.loads(Path(result.records).read_text().splitlines()[0])
    assert record["metrics"]["classes"].keys() == {"road", "building", "sky"}
    scored = sum(c["pixels"] for c in record["metrics"]["classes"].values())
    assert scored == 2 * (40 - 2) * 80  # both validation photographs, less the ego vehicle


@pytest.mark.parametrize("name", sorted(p.stem for p in RECIPES.glob("*.yaml")))
def test_without_its_data_a_recipe_says_where_they_come_from(tmp_path, name):
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataMissing) as caught:
        nirlora.reproduce(request_for(name, tmp_path / "empty", tmp_path))
    assert caught.value.message.startswith(f"{recipe.title}: It is not at ")
    assert caught.value.hint.startswith("Where it comes from: ")
    assert caught.value.hint.endswith(recipe.data.source)
    with pytest.raises(InputError, match="There is no folder"):
        nirlora.reproduce(request_for(name, tmp_path / "nowhere", tmp_path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"only": ("method=magic",)}, "no run 'method=magic'"),
        ({"settings": {"epoch": 3}}, "unknown field 'epoch'"),
        ({"settings": {"epochs": "many"}}, "expected int"),
        ({"settings": {"epochs": 0}}, "--epochs must lie between"),
        ({"settings": {"backbone": "magic"}}, "no backbone 'magic'"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused_before_anything_is_trained(tmp_path, changes, words):
    data = recipe_sets.uc_merced(tmp_path)
    with pytest.raises((InputError, OptionError), match=words):
        nirlora.reproduce(request_for("ucm", data, tmp_path, **changes))
    assert not (tmp_path / "out" / "models").exists()
