"""Scene classification of the parcels of a raster, into a GeoPackage."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

import nirlora
from classify_sets import KINDS, make_parcel_field
from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.errors import LabelsError, MismatchError, ModelError, OptionError, OutputError
from nirlora.models.bundle import read_bundle
from nirlora.protocol import ClassifyPredictRequest, ClassifyTrainRequest, LayerRef, SegmentRequest


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return make_parcel_field(tmp_path_factory.mktemp("field"))


def request_for(raster, parcels, folder, **changes):
    base = ClassifyTrainRequest(
        layers=(LayerRef(str(raster), str(parcels)),),
        out=str(folder / "model.nirlora"),
        backbone="vit-demo",
        pretrained=False,
        adapter="full",
        chip_px=32,
        batch=8,
        epochs=3,
        steps_per_epoch=15,
        val_fraction=0.25,
        device="cpu",
        report=False,
    )
    return replace(base, **changes)


@pytest.fixture(scope="module")
def trained(field, tmp_path_factory):
    raster, parcels, _ = field
    return nirlora.classify_train(request_for(raster, parcels, tmp_path_factory.mktemp("model"), report=True))


def predict(trained, raster, parcels, folder, **changes):
    base = ClassifyPredictRequest(
        model=trained.model,
        layer=LayerRef(str(raster)),
        parcels=str(parcels),
        out=str(folder / "out.gpkg"),
        device="cpu",
    )
    return nirlora.classify_predict(replace(base, **changes))


def columns(path):
    """(meta, geometries, name -> values) of a vector file."""
    meta, _, wkb, data = pyogrio.raw.read(path)
    return meta, shapely.from_wkb(wkb), dict(zip(meta["fields"], data, strict=True))


def test_it_learns_and_what_it_says_is_right(trained):
    assert [c.name for c in trained.classes] == list(KINDS)
    assert trained.metrics["accuracy"] == 1.0
    assert sum(c["count"] for c in trained.metrics["classes"].values()) > 6
    assert "14 parcel(s) have no value in field 'class'; skipped." in trained.warnings
    assert "held-out parcels are classified rightly" in Path(trained.report).read_text(encoding="utf-8")
    card = read_bundle(trained.model)[0]
    assert card.transform["channels"][0]["name"] == "nir"
    assert (card.chip_px, card.zoom) == (32, 1.0)


def test_the_class_goes_into_a_copy_of_the_parcels(trained, field, tmp_path):
    raster, parcels, classes = field
    before = parcels.read_bytes()
    result = predict(trained, raster, parcels, tmp_path, class_field="class", probabilities=True)
    assert parcels.read_bytes() == before
    meta, outlines, fields = columns(result.out)
    old_meta, old_outlines, old = columns(parcels)
    assert meta["crs"] == old_meta["crs"] == "EPSG:32633"
    assert shapely.equals_exact(outlines, old_outlines).all()
    for name, values in old.items():
        np.testing.assert_array_equal(fields[name], values)
    assert list(fields["predicted"]) == classes  # those without a class in the file too
    p = np.stack([fields[f"p_{kind}"] for kind in KINDS])
    np.testing.assert_allclose(p.sum(0), 1)
    np.testing.assert_allclose(p.max(0), fields["confidence"])
    assert result.counts == {kind: classes.count(kind) for kind in KINDS}
    assert result.metrics["accuracy"] == 1.0
    assert sum(c["count"] for c in result.metrics["classes"].values()) == len(classes) - 14
    assert sum("parcels of fields.gpkg; they count in the accuracy" in w for w in result.warnings) == 1


def test_the_accuracy_says_what_is_not_in_it(trained, field, tmp_path):
    raster, _, _ = field
    t = grid_transform()
    boxes = [(4, 4, "bare"), (36, 4, "lake"), (-200, 4, "crop")]
    features = [(pixel_box(t, col, row, 24, 24), {"class": kind}) for col, row, kind in boxes]
    polygons = make_polygons(tmp_path / "p.gpkg", features)
    result = predict(trained, raster, polygons, tmp_path, class_field="class")
    assert sum(c["count"] for c in result.metrics["classes"].values()) == 1
    assert result.warnings[-2:] == (
        "1 parcel(s) are of a class that the model does not know (lake); they are not in the accuracy.",
        "1 parcel(s) of a known class are unclassified and not in the accuracy.",
    )


def test_parcels_in_another_crs_keep_it(trained, field, tmp_path):
    raster, parcels, classes = field
    import pyproj

    to_degrees = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    _, outlines, _ = columns(parcels)
    moved = shapely.transform(outlines, lambda xy: np.column_stack(to_degrees.transform(*xy.T)))
    other = make_polygons(
        tmp_path / "degrees.geojson", [(g, {"n": i}) for i, g in enumerate(moved)], crs="EPSG:4326"
    )
    result = predict(trained, raster, other, tmp_path)
    meta, out, fields = columns(result.out)
    assert meta["crs"] == "EPSG:4326"
    np.testing.assert_allclose(shapely.bounds(out), shapely.bounds(moved), atol=1e-9)
    assert list(fields["predicted"]) == classes


def test_parcels_without_pixels_stay_unclassified(trained, field, tmp_path):
    """Outside, on nodata, without a geometry: null class and confidence, and said so."""
    raster, _, _ = field
    t = grid_transform()
    features = [
        (pixel_box(t, -200, 10, 20, 20), {"id": 1}),
        (pixel_box(t, 4, 4, 24, 24), {"id": 2}),
        (None, {"id": 3}),
    ]
    polygons = make_polygons(tmp_path / "p.gpkg", features)
    result = predict(trained, raster, polygons, tmp_path)
    _, _, fields = columns(result.out)
    assert [v is None for v in fields["predicted"]] == [True, False, True]
    assert np.isnan(fields["confidence"]).tolist() == [True, False, True]
    assert list(fields["id"]) == [1, 2, 3]
    assert result.unclassified == 2
    assert any("1 of 2 parcel(s) lie outside the raster" in w for w in result.warnings)


def holed(field, folder):
    """The raster with nodata on half of the second parcel and on all of the third."""
    import rasterio

    raster, parcels, classes = field
    with rasterio.open(raster) as file:
        data = file.read()
    data[:, 4:28, 36:48] = 0
    data[:, 4:28, 68:92] = 0
    return make_raster(folder / "holed.tif", data, descriptions=("NIR",), nodata=0), parcels, classes


def test_nodata_inside_parcels_is_not_looked_at(trained, field, tmp_path):
    raster, parcels, classes = holed(field, tmp_path)
    result = predict(trained, raster, parcels, tmp_path)
    _, _, fields = columns(result.out)
    assert fields["predicted"][2] is None
    assert [v for i, v in enumerate(fields["predicted"]) if i != 2] == [
        c for i, c in enumerate(classes) if i != 2
    ]
    assert "1 parcel(s) have no valid pixel; not classified." in result.warnings
    learnt = nirlora.classify_train(request_for(raster, parcels, tmp_path, epochs=1))
    assert "1 parcel(s) have no valid pixel; skipped." in learnt.warnings


def test_parcels_smaller_than_a_pixel_and_larger_than_a_chip(trained, field, tmp_path):
    raster, _, classes = field
    t = grid_transform()
    whole_row = shapely.union_all([pixel_box(t, 4 + 32 * k, 4, 24, 24) for k in (0, 3, 6)])
    features = [(pixel_box(t, 12.3, 14.3, 0.2, 0.2), {"id": 1}), (whole_row, {"id": 2})]
    polygons = make_polygons(tmp_path / "p.gpkg", features, geometry_type="MultiPolygon")
    assert classes[0] == classes[3] == classes[6]  # a parcel of three parts, 216 px apart at most
    result = predict(trained, raster, polygons, tmp_path)
    _, outlines, fields = columns(result.out)
    assert list(fields["predicted"]) == [classes[0]] * 2
    assert shapely.get_num_geometries(outlines).tolist() == [1, 3]


def test_rotated_rasters(trained, tmp_path):
    """The same scene on a turned grid, drawn in the turned CRS coordinates."""
    rng = np.random.default_rng(0)
    values = np.where(np.arange(96) // 32 % 2 == 0, 8200, 2600)[None] + rng.normal(0, 100, (40, 96))
    turned = grid_transform(rotation=30)
    raster = make_raster(
        tmp_path / "r.tif", values.astype("uint16"), rotation=30, descriptions=("NIR",), nodata=0
    )
    boxes = [(pixel_box(turned, 32 * k + 6, 8, 20, 24), {"k": k}) for k in range(3)]
    result = predict(trained, raster, make_polygons(tmp_path / "p.gpkg", boxes), tmp_path)
    assert list(columns(result.out)[2]["predicted"]) == ["bare", "wood", "bare"]


def test_held_out_parcels_lie_apart_from_training_parcels(tmp_path):
    """Two clusters per class; the members of a cluster are never parted."""
    rng = np.random.default_rng(0)
    t, features = grid_transform(), []
    values = np.full((200, 640), 5000.0)
    for cluster in range(10):
        kind, level = (("low", 1500), ("high", 8500))[cluster % 2]
        for part in range(3):
            row, col = 10 + 60 * part // 3, 64 * cluster + 4
            values[row : row + 18, col : col + 18] = level + rng.normal(0, 100, (18, 18))
            features.append((pixel_box(t, col, row, 18, 18), {"class": kind}))
    raster = make_raster(tmp_path / "r.tif", values.astype("uint16"), descriptions=("NIR",), nodata=0)
    parcels = make_polygons(tmp_path / "r.gpkg", features)
    result = nirlora.classify_train(request_for(raster, "", tmp_path, epochs=1, val_fraction=0.3))
    import json

    split = json.loads(Path(result.split).read_text())
    cluster = {f"{parcels.name}#{i}": i // 3 for i in range(30)}
    sides = {side: {cluster[name] for name in split[side]} for side in ("train", "val")}
    assert sides["train"] | sides["val"] == set(range(10))
    assert not sides["train"] & sides["val"]
    assert 6 <= len(split["val"]) <= 12


def test_several_rasters(field, tmp_path):
    raster, parcels, _ = field
    (tmp_path / "b").mkdir()
    other = make_parcel_field(tmp_path / "b", across=4, down=3)
    request = request_for(raster, parcels, tmp_path, epochs=1)
    both = replace(request, layers=(*request.layers, LayerRef(str(other[0]), str(other[1]))))
    result = nirlora.classify_train(both)
    names = Path(result.split).read_text()
    assert '"0:fields.tif:fields.gpkg#1"' in names
    assert '"1:fields.tif:fields.gpkg#1"' in names


def test_a_model_of_another_scale_is_refused(trained, field, tmp_path):
    import rasterio

    raster, parcels, _ = field
    with rasterio.open(raster) as file:
        data = file.read().astype("float32") / 1e4
    reflectance = make_raster(tmp_path / "r.tif", data, descriptions=("NIR",), nodata=0)
    with pytest.raises(MismatchError, match="times smaller than in training"):
        predict(trained, reflectance, parcels, tmp_path)
    assert not (tmp_path / "out.gpkg").exists()


def test_fields_of_the_same_name_are_left_alone(trained, field, tmp_path):
    raster, _, _ = field
    box = pixel_box(grid_transform(), 4, 4, 24, 24)
    polygons = make_polygons(tmp_path / "p.gpkg", [(box, {"Predicted": "by hand", "fid": 7})])
    result = predict(trained, raster, polygons, tmp_path)
    _, _, fields = columns(result.out)
    assert (fields["Predicted"][0], fields["predicted_2"][0]) == ("by hand", "bare")
    assert "The parcels have a field 'predicted' already; the new one is 'predicted_2'." in result.warnings


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"parcels": ""}, OptionError, "nothing to classify"),
        ({"layer": None}, OptionError, "nothing to classify"),
        ({"images": "x"}, OptionError, "Images and parcels"),
        ({"class_field": "kind"}, LabelsError, "no field 'kind'"),
        ({"batch": 0}, OptionError, "--batch"),
        ({"model": "nowhere.nirlora"}, ModelError, "no model file"),
    ],
)
def test_what_cannot_be_predicted(trained, field, tmp_path, changes, error, words):
    asked = ClassifyPredictRequest(
        trained.model, layer=LayerRef(str(field[0])), parcels=str(field[1]), out=str(tmp_path / "o.gpkg")
    )
    with pytest.raises(error, match=words):
        nirlora.classify_predict(replace(asked, **changes))
    assert not list(tmp_path.iterdir())


def test_the_parcels_are_never_overwritten(trained, field):
    raster, parcels, _ = field
    with pytest.raises(OutputError, match="is the input itself"):
        predict(trained, raster, parcels, parcels.parent, out=str(parcels))


def test_cancelling_a_prediction_leaves_nothing(trained, field, tmp_path):
    def stop(message):
        if message.stage == "classify":
            raise nirlora.JobCancelled

    asked = ClassifyPredictRequest(
        model=trained.model,
        layer=LayerRef(str(field[0])),
        parcels=str(field[1]),
        out=str(tmp_path / "o.gpkg"),
    )
    with pytest.raises(nirlora.JobCancelled):
        nirlora.classify_predict(asked, stop)
    assert not list(tmp_path.iterdir())


def test_maps_are_not_drawn_with_it(trained, field, tmp_path):
    with pytest.raises(ModelError, match="gives one class to a whole image or parcel"):
        nirlora.segment(SegmentRequest(LayerRef(str(field[0])), trained.model, out=str(tmp_path / "m.tif")))
    assert not list(tmp_path.iterdir())
