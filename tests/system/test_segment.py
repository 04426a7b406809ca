"""Segmenting from request to files: what is left when it is stopped, and what it does not overwrite."""

from dataclasses import replace

import pytest
from training_field import make_field

import nirlora
from data.make_data import make_raster
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
