"""Adapting to rasters without labels through the real ``qgis_process``, and training on what comes of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from training_field import make_field

from installations import what_is_missing
from test_processing import TINY, VERSIONS, Process

pytestmark = pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())
SMALL = ("BACKBONE=vit-demo", "CHIP_PX=32", "BATCH=2", "STEPS=2", "DEVICE=cpu")


def test_adapts_and_trains(tmp_path):
    process = Process(next(iter(VERSIONS.values())), tmp_path)
    (tmp_path / "field").mkdir()
    field = make_field(tmp_path / "field")
    out = tmp_path / "farm.nirlora-backbone"
    adapted = process.run("nirlora:adapt", f"INPUT={field.raster}", f"OUTPUT={out}", *SMALL).results
    assert (adapted["OUTPUT"], adapted["STEPS"]) == (str(out), 2)
    assert Path(adapted["REPORT"]).is_file()
    tiny = [word for word in TINY if word.partition("=")[0] not in ("BACKBONE", "PRETRAINED")]
    layers = (f"INPUT={field.raster}", f"LABELS={field.labels}", f"BACKBONE={out}")
    model = process.run("nirlora:train", *layers, f"OUTPUT={tmp_path / 'm.nirlora'}", *tiny).results["OUTPUT"]
    with zipfile.ZipFile(model) as file:
        assert json.loads(file.read("card.json"))["model"]["backbone_source"] == str(out)
