"""Exporting from request to file, and maps drawn with the exported model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

import nirlora
from data.make_data import make_raster, pattern
from exported import make_model
from nirlora.errors import BandsError, ModelError, OptionError, OutputError
from nirlora.info import describe
from nirlora.models.onnx_metadata import read_metadata, read_onnx
from nirlora.onnx_export.graph import ExportedNetwork
from nirlora.protocol import ExportRequest, LayerRef, SegmentRequest


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A raster of several tiles with a hole, and a model for it."""
    folder = tmp_path_factory.mktemp("field")
    data = pattern(1, 90, 130)
    data[:, 20:50, 30:70] = 0
    raster = make_raster(folder / "field.tif", data, descriptions=("NIR",), nodata=0)
    return raster, make_model(folder / "field.nirlora", raster, head="detail", zoom=1.0)


@pytest.fixture(scope="module")
def exported(field):
    return nirlora.export(ExportRequest(model=str(field[1]), tile_px=48))


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_result_says_what_was_compared(field, exported):
    assert exported.onnx == str(field[1].with_suffix(".onnx"))
    assert exported.tile_px == 48
    assert exported.chips == f"{exported.num_chips} tiles of {field[0]}"
    assert exported.num_chips > 3
    assert 0 < exported.max_difference < 1e-3
    assert exported.agreement > 0.999
    assert exported.size_bytes == Path(exported.onnx).stat().st_size
    assert exported.warnings == ()
    assert names(field[1].parent) == ["field.nirlora", "field.onnx", "field.tif"]


def drawn(raster: Path, model: str, folder: Path, **changes) -> tuple[np.ndarray, np.ndarray]:
    request = SegmentRequest(
        layer=LayerRef(str(raster)), model=model, out=str(folder / "map.tif"), confidence=True, device="cpu"
    )
    nirlora.segment(replace(request, **changes))
    bands = []
    for name in ("map.tif", "map_confidence.tif"):
        with rasterio.open(folder / name) as file:
            bands.append(file.read(1))
    return bands[0], bands[1].astype(int)


def test_the_same_map_as_the_original(field, exported, tmp_path):
    """Through the same tiles, blending and nodata; only pixels on a knife's edge may fall otherwise."""
    raster, model = field
    ours, our_confidence = drawn(raster, str(model), tmp_path, tile_px=48)
    theirs, their_confidence = drawn(raster, exported.onnx, tmp_path)
    assert (ours == theirs).mean() > 0.999
    assert np.array_equal(ours == 255, theirs == 255)
    assert abs(our_confidence - their_confidence).max() <= 1
    assert len(np.unique(ours[ours < 255])) > 1, "a map of one class compares nothing"


@pytest.mark.parametrize("shape", [(20, 30), (100, 17), (48, 48)])
def test_rasters_smaller_than_a_tile(field, exported, tmp_path, shape):
    small = make_raster(tmp_path / "small.tif", pattern(1, *shape), descriptions=("NIR",))
    classes, _ = drawn(small, exported.onnx, tmp_path)
    assert classes.shape == shape
    assert (classes < 3).all()


def test_areas_of_interest(field, exported, tmp_path):
    from data.make_data import grid_transform, make_polygons, pixel_box

    aoi = make_polygons(tmp_path / "a.gpkg", [(pixel_box(grid_transform(), 80, 60, 20, 10), {"id": 1})])
    classes, _ = drawn(field[0], exported.onnx, tmp_path, aoi=str(aoi))
    inside = np.zeros(classes.shape, bool)
    inside[60:70, 80:100] = True
    assert np.array_equal(classes < 255, inside)


def test_another_raster_is_checked_as_ever(exported, tmp_path):
    tenfold = make_raster(tmp_path / "r.tif", pattern(1).astype("float32") / 1e5, descriptions=("NIR",))
    with pytest.raises(nirlora.NirLoraError, match="smaller than in training"):
        drawn(tenfold, exported.onnx, tmp_path)
    red = make_raster(tmp_path / "red.tif", descriptions=("red",))
    with pytest.raises(BandsError):
        drawn(red, exported.onnx, tmp_path)


def test_zoomed_models(field, tmp_path):
    raster = field[0]
    model = make_model(tmp_path / "m.nirlora", raster, zoom=2.0)
    done = nirlora.export(ExportRequest(model=str(model), tile_px=30))
    assert done.tile_px == 32, "whole patches of 8 model pixels"
    assert read_onnx(done.onnx)[1].input_px == 64
    ours, _ = drawn(raster, str(model), tmp_path, tile_px=32)
    theirs, _ = drawn(raster, done.onnx, tmp_path)
    assert (ours == theirs).mean() > 0.999


def test_evaluating_an_exported_model(field, exported, tmp_path):
    truth, _ = drawn(field[0], exported.onnx, tmp_path)
    labels = make_raster(tmp_path / "labels.tif", truth, nodata=255)
    request = nirlora.protocol.EvaluateRequest(
        layer=LayerRef(str(field[0]), str(labels)), model=exported.onnx, device="cpu"
    )
    with pytest.raises(nirlora.NirLoraError, match="none in common"):
        nirlora.evaluate(request)  # the label raster's classes have no names


