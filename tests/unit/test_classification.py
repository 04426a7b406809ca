"""Parts of scene classification: splits, scores, draws, token weights, parcels on the grid, their copy."""

from __future__ import annotations

import warnings

import numpy as np
import pyogrio
import pytest
import shapely
import torch

from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.classification.config import learning_rates, parcel_sizes, steps_per_epoch
from nirlora.classification.image_files import labelled_images
from nirlora.classification.images import random_crop
from nirlora.classification.loop import predict
from nirlora.classification.parcels import MAX_VIEWS, ParcelSamples, RasterParcel, chip_windows
from nirlora.classification.predictions import Predictions
from nirlora.classification.report import mistakes
from nirlora.classification.samples import Draws, View, ViewSpec, token_weights
from nirlora.classification.scores import confusion_matrix, summarise_classes
from nirlora.classification.split import split_images
from nirlora.errors import LabelsError
from nirlora.protocol import ClassifyTrainRequest
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from nirlora.training.accelerator import make_accelerator
from nirlora.vector.parcel_writer import copy_with_fields, free_name
from nirlora.vector.parcels import inside, open_parcels, usable_spots


def test_uc_merced_at_80_to_20_tests_420_images():
    values = np.repeat(np.arange(21), 100)
    split = split_images(values, 0.2, seed=5)
    assert (len(split.train), len(split.val)) == (1680, 420)
    assert np.bincount(values[list(split.val)]).tolist() == [20] * 21
    assert sorted(split.train + split.val) == list(range(2100))
    assert split == split_images(values, 0.2, seed=5)
    assert split.val != split_images(values, 0.2, seed=6).val


@pytest.mark.parametrize(
    ("count", "fraction", "held"), [(2, 0.01, 1), (2, 0.95, 1), (1, 0.5, 0), (10, 0.0, 0)]
)
def test_a_class_is_never_all_held_out(count, fraction, held):
    split = split_images([0] * count + [1] * 10, fraction, seed=0)
    assert sum(i < count for i in split.val) == held


def table(path, *rows, encoding="utf-8"):
    path.write_text("\n".join(["image,class", *rows]) + "\n", encoding=encoding)
    return str(path)


def test_a_table_means_the_same_in_any_order_and_with_a_spreadsheets_mark(tmp_path):
    rows = ["b.png,crop", "d.png,wood", "a.png,crop", "c.png,wood"]
    found = labelled_images(table(tmp_path / "a.csv", *rows))
    assert found.names == ("a.png", "b.png", "c.png", "d.png")
    assert found.values == (0, 0, 1, 1)
    assert labelled_images(table(tmp_path / "b.csv", *reversed(rows))) == found
    assert labelled_images(table(tmp_path / "c.csv", *rows, encoding="utf-8-sig")) == found


@pytest.mark.parametrize("again", ["a.png,crop", "a.png,wood", "./x/../a.png,crop", "{folder}/a.png,crop"])
def test_a_table_that_lists_an_image_twice(tmp_path, again):
    path = table(tmp_path / "t.csv", "a.png,crop", "", "b.png,wood", again.format(folder=tmp_path))
    with pytest.raises(LabelsError, match=r"Lines 2 and 5 of .*t\.csv hold the same image, .*a\.png\."):
        labelled_images(path)


