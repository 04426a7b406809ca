"""Rasters of hundreds of thousands of pixels a side: memory, time and disk follow what is mapped."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from training_field import LEVELS, make_field

import nirlora
from data.make_data import make_polygons, pixel_box
from nirlora.protocol import LayerRef, SegmentRequest, TrainRequest, to_dict

SIDE = 300_000
PLACE = Affine(0.5, 0, 300_000, 0, -0.5, 5_500_000)
PATCH = (500, 700)  # rows and columns of the places that hold pixels

MEASURED = """
import json, os, sys
from pathlib import Path
import nirlora
from nirlora.protocol import SegmentRequest, from_dict
small, large = (from_dict(SegmentRequest, r) for r in json.loads(sys.argv[1]))
def status(key):
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) / 1024
nirlora.segment(small)  # torch, the model and all libraries are in memory now
base = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
result = nirlora.segment(large)
seen = {"beyond_mb": status("VmHWM") - base, "valid": result.valid_pixels, "outputs": result.outputs}
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A request whose raster is small: to be repeated on a large one."""
    field = make_field(tmp_path_factory.mktemp("trained"))
    layer = LayerRef(str(field.raster))
    done = nirlora.train(
        TrainRequest(
            layers=(layer,), backbone="vit-demo", pretrained=False, adapter="frozen", head="linear",
            chip_px=128, batch=2, epochs=1, steps_per_epoch=2, device="cpu", report=False,
        )
    )  # fmt: skip
    return SegmentRequest(layer=layer, model=done.model, device="cpu", allow_mismatch=True)


def sparse(path, width, height, places):
    """A tiled raster, empty but for three stripes of the levels at each ``(row, col)``."""
    values = np.repeat(list(LEVELS.values()), [200, 200, 300]).astype("uint16")[None].repeat(PATCH[0], 0)
    values = (values + np.random.default_rng(0).normal(0, 200, PATCH)).astype("uint16")
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint16", nodata=0, tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", SPARSE_OK=True, BIGTIFF="YES", crs="EPSG:32633",
        transform=PLACE,
    ) as file:  # fmt: skip
        file.set_band_description(1, "NIR")
        for row, col in places:
            file.write(
                values[: height - row], 1, window=((row, min(row + PATCH[0], height)), (col, col + PATCH[1]))
            )
    return path


def measure(small, large):
    """Segment in a process of its own; how far its memory rose above what the model takes."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs /proc to measure memory")
    line = [sys.executable, "-c", MEASURED, json.dumps([to_dict(small), to_dict(large)])]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    print(f"{seen['beyond_mb']:.0f} MB beyond the model")
    return seen


def same_grid(one, other):
    with rasterio.open(one) as a, rasterio.open(other) as b:
        return (a.width, a.height, tuple(a.transform), a.crs) == (
            b.width,
            b.height,
            tuple(b.transform),
            b.crs,
        )


def test_a_farm_in_ninety_gigapixels(model, tmp_path):
    raster = sparse(tmp_path / "huge.tif", SIDE, SIDE, [(150_000, 149_990), (10, 20), (299_000, 299_000)])
    farm = pixel_box(PLACE, 150_060, 150_040, 400, 300)
    aoi = make_polygons(tmp_path / "farm.gpkg", [(farm, {"n": 1})])
    seen = measure(
        replace(model, out=str(tmp_path / "small.tif")),
        replace(
            model, layer=LayerRef(str(raster)), aoi=str(aoi), out=str(tmp_path / "map.tif"), confidence=True,
            polygons=str(tmp_path / "map.gpkg"),
        ),
    )  # fmt: skip
    assert seen["valid"] == 400 * 300
    assert seen["beyond_mb"] < 300
    for kind in ("map", "confidence"):
        assert same_grid(seen["outputs"][kind], raster)
        assert Path(seen["outputs"][kind]).stat().st_size < 8e6  # sparse: mostly the tables of places
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.overviews(1) == [2**n for n in range(1, 11)]
        around = file.read(1, window=((149_900, 150_500), (149_900, 150_700)))
        inside = around[140:440, 160:560]
        assert (inside != 255).all()
        assert (around != 255).sum() == inside.size
    _, _, shapes, (areas,) = pyogrio.raw.read(tmp_path / "map.gpkg", columns=["area_m2"])
    assert areas.sum() == pytest.approx(400 * 300 * 0.25, rel=1e-3)
    assert shapely.union_all(shapely.from_wkb(shapes)).symmetric_difference(farm).area < 1e-6


@pytest.mark.slow
def test_a_strip_three_hundred_thousand_pixels_wide(model, tmp_path):
    places = [(row, col) for row in (0, 1000, 1600) for col in (0, 140_000, SIDE - PATCH[1])]
    raster = sparse(tmp_path / "wide.tif", SIDE, 2000, places)
    seen = measure(
        replace(model, out=str(tmp_path / "small.tif")),
        replace(model, layer=LayerRef(str(raster)), out=str(tmp_path / "map.tif")),
    )
    with rasterio.open(raster) as file, rasterio.open(tmp_path / "map.tif") as drawn:
        filled = 0
        for row in range(0, 2000, 500):
            window = ((row, row + 500), (0, SIDE))
            there = file.read(1, window=window) != 0
            np.testing.assert_array_equal(drawn.read(1, window=window) != 255, there)
            filled += int(there.sum())
    assert same_grid(tmp_path / "map.tif", raster)
    assert seen["valid"] == filled
    assert seen["beyond_mb"] < 1400  # a row of tiles: 0.9 GB of blocks, and the strips where tiles blend


def test_training_on_a_corner_of_ninety_gigapixels(tmp_path):
    raster = sparse(tmp_path / "huge.tif", SIDE, SIDE, [(150_000, 149_990)])
    names = list(LEVELS)
    boxes = [
        (pixel_box(PLACE, 149_990 + 200 * i + 30, 150_020 + 90 * j, 60, 60), {"class": names[i]})
        for i in range(3)
        for j in range(5)
    ]
    make_polygons(tmp_path / "huge.gpkg", boxes)
    done = nirlora.train(
        TrainRequest(
            layers=(LayerRef(str(raster)),), backbone="vit-demo", pretrained=False, adapter="frozen",
            head="linear", chip_px=64, batch=4, epochs=2, steps_per_epoch=30, device="cpu",
        )
    )  # fmt: skip
    assert done.metrics["miou"] > 0.8
    assert Path(done.report).stat().st_size < 3e6