def test_info_knows_exported_files(exported):
    facts = describe(exported.onnx)
    assert facts["kind"] == "model"
    assert facts["tile_px"] == 48
    assert [c["name"] for c in facts["classes"]] == ["soil", "crop", "Bäume"]
    json.dumps(facts)


def test_noise_when_there_is_no_raster(tmp_path):
    moved = make_raster(tmp_path / "moved.tif", descriptions=("NIR",))
    model = make_model(tmp_path / "m.nirlora", moved)
    moved.unlink()
    done = nirlora.export(ExportRequest(model=str(model), num_chips=2))
    assert done.chips == "noise of the training range"
    assert done.num_chips == 2
    assert "Give one with --layer" in done.warnings[0]


def test_a_raster_that_does_not_fit_is_an_error(field, tmp_path):
    red = make_raster(tmp_path / "red.tif", descriptions=("red",))
    out = tmp_path / "m.onnx"
    with pytest.raises(BandsError):
        nirlora.export(ExportRequest(model=str(field[1]), out=str(out), layer=LayerRef(str(red))))
    assert names(tmp_path) == ["red.tif"]


def request_to(field, folder: Path, **changes) -> ExportRequest:
    return ExportRequest(model=str(field[1]), out=str(folder / "m.onnx"), tile_px=32, num_chips=2, **changes)


@pytest.mark.parametrize("changes", [{"max_difference": 1e-12}, {"min_agreement": 0.9}])
def test_a_graph_that_differs_is_refused_and_the_old_file_stays(field, tmp_path, monkeypatch, changes):
    nirlora.export(request_to(field, tmp_path))
    before = (tmp_path / "m.onnx").read_bytes()
    if "min_agreement" in changes:
        monkeypatch.setattr(ExportedNetwork, "forward", flipped(ExportedNetwork.forward))
        changes = {"max_difference": 1e9}
    with pytest.raises(ModelError, match="differs from the original") as caught:
        nirlora.export(request_to(field, tmp_path, **changes))
    assert caught.value.code == "export_differs"
    assert names(tmp_path) == ["m.onnx"]
    assert (tmp_path / "m.onnx").read_bytes() == before


def flipped(forward):
    """The first class in place of the last."""
    return lambda self, image: forward(self, image).flip(1)


@pytest.mark.parametrize("stage", ["prepare", "export", "compare"])
def test_stopped_at_any_stage_nothing_is_left_behind(field, tmp_path, stage):
    def stop(progress):
        if progress.stage == stage:
            raise nirlora.JobCancelled

    with pytest.raises(nirlora.JobCancelled):
        nirlora.export(request_to(field, tmp_path), stop)
    assert names(tmp_path) == []


def test_what_is_no_earlier_export_is_not_replaced(field, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"somebody's model")
    with pytest.raises(OutputError, match="no earlier export"):
        nirlora.export(request_to(field, tmp_path))
    assert (tmp_path / "m.onnx").read_bytes() == b"somebody's model"


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"out": "m.tif"}, OptionError, "is an ONNX file, but --out is m.tif"),
        ({"out": "nowhere/m.onnx"}, OutputError, "There is no folder"),
        ({"model": "m.onnx"}, ModelError, "exported already"),
        ({"model": "m.nirlora"}, ModelError, "There is no model file"),
        ({"num_chips": 0}, OptionError, "--num-chips is 0"),
        ({"tile_px": -1}, OptionError, "--tile-px is -1"),
        ({"tile_px": 8192, "model": "zoomed"}, OptionError, "more than 8192"),
        ({"min_agreement": 1.5}, OptionError, "--min-agreement is 1.5"),
        ({"max_difference": float("nan")}, OptionError, "--max-difference is nan"),
    ],
)
def test_requests_without_sense(field, tmp_path, monkeypatch, changes, error, match):
    monkeypatch.chdir(tmp_path)
    if changes.get("model") == "zoomed":
        changes = changes | {"model": str(make_model(tmp_path / "z.nirlora", field[0], zoom=2.0))}
    with pytest.raises(error, match=match):
        nirlora.export(replace(request_to(field, tmp_path), **changes))
    assert not list(tmp_path.glob("*.onnx*"))


def test_the_file_says_nothing_about_this_machine_but_the_card(field, exported):
    data = Path(exported.onnx).read_bytes()
    for text in read_metadata(exported.onnx).values():
        data = data.replace(text.encode(), b"")
    assert b"/backend/nirlora" not in data
    assert b"site-packages" not in data


def test_the_same_model_gives_the_same_bytes(field, tmp_path):
    first, second = (
        Path(nirlora.export(replace(request_to(field, tmp_path), out=str(tmp_path / name))).onnx).read_bytes()
        for name in ("a.onnx", "b.onnx")
    )
    assert first == second