def test_scores_of_a_matrix_by_hand():
    truth = np.array([0, 0, 0, 1, 1, -1, 2])
    predicted = np.array([0, 1, 0, 1, 0, 2, -1])
    matrix = confusion_matrix(truth, predicted, 3)
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    scores = summarise_classes(matrix, ("a", "b", "c"))
    assert scores["accuracy"] == 3 / 5
    assert scores["mean_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores["classes"]["a"] == {"accuracy": 2 / 3, "precision": 2 / 3, "count": 3}
    assert scores["classes"]["c"] == {"accuracy": None, "precision": None, "count": 0}
    assert scores["not_scored"] == ["c"]
    assert mistakes(matrix.tolist(), "abc") == [
        {"reference": "a", "prediction": "b", "count": 1},
        {"reference": "b", "prediction": "a", "count": 1},
    ]


def test_no_scores_without_a_reference():
    scores = summarise_classes(np.zeros((2, 2), np.int64), ("a", "b"))
    assert scores["accuracy"] is scores["mean_accuracy"] is None


def test_predictions_of_what_was_not_looked_at():
    p = Predictions(np.array([[0.2, 0.8], [np.nan, np.nan], [0.6, 0.4]]), ("a", "b"))
    assert p.values.tolist() == [1, -1, 0]
    assert p.names.tolist() == ["b", None, "a"]
    assert p.counts() == {"a": 1, "b": 1}
    assert p.scores([None, "b", "x"]) == {}
    assert p.scores(["b", "b", "b"])["confusion"] == [[0, 0], [1, 1]]


def test_what_is_in_no_score_is_said():
    p = Predictions(np.array([[0.2, 0.8], [np.nan, np.nan], [0.6, 0.4], [np.nan, np.nan]]), ("a", "b"))
    assert p.unscored([None, None, "a", None], "parcel") == []
    assert p.unscored(["b", "b", "lake", "bog"], "parcel") == [
        "2 parcel(s) are of a class that the model does not know (bog, lake); they are not in the accuracy.",
        "1 parcel(s) of a known class are unclassified and not in the accuracy.",
    ]


class Numbered:
    """Samples that show their number and where their random generator starts."""

    parallel = True

    def __len__(self):
        return 7

    def draw(self, index, rng):
        return View(np.full((1, 1, 1), index, np.float32), np.full((1, 1), rng.random(), np.float32))


def test_passes_show_every_sample_once_and_batches_depend_on_their_number_alone():
    values = np.arange(7) * 10
    draws = Draws(Numbered(), [0, 2, 3, 5, 6], values, batch=3, seed=1)
    batches = [draws.batch(step) for step in range(10)]
    seen = np.concatenate([x[:, 0, 0, 0] for x, _, _ in batches]).reshape(6, 5)
    assert [sorted(row) for row in seen.tolist()] == [[0, 2, 3, 5, 6]] * 6
    assert len({tuple(row) for row in seen.tolist()}) > 1
    assert all((y == 10 * x[:, 0, 0, 0]).all() for x, _, y in batches)
    other = Draws(Numbered(), [0, 2, 3, 5, 6], values, batch=3, seed=1, threads=2)
    for step in (9, 4, 0):
        for mine, theirs in zip(other.batch(step), batches[step], strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_token_weights_are_shares_of_pixels():
    counts = np.zeros((6, 6), bool)
    counts[:3, :2] = True
    assert token_weights(counts, 2).tolist() == pytest.approx(np.array([[2 / 3, 0], [0, 0]]))
    uneven = token_weights(counts, 4)  # tokens of 1.5 px
    assert uneven[:2, 0] == pytest.approx([1, 1])
    assert uneven[0, 1] == pytest.approx(1 / 3)
    assert uneven.sum() * 1.5**2 == pytest.approx(counts.sum())


def test_random_crops_lie_inside_and_show_half_at_least():
    rng = np.random.default_rng(0)
    for _ in range(300):
        window = random_crop(61, 40, rng)
        assert window.intersection(Window(0, 0, 61, 40)) == window
        assert window.width * window.height > 0.45 * 61 * 40


@pytest.mark.parametrize(
    ("parcel_px", "patch", "stride", "chip"),
    [(20, 8, 8, 64), (100, 8, 8, 128), (1000, 8, 8, 192), (40, 16, 16, 64), (40, 32, 8, 64)],
)
def test_chips_hold_a_typical_parcel(parcel_px, patch, stride, chip):
    sizes = parcel_sizes(ClassifyTrainRequest(), patch, stride, parcel_px)
    assert sizes.chip_px == chip
    assert sizes.input_px % patch == 0


def test_rates_and_epochs():
    assert learning_rates(ClassifyTrainRequest(learning_rate=0.5), 192) == (0.5, 0.5)
    head, lora = learning_rates(ClassifyTrainRequest(), 192)
    assert (head, lora) == pytest.approx((1e-2, 1.6e-3))
    assert [steps_per_epoch(ClassifyTrainRequest(batch=16), n) for n in (5, 320, 321)] == [20, 20, 21]


def parcel(outline, shape=(200, 200)):
    low, high = np.floor(outline.bounds[:2]).astype(int), np.ceil(outline.bounds[2:]).astype(int)
    window = Window(*low.tolist(), *(high - low).tolist())
    inner = [(c, r) for c in range(low[0], high[0], 5) for r in range(low[1], high[1], 5)]
    spots = np.array([p for p in inner if outline.covers(shapely.Point(p))], np.int64)
    return RasterParcel(0, type("P", (), {"window": window, "outline": outline})(), spots)


def test_windows_of_small_and_large_parcels():
    (one,) = chip_windows(parcel(shapely.box(50, 60, 70, 90)), 32)
    assert one == Window(44, 59, 32, 32)
    large = chip_windows(parcel(shapely.box(0, 0, 96, 40)), 32)
    assert {w.width for w in large} == {32}
    covered = shapely.union_all(
        [shapely.box(w.col_off, w.row_off, w.col_off + 32, w.row_off + 32) for w in large]
    )
    assert covered.covers(shapely.box(0, 0, 96, 40))
    assert len(large) == 6
    assert len(chip_windows(parcel(shapely.box(0, 0, 400, 400)), 32)) == MAX_VIEWS
    diagonal = shapely.Polygon([(0, 0), (20, 0), (199, 180), (199, 199), (180, 199), (0, 20)])
    assert all(
        diagonal.intersects(shapely.box(w.col_off, w.row_off, w.col_off + 32, w.row_off + 32))
        for w in chip_windows(parcel(diagonal), 32)
    )


class Empty:
    """A raster whose full resolution has no valid pixel where the thinned one had some."""

    def read(self, window, out_px):
        return np.zeros((1, *out_px), np.float32), np.zeros(window.shape, np.bool_)


class Even(torch.nn.Module):
    """Two classes, equally probable."""

    def forward(self, x, weight):
        return torch.zeros(len(x), 2)


@pytest.mark.parametrize("side", [20, 96])
def test_a_parcel_that_shows_nothing_is_classified_all_the_same(side):
    items = [parcel(shapely.box(0, 0, side, side))] * 2
    samples = ParcelSamples([Empty()], items, 32, ViewSpec(32, 8, (), ()))
    assert len(list(samples.views(0))) == 1
    found = dict(predict(Even(), samples, [0, 1], 4, make_accelerator(torch.device("cpu"))))
    assert {index: p.tolist() for index, p in found.items()} == {0: [0.5, 0.5], 1: [0.5, 0.5]}


def test_pixels_inside_an_outline():
    window = Window(10, 20, 4, 3)
    square = shapely.box(11, 21, 13, 23)
    assert inside(square, window).tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    assert inside(shapely.box(0, 0, 50, 50), window).all()
    assert not inside(shapely.box(0, 0, 5, 5), window).any()
    speck = shapely.box(11.1, 21.1, 11.2, 21.2)  # holds no centre: the pixel it touches
    assert inside(speck, window).tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    ring = shapely.box(10, 20, 14, 23) - shapely.box(11, 21, 12, 22)
    assert inside(ring, window).sum() == 11


@pytest.fixture
def source(tmp_path):
    data = np.full((1, 300, 300), 100, "uint8")
    data[:, :, 150:] = 0
    with open_raster(make_raster(tmp_path / "r.tif", data, nodata=0)) as file:
        yield file


@pytest.mark.parametrize(
    ("outline", "some"),
    [
        (shapely.box(10, 10, 20, 20), True),
        (shapely.box(0, 0, 300, 300), True),
        (shapely.box(160, 10, 290, 290), False),
        (shapely.box(149.2, 10.2, 149.4, 10.4), True),  # smaller than a pixel
        (shapely.Polygon([(0, 0), (0.4, 0), (140.4, 280), (140, 280)]), True),  # a thread between the centres
    ],
)
def test_usable_spots_are_valid_and_inside(source, outline, some):
    item = parcel(outline).parcel
    spots = usable_spots(item, source, [1])
    assert (len(spots) > 0) == some
    assert len(spots) <= 64 * 64
    touched = shapely.buffer(outline, 1)
    for col, row in spots[::97].tolist():
        assert col < 150
        assert touched.intersects(shapely.Point(col + 0.5, row + 0.5))


def test_parcels_of_several_parts_are_one(tmp_path, source):
    t = grid_transform()
    two = shapely.union_all([pixel_box(t, 10, 10, 5, 5), pixel_box(t, 40, 10, 5, 5)])
    path = make_polygons(
        tmp_path / "p.gpkg",
        [(two, {"class": "b"}), (pixel_box(t, 60, 60, 5, 5), {"class": None}), (None, {"class": "a"}),
         (pixel_box(t, 900, 900, 5, 5), {"class": "a"}), (pixel_box(t, 80, 80, 5, 5), {"class": "a"})],
        geometry_type="Unknown",
    )  # fmt: skip
    layer = open_parcels(path, source, "class")
    assert [(p.feature, p.name) for p in layer.parcels] == [(0, "b"), (4, "a")]
    assert (layer.features, layer.classes) == (5, ("a", "b"))
    assert layer.parcels[0].window == Window(10, 10, 35, 5)
    assert "1 of 4 parcel(s) lie outside the raster; skipped." in layer.warnings
    assert "1 parcel(s) have no value in field 'class'; skipped." in layer.warnings
    assert [p.feature for p in open_parcels(path, source).parcels] == [0, 1, 4]


def test_no_parcel_on_the_raster(tmp_path, source):
    path = make_polygons(tmp_path / "p.gpkg", [(pixel_box(grid_transform(), 900, 0, 5, 5), {"class": "a"})])
    with pytest.raises(LabelsError, match="no parcel that could be used"):
        open_parcels(path, source)


def test_a_copy_keeps_every_kind_of_attribute(tmp_path):
    """Nulls, whole numbers above 2^31, dates, truth, Z coordinates, names that a GeoPackage uses itself."""
    outlines = [shapely.force_3d(shapely.box(i, 0, i + 1, 1), 5.0) for i in range(3)]
    columns = {
        "fid": np.array([7, 8, 9], "int64"),
        "geom": np.array(["x", None, "z"], dtype=object),
        "count": np.array([2**40, 0, -1], "int64"),
        "small": np.array([1, 2, 3], "int16"),
        "day": np.array(["2024-05-01", "NaT", "2024-06-03"], "datetime64[D]"),
        "open": np.array([True, False, True]),
    }
    pyogrio.raw.write(
        tmp_path / "in.geojson",
        np.array([shapely.to_wkb(o) for o in outlines], dtype=object),
        list(columns.values()),
        list(columns),
        field_mask=[None, None, np.array([False, True, False]), None, None, None],
        geometry_type="Polygon Z",
        crs="EPSG:4326",
        driver="GeoJSON",
    )
    new = {"predicted": np.array(["a", None, "b"], dtype=object), "confidence": np.array([0.5, np.nan, 1.0])}
    notes = copy_with_fields(str(tmp_path / "in.geojson"), "in", tmp_path / "out.gpkg", new)
    assert notes == []
    meta, _, wkb, data = pyogrio.raw.read(tmp_path / "out.gpkg")
    got = dict(zip(meta["fields"], data, strict=True))
    assert list(got) == [*columns, *new]
    assert meta["crs"] == "EPSG:4326"
    assert (shapely.from_wkb(wkb) == np.array(outlines)).all()
    assert shapely.get_coordinates(shapely.from_wkb(wkb), include_z=True)[:, 2].tolist() == [5.0] * 15
    assert got["fid"].tolist() == [7, 8, 9]
    assert got["geom"].tolist() == ["x", None, "z"]
    assert np.isnan(got["count"][1])
    assert got["count"][[0, 2]].tolist() == [2**40, -1]
    types = dict(zip(meta["fields"], meta["ogr_types"], strict=True))
    assert (types["count"], types["day"], types["confidence"]) == ("OFTInteger64", "OFTDate", "OFTReal")
    assert got["day"].astype(str).tolist() == ["2024-05-01", "NaT", "2024-06-03"]
    assert got["open"].tolist() == [True, False, True]
    assert got["predicted"].tolist() == ["a", None, "b"]
    assert np.isnan(got["confidence"]).tolist() == [False, True, False]


@pytest.mark.parametrize(("z", "wanted"), [(False, "MultiPolygon"), (True, "MultiPolygon Z")])
def test_a_shapefile_with_features_of_several_parts_becomes_a_layer_of_them(tmp_path, z, wanted):
    one, two = shapely.box(0, 0, 1, 1), shapely.union_all([shapely.box(2, 0, 3, 1), shapely.box(4, 0, 5, 1)])
    outlines = [shapely.force_3d(o, 5.0) if z else o for o in (one, two)]
    path = make_polygons(
        tmp_path / "in.shp",
        [(o, {"id": i}) for i, o in enumerate(outlines)],
        geometry_type="Polygon Z" if z else "Polygon",
    )
    new = {"predicted": np.array(["a", "b"], dtype=object)}
    assert copy_with_fields(str(path), "in", tmp_path / "out.gpkg", new) == []
    meta, _, wkb, _ = pyogrio.raw.read(tmp_path / "out.gpkg")
    assert meta["geometry_type"] == wanted
    copied = shapely.from_wkb(wkb)
    assert shapely.get_num_geometries(copied).tolist() == [1, 2]
    assert set(shapely.get_type_id(copied)) == {shapely.GeometryType.MULTIPOLYGON}
    assert shapely.equals(copied, outlines).all()
    assert shapely.has_z(copied).all() == z


def test_what_the_copy_says_is_passed_on_but_not_that_a_crs_is_missing(tmp_path, monkeypatch):
    path = make_polygons(tmp_path / "in.gpkg", [(shapely.box(0, 0, 1, 1), {"id": 1})], crs=None)
    new = {"predicted": np.array(["a"], dtype=object)}
    assert copy_with_fields(str(path), "in", tmp_path / "out.gpkg", new) == []
    write = pyogrio.raw.write

    def grumble(*args, **options):
        warnings.warn("features were changed", RuntimeWarning, stacklevel=2)
        write(*args, **options)

    monkeypatch.setattr(pyogrio.raw, "write", grumble)
    said = copy_with_fields(str(path), "in", tmp_path / "out.gpkg", new)
    assert said == [f"{tmp_path / 'out.gpkg'}: features were changed"]


def test_free_names():
    assert free_name("class", ["a"]) == "class"
    assert free_name("class", ["Class", "CLASS_2"]) == "class_3"
