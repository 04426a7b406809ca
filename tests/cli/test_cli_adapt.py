"""``nirlora adapt`` as a shell sees it: options, streams, exit codes, Ctrl-C, info."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import shlex
import signal
import subprocess
import sys

import pytest
from training_field import make_field

import nirlora
from nirlora.protocol import AdaptRequest, LayerRef
from nirlora.training.report import command_line
from nirlora_train.adapt import adapt

EVERYTHING = AdaptRequest(
    layers=(LayerRef("a b.tif", "", -1.5, "EPSG:32633"), LayerRef("tiles", "", -1.5, "EPSG:32633")),
    out="b.nirlora-backbone",
    bands="nir,red",
    reflectance_scale=1e-4,
    reflectance_offset=-0.1,
    backbone="mae-base",
    pretrained=False,
    stem="by_role",
    objective="dino",
    unfreeze="1,last",
    rank=8,
    alpha=8.0,
    patch_embedding="train",
    mask_ratio=0.6,
    decoder="mae.pth",
    decoder_rank=4,
    centering="sinkhorn",
    prototypes=512,
    local_crops=4,
    zoom=2.0,
    chip_px=96,
    batch=6,
    accumulate=3,
    steps=100,
    max_seconds=60.0,
    learning_rate=3e-4,
    seed=7,
    device="cpu",
    resume=True,
    report=False,
    overwrite=False,
)
SMALL = [
    *("--backbone", "vit-demo", "--no-pretrained", "--chip-px", "32", "--batch", "2", "--device", "cpu"),
    "--no-report",
]


@pytest.mark.parametrize(
    "request_", [AdaptRequest(layers=(LayerRef("a.tif"),)), EVERYTHING], ids=["defaults", "everything"]
)
def test_the_command_in_the_report_makes_the_same_request(monkeypatch, cli, request_):
    seen = []

    def record(request, progress=None):
        seen.append(request)
        raise nirlora.JobCancelled

    monkeypatch.setitem(vars(nirlora), "adapt", record)
    words = shlex.split(command_line(request_))
    assert words[:2] == ["nirlora", "adapt"]
    cli(*words[1:])
    assert seen == [request_]


def test_the_example_changes_every_field_and_every_field_has_its_option():
    default = AdaptRequest(layers=())
    fields = [f.name for f in dataclasses.fields(default)]
    assert [f for f in fields if getattr(default, f) == getattr(EVERYTHING, f)] == []
    assert set(fields) <= set(inspect.signature(adapt).parameters) | {"layers"}


def test_from_raster_to_backbone_and_what_info_says(cli, tmp_path):
    field = make_field(tmp_path)
    plan = cli("adapt", "--layer", str(field.raster), *SMALL, "--dry-run", "--json")
    assert (plan.code, plan.json["rasters"], plan.json["channels"]) == (0, 1, ["nir"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["field.tif", "field_training.gpkg"]
    done = cli("adapt", "--layer", str(field.raster), *SMALL, "--steps", "4", "--json")
    assert done.code == 0, done.err
    assert (done.json["steps"], done.json["stopped"], done.json["objective"]) == (4, "", "mae")
    assert "adapt" in done.err
    assert "loss" in done.err
    file = tmp_path / "field.nirlora-backbone"
    assert done.json["backbone"] == str(file)
    told = cli("info", str(file))
    assert told.code == 0
    for words in ("adapted to", "nir", "vit-demo", "random weights", "mae"):
        assert words in told.out
    shown = cli("adapt", "--layer", str(field.raster), *SMALL, "--steps", "2", "--out", str(tmp_path / "c"))
    assert shown.code == 0
    assert "(100.00 %)" in shown.out
    assert str(tmp_path / "c.nirlora-backbone") in shown.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--layer", "gone.tif"), 2, "There is no file gone.tif"),
        (("--layer", "{raster}", "--unfreeze", "99"), 2, "blocks 1 to 4"),
        (("--layer", "{raster}", "--objective", "clip"), 2, "--objective"),
        (("--layer", "{raster}", "--out", "/nowhere/b"), 2, "no folder"),
    ],
)
def test_mistakes_are_two_lines_and_an_exit_code(cli, tmp_path, words, code, said):
    raster = make_field(tmp_path).raster
    done = cli("adapt", *SMALL, *(w.format(raster=raster) for w in words))
    assert done.code == code
    assert said in done.err
    assert [line.split(":")[0] for line in done.err.splitlines()[-2:]] == ["error", "hint"]
    assert done.out == ""


def test_a_model_command_given_a_backbone_says_what_it_is(cli, tmp_path):
    field = make_field(tmp_path)
    cli("adapt", "--layer", str(field.raster), *SMALL, "--steps", "1")
    file = str(tmp_path / "field.nirlora-backbone")
    done = cli("segment", "--layer", str(field.raster), "--model", file)
    assert done.code == 2
    assert "is a backbone" in done.err


def test_ctrl_c_keeps_what_there_is_and_resume_goes_on(tmp_path):
    field = make_field(tmp_path)
    out = tmp_path / "b.nirlora-backbone"
    line = [
        *(sys.executable, "-c", "from nirlora_train.main import main; main()", "adapt"),
        *("--layer", str(field.raster), *SMALL, "--steps", "100000", "--out", str(out), "--json"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    steps = []
    for extra in ((), ("--resume",)):
        with subprocess.Popen([*line, *extra], **pipes) as process:
            for text in process.stderr:
                if text.startswith("adapt"):
                    process.send_signal(signal.SIGINT)
                    break
            stdout, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
        result = json.loads(stdout)
        assert result["stopped"] == "cancelled"
        steps.append(result["steps"])
        assert out.exists()
        assert out.with_name(out.name + ".checkpoint").exists()
    assert steps[1] > steps[0]
