from __future__ import annotations

import contextlib
import sqlite3

import numpy as np
import pyogrio
import pytest
import rasterio
import scipy.ndimage as ndi
import shapely

from grids import NORTH_UP, ROTATED, write_raster
from nirlora.errors import JobCancelled, OutputError, RasterError
from nirlora.protocol import ClassInfo
from nirlora.raster.grid import Window
from nirlora.raster.outputs import check_output
from nirlora.raster.source import open_raster
from nirlora.vector import sieve
from nirlora.vector.area import AreaModel
from nirlora.vector.labels import open_labels
from nirlora.vector.polygonise import polygonise

CLASSES = [ClassInfo(i, n, f"#00000{i}") for i, n in enumerate(("soil", "crop", "tree", "weed"))]


def blobs(seed=0, shape=(120, 160), noise=0.02):
    rng = np.random.default_rng(seed)
    smooth = np.stack([ndi.gaussian_filter(rng.normal(size=shape), 5) for _ in range(4)])
    values = smooth.argmax(axis=0).astype(np.uint8)
    values[rng.random(shape) < noise] = 2
    values[ndi.gaussian_filter(rng.normal(size=shape), 8) > 0.03] = 255
    return values


def read(path):
    meta, _, wkb, data = pyogrio.raw.read(path)
    return meta, shapely.from_wkb(wkb), dict(zip(meta["fields"], data, strict=True))


def patches(values):
    """Pixels of every 4-connected patch, per class, by scipy."""
    return {
        v: sorted(np.bincount(ndi.label(values == v)[0].ravel())[1:].tolist())
        for v in range(4)
        if (values == v).any()
    }


@pytest.mark.parametrize(
    ("transform", "crs"), [(NORTH_UP, "EPSG:32633"), (ROTATED, "EPSG:32611"), (NORTH_UP, None)]
)
def test_patches_become_polygons_that_burn_back_to_the_map(tmp_path, transform, crs):
    values = blobs()
    path = write_raster(tmp_path / "map.tif", values, transform, crs, nodata=255)
    result = polygonise(path, tmp_path / "map.gpkg", CLASSES)
    meta, polygons, fields = read(tmp_path / "map.gpkg")
    assert list(fields) == ["value", "name", "color", "area_m2", "area_ha"]
    assert shapely.is_valid(polygons).all()
    assert result.polygons == len(polygons)
    assert result.dropped == 0
    assert (meta["crs"] or None) == crs
    pixel = abs(transform.determinant)
    for value, sizes in patches(values).items():
        own = shapely.area(polygons[fields["value"] == value]) / pixel
        np.testing.assert_allclose(sorted(own), sizes, rtol=1e-5)
    assert [CLASSES[v].name for v in fields["value"]] == fields["name"].tolist()
    assert [CLASSES[v].color for v in fields["value"]] == fields["color"].tolist()
    np.testing.assert_allclose(fields["area_ha"] * 10_000, fields["area_m2"])
    with open_raster(path) as source:
        back = open_labels(tmp_path / "map.gpkg", source, class_field="value").rasterise(source.window)
        np.testing.assert_array_equal(back, values)
        model = AreaModel(source.transform, source.crs, source.width, source.height)
    by_class = model.class_areas_m2(Window(0, 0, 160, 120), values)
    for value in range(4):
        measured = fields["area_m2"][fields["value"] == value].sum()
        assert measured == pytest.approx(by_class[value], rel=1e-7)


def test_outlines_lie_exactly_on_pixel_edges(tmp_path):
    values = np.full((5, 6), 255, np.uint8)
    values[1:3, 2:5] = 1
    write_raster(tmp_path / "map.tif", values, NORTH_UP, nodata=255)
    polygonise(tmp_path / "map.tif", tmp_path / "map.gpkg", CLASSES)
    _, polygons, _ = read(tmp_path / "map.gpkg")
    assert shapely.bounds(polygons).tolist() == [[500_020, 4_999_970, 500_050, 4_999_990]]
    assert shapely.get_num_coordinates(polygons).tolist() == [5]


