"""Real signals to real processes: what is left on disk when ``nirlora`` is stopped or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from training_field import make_field

from data.make_data import make_raster

SMALL = [
    *(
        "--backbone",
        "vit-demo",
        "--no-pretrained",
        "--adapter",
        "frozen",
        "--head",
        "linear",
        "--chip-px",
        "32",
    ),
    *("--batch", "2", "--steps-per-epoch", "2", "--val-fraction", "0.3", "--no-report", "--device", "cpu"),
]
# The command line, its COG and polygon steps slowed down and told of: a signal meets it there on any machine.
SLOWED = """
import sys, time
import nirlora.raster.cog as cog
from nirlora.vector import polygonise
def slow(name, function):
    def wait(*args):
        print("now at", name, file=sys.stderr, flush=True)
        time.sleep(0.5)
        return function(*args)
    return wait
cog.halve_by_mode = slow("overviews", cog.halve_by_mode)
cog.join_images = slow("packing", cog.join_images)
polygonise._patches = slow("polygons", polygonise._patches)
from nirlora_train.main import main
main()
"""
STAGES = ["segment", "now at overviews", "now at packing", "now at polygons"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    field = make_field(folder)
    line = [sys.executable, "-c", SLOWED, "train", "--layer", str(field.raster), *SMALL, "--epochs", "1"]
    subprocess.run(line, check=True, capture_output=True)
    with rasterio.open(field.raster) as file:
        values = np.tile(file.read(1), (8, 8))[:700, :1100]
    return make_raster(
        folder / "large.tif", values, nodata=0, descriptions=("NIR",)
    ), folder / "field.nirlora"


def line_for(trained, folder: Path) -> list[str]:
    raster, model = trained
    return [
        *(sys.executable, "-c", SLOWED, "segment", "--layer", str(raster), "--model", str(model)),
        *("--out", str(folder / "map.tif"), "--polygons", str(folder / "map.gpkg"), "--confidence"),
        *("--tile-px", "64", "--device", "cpu", "--json"),
    ]


def stopped(line: list[str], stage: str, number: int) -> subprocess.CompletedProcess[str]:
    """Run ``line`` and send it a signal as soon as it tells of ``stage``."""
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = []
        for text in process.stderr:
            said.append(text)
            if stage in text:
                os.kill(process.pid, number)
                break
        out, rest = process.communicate(timeout=300)
    assert stage in said[-1], "".join(said) + rest
    return subprocess.CompletedProcess(line, process.returncode, out, "".join(said) + rest)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_on_segment_leaves_nothing(trained, tmp_path, stage):
    done = stopped(line_for(trained, tmp_path), stage, signal.SIGINT)
    assert done.returncode == 130, done.stderr
    assert names(tmp_path) == []
    assert json.loads(done.stdout)["error"]["code"] == "cancelled"
    assert "Stopped; nothing was written." in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_at_any_stage_there_is_no_map_and_the_next_run_clears_up(trained, tmp_path):
    for stage in STAGES:
        done = stopped(line_for(trained, tmp_path), stage, signal.SIGKILL)
        assert done.returncode == -signal.SIGKILL
        assert {"map.tif", "map.gpkg", "map_confidence.tif", "map.qml"}.isdisjoint(names(tmp_path))
        assert any(".part" in name for name in names(tmp_path))
    # Also of a run that got further: overviews of another map must not become this one's.
    (tmp_path / "map.tif.part.ovr.ovr.ovr").write_bytes(b"half")
    again = subprocess.run(line_for(trained, tmp_path), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert names(tmp_path) == [
        "map.gpkg", "map.qml", "map.tif", "map.tif.aux.xml", "map_areas.csv", "map_confidence.tif",
    ]  # fmt: skip
    with rasterio.open(tmp_path / "map.tif") as file:
        assert (file.read(1) != 255).all()
        assert file.overviews(1) == [2, 4]


def test_killed_while_a_map_is_replaced_the_old_one_stays(trained, tmp_path):
    assert subprocess.run(line_for(trained, tmp_path), capture_output=True).returncode == 0
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    stopped(line_for(trained, tmp_path), "now at packing", signal.SIGKILL)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("stage", ["prepare", "train"])
def test_ctrl_c_on_train_keeps_what_there_is(trained, tmp_path, stage):
    raster = trained[1].with_name("field.tif")
    line = [
        *(sys.executable, "-c", SLOWED, "train", "--layer", str(raster), *SMALL, "--epochs", "1000"),
        *("--out", str(tmp_path / "m.nirlora"), "--json"),
    ]
    done = stopped(line, stage, signal.SIGINT)
    if done.returncode == 130:  # before the first step
        assert stage == "prepare"
        assert names(tmp_path) == []
    else:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["stopped"] == "cancelled"
        assert names(tmp_path) == ["m.nirlora", "m.nirlora.checkpoint"]
