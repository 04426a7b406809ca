"""Segmenting from request to files: what is left when it is stopped, and what it does not overwrite."""

from dataclasses import replace

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from training_field import make_field

import nirlora
from data.make_data import make_polygons, make_raster, pixel_box
from nirlora.errors import OutputError
from nirlora.protocol import LayerRef, SegmentRequest, TrainRequest


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    field = make_field(tmp_path_factory.mktemp("trained"))
    layers = (LayerRef(str(field.raster)),)
    model = nirlora.train(
        TrainRequest(
            layers=layers, backbone="vit-demo", pretrained=False, adapter="frozen", head="linear", chip_px=32,
            batch=2, epochs=1, steps_per_epoch=2, device="cpu", report=False,
        )
    ).model  # fmt: skip
    return SegmentRequest(layer=layers[0], model=model, device="cpu", probabilities=True)


def asked(trained, folder, **changes):
    return replace(trained, out=str(folder / "map.tif"), polygons=str(folder / "map.gpkg"), **changes)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_everything_is_written_and_may_be_written_again(trained, tmp_path):
    for _ in range(2):
        done = nirlora.segment(asked(trained, tmp_path))
        assert names(tmp_path) == [
            "map.gpkg", "map.qml", "map.tif", "map.tif.aux.xml", "map_areas.csv", "map_probabilities.tif",
        ]  # fmt: skip
    assert sorted(done.outputs) == ["areas", "map", "polygons", "probabilities", "style"]


def test_all_outputs_of_one_run_tell_the_same(trained, tmp_path):
    """Map, confidence, probabilities, polygons and areas, with a hole in the raster and a farm in it."""
    with rasterio.open(trained.layer.path) as file:
        values, transform = file.read(), file.transform
    values[:, 30:50, 10:40] = 0
    raster = make_raster(tmp_path / "r.tif", values, transform=transform, nodata=0, descriptions=("NIR",))
    farm = make_polygons(
        tmp_path / "farm.gpkg", [(pixel_box(transform, 20, 8, 70, 60), {"name": "Home farm"})]
    )
    out = tmp_path / "out"
    out.mkdir()
    request = asked(trained, out, layer=LayerRef(str(raster)), aoi=str(farm), confidence=True)
    done = nirlora.segment(replace(request, min_area_m2=30.0))
    inside = np.zeros(values.shape[1:], bool)
    inside[8:68, 20:90] = True
    inside &= values[0] != 0
    with rasterio.open(done.map) as file:
        classes = file.read(1)
    np.testing.assert_array_equal(classes != 255, inside)
    with rasterio.open(done.outputs["confidence"]) as file:
        confidence = file.read(1)
    with rasterio.open(done.outputs["probabilities"]) as file:
        percent = file.read()
        assert file.descriptions == tuple(c.name for c in done.classes)
    assert (confidence[~inside] == 255).all()
    assert (percent[:, ~inside] == 255).all()
    known = percent[:, inside].astype(int)
    assert (abs(known.sum(axis=0) - 100) <= len(done.classes)).all()  # rounded, each
    np.testing.assert_array_equal(known.max(axis=0), confidence[inside])
    np.testing.assert_array_equal(
        np.take_along_axis(known, classes[inside][None].astype(int), 0)[0], confidence[inside]
    )
    assert [a.pixels for a in done.areas] == [int((classes == c.value).sum()) for c in done.classes]
    assert sum(a.pixels for a in done.areas) == done.valid_pixels == inside.sum()
    geometry, area_m2 = pyogrio.raw.read(done.outputs["polygons"], columns=["area_m2"])[2:]
    shapes = shapely.from_wkb(geometry)
    assert area_m2[0].min() >= 29.9
    assert shapely.area(shapes).sum() == pytest.approx(inside.sum())  # pixels of 1 m², none lost
    assert shapely.box(*shapely.total_bounds(shapes)).within(pixel_box(transform, 20, 8, 70, 60).buffer(1e-6))


@pytest.mark.parametrize("at", ["tile", "writing overviews", "drawing polygons"])
def test_stopped_at_any_moment_nothing_is_left_behind(trained, tmp_path, at):
    def stop(progress):
        if progress.message.startswith(at):
            raise nirlora.JobCancelled

    with pytest.raises(nirlora.JobCancelled):
        nirlora.segment(asked(trained, tmp_path), stop)
    assert names(tmp_path) == []


def test_polygons_that_fail_leave_no_map_without_them(trained, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OutputError("No space left on device.")

    monkeypatch.setattr("nirlora.inference.segment.polygonise", fail)
    with pytest.raises(OutputError, match="No space"):
        nirlora.segment(asked(trained, tmp_path))
    assert names(tmp_path) == []


def test_files_that_are_no_map_are_not_replaced(trained, tmp_path):
    """The labels that training finds beside field.tif are called field.gpkg."""
    labels = make_field(tmp_path).labels
    before = labels.read_bytes()
    with pytest.raises(OutputError, match=r"field_training\.gpkg exists and is no earlier map"):
        nirlora.segment(replace(asked(trained, tmp_path), polygons=str(labels)))
    assert labels.read_bytes() == before
    other = make_raster(tmp_path / "map.tif")
    before = other.read_bytes()
    with pytest.raises(OutputError, match=r"map\.tif exists and is no earlier map"):
        nirlora.segment(asked(trained, tmp_path))
    assert other.read_bytes() == before
