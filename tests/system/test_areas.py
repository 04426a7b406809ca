"""The areas that a user reads, against pyproj's own geodesics: another way to the same hectares."""

import csv
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
from affine import Affine
from training_field import make_field

import nirlora
from data.make_data import make_raster
from nirlora.protocol import LayerRef, SegmentRequest, TrainRequest

GEOD = pyproj.Geod(ellps="WGS84")
GRIDS = {
    "degrees, equator": ("EPSG:4326", Affine(1e-4, 0, 33.0, 0, -1e-4, 0.004)),
    "degrees, 67 north": ("EPSG:4326", Affine(2e-4, 0, 25.0, 0, -1e-4, 67.0)),
    "degrees, large pixels": ("EPSG:4326", Affine(0.05, 0, 10.0, 0, -0.05, 60.0)),
    "utm, middle of the zone": ("EPSG:32633", Affine(10, 0, 499_500, 0, -10, 5_400_000)),
    "utm, edge of the zone, rotated": ("EPSG:32633", Affine(8, 6, 830_000, 6, -8, 5_400_000)),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    field = make_field(tmp_path_factory.mktemp("trained"))
    done = nirlora.train(
        TrainRequest(
            layers=(LayerRef(str(field.raster)),), backbone="vit-demo", pretrained=False, adapter="full",
            head="linear", chip_px=32, batch=4, epochs=2, steps_per_epoch=20, device="cpu", report=False,
        )
    )  # fmt: skip
    return field, done.model


def geodesic_areas(path):
    """m² per class: the outline of every pixel, its sides cut into four, as a polygon of geodesics."""
    with rasterio.open(path) as file:
        values, t = file.read(1), file.transform
        to_degrees = pyproj.Transformer.from_crs(file.crs, "EPSG:4326", always_xy=True)
    sides = np.linspace(0, 1, 5)[:-1]
    ring = np.concatenate([
        np.stack([sides, 0 * sides]), np.stack([1 + 0 * sides, sides]),
        np.stack([1 - sides, 1 + 0 * sides]), np.stack([0 * sides, 1 - sides]),
    ], axis=1)  # fmt: skip
    areas = np.zeros(256)
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            c, r = ring[0] + col, ring[1] + row
            x, y = t.a * c + t.b * r + t.c, t.d * c + t.e * r + t.f
            area, _ = GEOD.polygon_area_perimeter(*to_degrees.transform(x, y))
            areas[values[row, col]] += abs(area)
    return areas


@pytest.mark.parametrize("grid", GRIDS)
def test_area_table_and_polygons_are_right_on_the_ground(trained, tmp_path, grid):
    field, model = trained
    crs, transform = GRIDS[grid]
    with rasterio.open(field.raster) as file:
        values = file.read()[:, :40, :56]
    values[:, :5, :7] = 0
    raster = make_raster(
        tmp_path / "f.tif", values, crs=crs, transform=transform, nodata=0, descriptions=("NIR",)
    )
    request = SegmentRequest(
        layer=LayerRef(str(raster)), model=model, device="cpu", allow_mismatch=True,
        out=str(tmp_path / "map.tif"), polygons=str(tmp_path / "map.gpkg"),
    )  # fmt: skip
    result = nirlora.segment(request)
    expected = geodesic_areas(result.map)
    assert len([a for a in result.areas if a.pixels]) >= 2
    for area in result.areas:
        # a parallel is no geodesic: the oracle's pixels of 0.05 degrees are wrong by some 1e-5 themselves
        assert area.hectares * 1e4 == pytest.approx(expected[area.value], rel=3e-5)
    with Path(result.outputs["areas"]).open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [float(r["hectares"]) for r in rows] == pytest.approx([a.hectares for a in result.areas], abs=1e-6)
    assert sum(float(r["percent"]) for r in rows) == pytest.approx(100, abs=0.02)
    _, _, _, (value, area_m2) = pyogrio.raw.read(result.outputs["polygons"], columns=["value", "area_m2"])
    for area in result.areas:
        assert area_m2[value == area.value].sum() == pytest.approx(expected[area.value], rel=3e-5)