@pytest.mark.parametrize("rows", [2048, 40])
def test_small_patches_join_a_neighbour_or_vanish_at_nodata(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(sieve, "_MAX_ROWS", rows)
    monkeypatch.setattr(sieve, "_STRIP_PX", 1)
    values = blobs(1, (300, 200), noise=0.01)
    path = write_raster(tmp_path / "map.tif", values, NORTH_UP, nodata=255)
    result = polygonise(path, tmp_path / "map.gpkg", CLASSES, min_area_m2=3000)
    fields = read(tmp_path / "map.gpkg")[2]
    assert fields["area_m2"].min() >= 3000
    with open_raster(path) as source:
        merged = open_labels(tmp_path / "map.gpkg", source, class_field="value").rasterise(source.window)
    assert (merged[values == 255] == 255).all()
    lost = (merged == 255) & (values != 255)
    regions, _ = ndi.label(values != 255)
    sizes = np.bincount(regions.ravel())
    assert set(np.unique(sizes[regions[lost]])) <= set(range(31))  # only islands in nodata are lost
    assert result.dropped == len(np.unique(regions[lost]))
    large = np.zeros_like(lost)  # patches that were large enough keep every pixel
    for value in range(4):
        labelled, _ = ndi.label(values == value)
        large |= (np.bincount(labelled.ravel()) >= 31)[labelled] & (labelled > 0)
    np.testing.assert_array_equal(merged[large], values[large])


def test_a_minimum_no_patch_reaches_leaves_an_empty_layer(tmp_path):
    path = write_raster(tmp_path / "map.tif", np.ones((5, 5), np.uint8), NORTH_UP, nodata=255)
    result = polygonise(path, tmp_path / "map.gpkg", CLASSES, min_area_m2=1e9)
    assert (result.polygons, result.dropped) == (0, 1)
    meta, polygons, _ = read(tmp_path / "map.gpkg")
    assert len(polygons) == 0
    assert meta["crs"] == "EPSG:32633"


def test_an_old_file_is_replaced_and_a_failure_leaves_it_alone(tmp_path):
    path = write_raster(tmp_path / "map.tif", blobs(), NORTH_UP, nodata=255)
    out = tmp_path / "out" / "map.gpkg"
    with pytest.raises(OutputError, match="cannot be written"):
        polygonise(path, out, CLASSES)
    out.parent.mkdir()
    out.write_text("old")

    def cancel():
        raise JobCancelled

    with pytest.raises(JobCancelled):
        polygonise(path, out, CLASSES, min_area_m2=500, tick=cancel)
    assert out.read_text() == "old"
    assert [p.name for p in out.parent.iterdir()] == ["map.gpkg"]
    assert polygonise(path, out, CLASSES).polygons == len(read(out)[1])
    with pytest.raises(RasterError, match="There is no file"):
        polygonise(tmp_path / "none.tif", out, CLASSES)


def test_values_that_are_no_class_have_no_polygons(tmp_path):
    values = np.array([[0, 1, 9], [0, 1, 255]], np.uint8)
    path = write_raster(tmp_path / "map.tif", values, NORTH_UP)
    polygonise(path, tmp_path / "map.gpkg", CLASSES)
    assert sorted(read(tmp_path / "map.gpkg")[2]["value"].tolist()) == [0, 1]


def test_the_layer_opens_in_another_program(tmp_path):
    path = write_raster(
        tmp_path / "map.tif", blobs(), rasterio.Affine(1e-4, 0, 15, 0, -1e-4, 48), "EPSG:4326"
    )
    polygonise(path, tmp_path / "map.gpkg", CLASSES)
    info = pyogrio.read_info(tmp_path / "map.gpkg")
    assert info["layer_name"] == "map"
    assert info["crs"] == "EPSG:4326"
    assert info["geometry_type"] == "Polygon"


@pytest.mark.parametrize("min_area_m2", [0.0, 30.0])
def test_a_window_is_outlined_as_if_nothing_lay_around_it(tmp_path, min_area_m2):
    values = blobs()
    window = Window(37, 21, 80, 66)
    rows, cols = window.slices
    alone = np.full_like(values, 255)
    alone[rows, cols] = values[rows, cols]
    for name, array, part in (("all", values, window), ("alone", alone, None)):
        path = write_raster(tmp_path / f"{name}.tif", array, ROTATED, "EPSG:32611", nodata=255)
        polygonise(path, tmp_path / f"{name}.gpkg", CLASSES, min_area_m2=min_area_m2, window=part)
    (meta, one, fields), (_, two, others) = read(tmp_path / "all.gpkg"), read(tmp_path / "alone.gpkg")
    assert meta["crs"] == "EPSG:32611"
    np.testing.assert_array_equal(fields["value"], others["value"])
    np.testing.assert_allclose(fields["area_m2"], others["area_m2"], rtol=1e-6)
    assert shapely.equals_exact(one, two, tolerance=1e-6).all()


def test_an_open_geopackage_is_not_replaced_under_its_log(tmp_path):
    """SQLite would apply the old file's log to the new one."""
    path = write_raster(tmp_path / "map.tif", blobs(), NORTH_UP, "EPSG:32633", nodata=255)
    out = tmp_path / "map.gpkg"
    polygonise(path, out, CLASSES)
    with sqlite3.connect(out) as one, contextlib.closing(sqlite3.connect(out)) as other:
        one.execute("PRAGMA journal_mode=WAL")
        one.execute("CREATE TABLE note (text)")
        one.commit()
        with pytest.raises(OutputError, match=r"map\.gpkg is open in another program.*map\.gpkg-wal"):
            check_output(out)
        assert other.execute("SELECT count(*) FROM note").fetchone() == (0,)
    one.close()
    check_output(out)
    (tmp_path / "map.gpkg-wal").touch()  # empty: nothing is lost
    (tmp_path / "map.gpkg-shm").write_bytes(b"x")
    check_output(out)
    polygonise(path, out, CLASSES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.gpkg", "map.tif"]
