from __future__ import annotations

import time

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from grids import ROTATED, centres, discs, empty_raster, from_pixels, write_vector
from nirlora.errors import LabelsError, RasterError
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from nirlora.vector.labels import open_labels
from nirlora.vector.polygons import class_texts
from support import shared_data

SQUARES = [shapely.box(2, 3, 7, 9), shapely.box(30, 20, 40, 44), shapely.box(50, 2, 60, 12)]


@pytest.fixture
def image(tmp_path):
    with open_raster(empty_raster(tmp_path / "image.tif")) as source:
        yield source


def label(path, image, geometries, names, crs="EPSG:32633", **options):
    write_vector(path, from_pixels(geometries, image.transform), {"class": names}, crs=crs)
    return open_labels(path, image, **options)


def test_squares_become_their_pixels(tmp_path, image):
    labels = label(tmp_path / "a.gpkg", image, SQUARES, ["weed", "crop", "weed"])
    expected = np.full((48, 64), NO_CLASS, np.uint8)
    expected[3:9, 2:7] = 1
    expected[20:44, 30:40] = 0
    expected[2:12, 50:60] = 1
    assert labels.classes == ("crop", "weed")
    np.testing.assert_array_equal(labels.rasterise(image.window), expected)
    assert [(i.class_value, i.pixels) for i in labels.items] == [(1, 30), (0, 240), (1, 100)]
    assert labels.items[1].window == Window(30, 20, 10, 24)
    assert len({i.group for i in labels.items}) == 3
    assert labels.warnings == ()


FORMATS = [(f, crs) for f in ("gpkg", "shp", "fgb") for crs in (32633, 4326, 3857)] + [("geojson", 4326)]


@pytest.mark.parametrize(("suffix", "epsg"), FORMATS)
def test_any_format_and_crs_hits_the_same_pixels(tmp_path, image, suffix, epsg):
    crs = f"EPSG:{epsg}"
    there = pyproj.Transformer.from_crs("EPSG:32633", crs, always_xy=True)
    moved = shapely.transform(
        from_pixels(SQUARES), lambda p: np.column_stack(there.transform(p[:, 0], p[:, 1]))
    )
    write_vector(tmp_path / f"a.{suffix}", moved, {"class": ["a", "b", "c"]}, crs=crs)
    labels = open_labels(tmp_path / f"a.{suffix}", image)
    assert sorted(i.pixels for i in labels.items) == [30, 100, 240]
    assert labels.rasterise(image.window)[3:9, 2:7].tolist() == [[0] * 5] * 6


def test_landsat_polygons_in_another_crs_burn_to_the_published_raster():
    folder = shared_data("landsat8_elkton")
    with open_raster(folder / "landsat8.tif") as source:
        labels = open_labels(folder / "labels.geojson", source, classes=("crop", "tree", "developed"))
        with rasterio.open(folder / "labels.tif") as file:
            published = file.read(1)
        np.testing.assert_array_equal(labels.rasterise(source.window) + np.uint8(1), published)


def test_rotated_grid_agrees_with_shapely_at_every_pixel_centre():
    folder = shared_data("micasense_rededge_orchard")
    path = folder / "rededge_orchard_polygons.gpkg"
    _, _, wkb, (classes,) = pyogrio.raw.read(path)
    polygons = shapely.from_wkb(wkb)
    with open_raster(folder / "rededge_orchard.tif") as source:
        labels = open_labels(path, source)
        got = labels.rasterise(source.window)
        col, row = centres(source.width, source.height)
        t = source.transform
        x, y = t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f
        for value, name in enumerate(labels.classes):
            area = shapely.union_all(polygons[classes == name])
            shapely.prepare(area)
            differs = np.flatnonzero((got == value) != shapely.contains_xy(area, x, y))
            edge = shapely.boundary(area)
            for i in differs:  # only where the outline runs through the centre itself
                assert edge.distance(shapely.Point(x.flat[i], y.flat[i])) < 1e-6
        assert sum(i.pixels for i in labels.items) == (got != NO_CLASS).sum()


def test_a_label_does_not_depend_on_the_window(tmp_path):
    path = empty_raster(tmp_path / "image.tif", width=1300, height=700, transform=ROTATED, crs="EPSG:32611")
    rng = np.random.default_rng(0)
    circles = discs(0, 60, 1300, (1, 90))
    with open_raster(path) as image:
        labels = label(tmp_path / "a.gpkg", image, circles, [f"c{i % 3}" for i in range(60)], "EPSG:32611")
        whole = np.full((900, 1500), NO_CLASS, np.uint8)
        whole[100:800, 100:1400] = labels.rasterise(image.window)
        for _ in range(20):
            col, row = rng.integers(-100, 1200), rng.integers(-100, 600)
            part = labels.rasterise(Window(int(col), int(row), 190, 170))
            np.testing.assert_array_equal(part, whole[row + 100 : row + 270, col + 100 : col + 290])


def test_multipolygons_are_taken_apart_and_points_become_discs(tmp_path, image):
    geometries = [shapely.MultiPolygon(SQUARES), shapely.MultiPoint([(20.5, 10.5), (20.5, 30.5)])]
    labels = label(tmp_path / "a.gpkg", image, geometries, ["area", "tree"])
    assert sorted(i.pixels for i in labels.items) == [9, 9, 30, 100, 240]
    col, row = centres(64, 48)
    disc = np.hypot(col - 20.5, row - 10.5) < 1.5
    assert (labels.rasterise(image.window)[disc] == 1).all()


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:3857", rasterio.Affine(1, 0, 1e6, 0, -1, 8_399_738)),  # 60 degrees north: half a metre a pixel
        ("EPSG:4326", rasterio.Affine(1e-5, 0, 12, 0, -1e-5, 60)),
        ("EPSG:32611", ROTATED),
    ],
)
def test_point_buffers_are_metres_on_the_ground(tmp_path, crs, transform):
    with open_raster(empty_raster(tmp_path / "i.tif", 400, 400, transform=transform, crs=crs)) as image:
        labels = label(tmp_path / "a.gpkg", image, [shapely.Point(200, 200)], ["t"], crs, point_buffer_m=5)
        inside = np.argwhere(labels.rasterise(image.window) == 0) + 0.5
    t = transform
    x = t.a * inside[:, 1] + t.b * inside[:, 0] + t.c
    y = t.d * inside[:, 1] + t.e * inside[:, 0] + t.f
    cx, cy = t.a * 200 + t.b * 200 + t.c, t.d * 200 + t.e * 200 + t.f
    to = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to.transform(x, y)
    lon0, lat0 = (np.full(len(x), v) for v in to.transform(cx, cy))
    metres = pyproj.Geod(ellps="WGS84").inv(lon0, lat0, lon, lat)[2]
    step = max(np.hypot(t.a, t.d), np.hypot(t.b, t.e)) if crs == "EPSG:32611" else 1.2
    assert 5 - step < metres.max() < 5.02


def test_numbers_sort_by_value_and_names_alphabetically(tmp_path, image):
    numbers = label(tmp_path / "n.gpkg", image, SQUARES, [10, 2, 1])
    assert numbers.classes == ("1", "2", "10")
    halves = label(tmp_path / "f.gpkg", image, SQUARES, [10.0, 2.0, 1.5])
    assert halves.classes == ("1.5", "10", "2")
    texts = label(tmp_path / "t.gpkg", image, SQUARES, ["10", " 9", "10 "])
    assert texts.classes == ("9", "10")


def test_features_without_class_are_skipped_and_counted(tmp_path, image):
    labels = label(tmp_path / "a.gpkg", image, SQUARES, ["crop", None, "  "])
    assert [i.pixels for i in labels.items] == [30]
    assert "2 feature(s) have no value in field 'class'" in labels.warnings[0]


def test_an_unknown_field_names_the_fields_and_the_near_one(tmp_path, image):
    write_vector(tmp_path / "a.gpkg", from_pixels(SQUARES), {"Class": ["a", "b", "c"], "height": [1, 2, 3]})
    with pytest.raises(LabelsError) as caught:
        open_labels(tmp_path / "a.gpkg", image)
    assert "it has Class, height" in caught.value.message
    assert "Did you mean 'Class'" in caught.value.hint


def test_the_hint_of_an_unknown_field_can_be_followed(tmp_path, image):
    """With fields there is one to choose, without any one must be added."""
    write_vector(tmp_path / "some.gpkg", from_pixels(SQUARES), {"height": [1, 2, 3]})
    write_vector(tmp_path / "none.gpkg", from_pixels(SQUARES), {})
    for name, hint in (("some.gpkg", "--class-field"), ("none.gpkg", "Add a text field 'class'")):
        with pytest.raises(LabelsError) as caught:
            open_labels(tmp_path / name, image)
        assert hint in caught.value.hint


def test_layers_are_chosen_by_name_or_by_the_field(tmp_path, image):
    path = tmp_path / "a.gpkg"
    write_vector(path, from_pixels(SQUARES[:1]), {"class": ["a"]}, layer="one")
    write_vector(path, from_pixels(SQUARES[1:]), {"class": ["b", "c"]}, layer="two", append=True)
    write_vector(path, from_pixels(SQUARES[1:]), {"kind": ["b", "c"]}, layer="three", append=True)
    with pytest.raises(LabelsError, match=r"one, two, three.*layername=NAME"):
        open_labels(path, image)
    assert open_labels(f"{path}|layername=two", image).classes == ("b", "c")
    assert open_labels(f"{path}|layerid=0", image).classes == ("a",)
    by_field = open_labels(path, image, class_field="kind")
    assert by_field.classes == ("b", "c")
    assert "several layers" in by_field.warnings[0]
    with pytest.raises(LabelsError, match="no layer 'four'"):
        open_labels(f"{path}|layername=four", image)
    with pytest.raises(LabelsError, match="'subset' is not understood"):
        open_labels(f"{path}|layername=two|subset=a", image)


def test_broken_geometries_are_repaired_or_dropped_with_counts(tmp_path, image):
    bowtie = shapely.Polygon([(10, 10), (20, 20), (20, 10), (10, 20)])
    geometries = [bowtie, None, shapely.Polygon(), shapely.LineString([(0, 0), (9, 9)]), SQUARES[0]]
    labels = label(tmp_path / "a.gpkg", image, geometries, ["a"] * 5)
    col, row = centres(64, 48)
    valid = shapely.make_valid(bowtie)
    drawn = labels.rasterise(image.window) == 0
    near = shapely.distance(valid.boundary, shapely.points(col, row)) < 1e-9
    expected = shapely.contains_xy(valid, col, row) | ((col > 2) & (col < 7) & (row > 3) & (row < 9))
    np.testing.assert_array_equal(drawn[~near], expected[~near])
    text = " ".join(labels.warnings)
    assert "1 invalid polygon(s) repaired" in text
    assert "2 feature(s) without a geometry skipped" in text
    assert "1 geometry skipped: not a polygon or point." in text


def test_polygons_outside_are_counted_and_those_half_outside_cut(tmp_path, image):
    outside, half = shapely.box(200, 3, 210, 9), shapely.box(-5, -5, 4, 3)
    labels = label(tmp_path / "a.gpkg", image, [*SQUARES, outside, half], list("aabab"))
    assert "1 of 5 polygons lie outside the raster" in labels.warnings[0]
    assert sorted(i.pixels for i in labels.items) == [12, 30, 100, 240]
    assert labels.items[-1].window == Window(0, 0, 4, 3)


def test_everything_outside_is_an_error_with_both_extents(tmp_path, image):
    with pytest.raises(LabelsError) as caught:
        label(tmp_path / "a.gpkg", image, [shapely.box(100, 100, 110, 120)], ["a"])
    assert "they cover x 501000 to 501100, y 4998800 to 4999000" in caught.value.message
    assert "the raster x 500000 to 500640, y 4999520 to 5000000 (EPSG:32633)" in caught.value.message


def test_overlaps_of_classes_are_ignored_and_counted(tmp_path, image):
    boxes = [shapely.box(0, 0, 10, 10), shapely.box(5, 5, 15, 15), shapely.box(8, 0, 20, 3)]
    labels = label(tmp_path / "a.gpkg", image, boxes, ["a", "b", "a"])
    got = labels.rasterise(image.window)
    assert (got[5:10, 5:10] == NO_CLASS).all()
    assert (got == 0).sum() == 75 + 30
    assert (got == 1).sum() == 75
    assert "Polygons of a and b overlap on 25 pixel(s); those are ignored." in labels.warnings
    assert sum(i.pixels for i in labels.items) == (got != NO_CLASS).sum()
    merged = labels.with_classes(["x"], {"a": "x", "b": "x"}).rasterise(image.window)
    assert (merged == 0).sum() == 100 + 75 + 30
    only = labels.with_classes(["b"])
    assert (only.rasterise(image.window) == 0).sum() == 100
    assert [i.pixels for i in only.items] == [100]


def test_polygons_without_a_pixel_centre_label_what_they_touch(tmp_path, image):
    tiny = [shapely.box(10.6, 10.6, 10.9, 10.9), shapely.box(20.1, 5.6, 24.9, 5.9), *SQUARES[:1]]
    labels = label(tmp_path / "a.gpkg", image, tiny, ["a", "b", "b"])
    assert [i.pixels for i in labels.items] == [1, 5, 30]
    assert labels.rasterise(image.window)[5, 20:25].tolist() == [1] * 5
    assert "2 polygon(s) are smaller than a pixel" in labels.warnings[0]


def test_polygons_wholly_covered_are_counted(tmp_path, image):
    labels = label(tmp_path / "a.gpkg", image, [SQUARES[0], SQUARES[0]], ["a", "a"])
    assert len(labels.items) == 1
    assert "1 polygon(s) have no pixel of their own" in labels.warnings[0]
    with pytest.raises(LabelsError, match="cover each other"):
        label(tmp_path / "b.gpkg", image, [SQUARES[0], SQUARES[0]], ["a", "b"])


def test_neighbours_share_a_group_and_chains_are_cut(tmp_path):
    with open_raster(empty_raster(tmp_path / "i.tif", 900, 900)) as image:
        pairs = [shapely.box(x, y, x + 5, y + 5) for y in (0, 400) for x in (0, 12, 300, 314)]
        groups = [i.group for i in label(tmp_path / "p.gpkg", image, pairs, ["a"] * 8).items]
        # 0-5 and 12-17 are 7 px apart, 300-305 and 314-319 are 9
        assert groups[0] == groups[1]
        assert groups[4] == groups[5]
        assert len(set(groups)) == 6
        chain = [shapely.box(10 * i, 0, 10 * i + 5, 5) for i in range(80)]
        groups = [i.group for i in label(tmp_path / "c.gpkg", image, chain, ["a"] * 80).items]
        sizes = np.unique(groups, return_counts=True)[1]
        assert sizes.tolist() == [10] * 8


def test_classes_keep_order_and_drop_the_rest(tmp_path, image):
    labels = label(tmp_path / "a.gpkg", image, SQUARES, ["a", "b", "c"], classes=("c", "none", "a"))
    assert labels.classes == ("c", "none", "a")
    assert [(i.class_value, i.pixels) for i in labels.items] == [(2, 30), (0, 100)]
    assert "No label of class none" in labels.warnings[0]
    with pytest.raises(LabelsError, match=r"None of the classes wanted \(x\).*it has a, b, c"):
        open_labels(tmp_path / "a.gpkg", image, classes=("x",))
    again = labels.with_classes(("a", "c"))
    assert [(i.class_value, i.pixels, i.group) for i in again.items] == [
        (0, 30, labels.items[0].group),
        (1, 100, labels.items[1].group),
    ]
    with pytest.raises(LabelsError, match="None of the classes wanted"):
        labels.with_classes(("zebra",))


def test_colours_come_from_the_field_else_from_names(tmp_path, image):
    columns = {"class": ["crop", "zz", "weed"], "color": ["#ABCDEF", "1,2,3,255", "nonsense"]}
    write_vector(tmp_path / "a.gpkg", from_pixels(SQUARES), columns)
    labels = open_labels(tmp_path / "a.gpkg", image)
    assert labels.classes == ("crop", "weed", "zz")
    assert labels.colors[0] == "#abcdef"
    assert labels.colors[2] == "#010203"
    assert len(set(labels.colors)) == 3
    style = (
        '<qgis><categories><category value="weed" symbol="0" label="w"/></categories><symbols>'
        '<symbol name="0"><layer><prop k="color" v="9,8,7,255"/></layer></symbol></symbols></qgis>'
    )
    (tmp_path / "a.qml").write_text(style)
    assert open_labels(tmp_path / "a.gpkg", image).colors[1] == "#090807"


def test_what_cannot_be_reprojected_is_skipped(tmp_path, image):
    to = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    near = shapely.transform(
        from_pixels(SQUARES[:1]), lambda p: np.column_stack(to.transform(p[:, 0], p[:, 1]))
    )
    beyond = shapely.Polygon([(15, 45), (1e5, 1e5), (15, 46)])
    write_vector(tmp_path / "a.gpkg", [*near, beyond], {"class": ["a", "b"]}, crs="EPSG:4326")
    labels = open_labels(tmp_path / "a.gpkg", image)
    assert [i.pixels for i in labels.items] == [30]
    assert labels.warnings == ("1 geometry skipped: cannot be reprojected.",)


def test_damaged_vector_files_are_told(tmp_path, image):
    good = write_vector(tmp_path / "a.gpkg", from_pixels(SQUARES), {"class": ["a", "b", "c"]}).read_bytes()
    for name, content in (("cut.gpkg", good[:30_000]), ("none.gpkg", b""), ("x.geojson", b"{")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LabelsError, match=r"cannot be opened as a vector file"):
            open_labels(tmp_path / name, image)


def test_a_damaged_raster_database_is_told(tmp_path, monkeypatch):
    def damaged(*args, **kwargs):
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    (tmp_path / "a.tif").write_bytes(b"")
    monkeypatch.setattr("rasterio.open", damaged)
    with pytest.raises(RasterError, match="cannot be opened as a raster"):
        open_raster(tmp_path / "a.tif")


def test_no_class_field(tmp_path, image):
    path = write_vector(tmp_path / "a.gpkg", from_pixels(SQUARES), {"class": ["a", "b", "c"]})
    with pytest.raises(LabelsError, match="No class field"):
        open_labels(path, image, class_field="")


def test_class_names_are_one_line_without_control_characters():
    names = np.array(["a\nb", "\x00", " c\t ", None], dtype=object)
    assert class_texts(names) == ["a b", None, "c", None]


def test_a_local_system_cannot_be_reprojected_to(tmp_path):
    local = 'LOCAL_CS["Mine",UNIT["metre",1]]'
    with (
        open_raster(empty_raster(tmp_path / "i.tif", crs=local)) as image,
        pytest.raises(LabelsError, match=r"cannot be reprojected to the CRS of the raster \(Mine\)"),
    ):
        label(tmp_path / "a.gpkg", image, SQUARES, ["a", "b", "c"])


def test_missing_crs_is_assumed_and_said(tmp_path, image):
    labels = label(tmp_path / "a.gpkg", image, SQUARES, ["a", "b", "c"], crs=None)
    assert "has no CRS; it is taken to be the raster's" in labels.warnings[0]
    with open_raster(empty_raster(tmp_path / "bare.tif", crs=None)) as bare:
        there = open_labels(
            write_vector(tmp_path / "b.gpkg", from_pixels(SQUARES), {"class": [1, 2, 3]}), bare
        )
        assert sorted(i.pixels for i in there.items) == [30, 100, 240]
        assert "The raster has no CRS" in there.warnings[0]


def test_files_that_are_no_labels_are_refused(tmp_path, image):
    with pytest.raises(LabelsError, match="There is no file"):
        open_labels(tmp_path / "none.gpkg", image)
    (tmp_path / "t.csv").write_text("class,x\na,1\n")
    with pytest.raises(LabelsError, match="without geometries"):
        open_labels(tmp_path / "t.csv", image)
    (tmp_path / "junk.gpkg").write_bytes(b"junk" * 50)
    with pytest.raises(LabelsError):
        open_labels(tmp_path / "junk.gpkg", image)
    write_vector(tmp_path / "many.gpkg", from_pixels([SQUARES[0]] * 300), {"class": list(range(300))})
    with pytest.raises(LabelsError, match="300 values, expected at most 254"):
        open_labels(tmp_path / "many.gpkg", image)
    write_vector(tmp_path / "lines.gpkg", from_pixels([s.exterior for s in SQUARES]), {"class": [1, 2, 3]})
    with pytest.raises(LabelsError, match="no usable polygons or points"):
        open_labels(tmp_path / "lines.gpkg", image)


@pytest.fixture(scope="module")
def scattered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scattered")
    drawn = discs(1, 80, 1100, (0.3, 25))
    with open_raster(empty_raster(folder / "i.tif", 1100, 1050)) as image:
        yield label(folder / "a.gpkg", image, drawn, [f"c{i % 4}" for i in range(80)]), image


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.sets(st.integers(0, 79)))
def test_drawn_pixels_have_the_class_and_lie_in_kept_groups(scattered, seed, value, chosen):
    labels, _ = scattered
    keep = frozenset(chosen) or None
    rng = np.random.default_rng(seed)
    possible = [i for i in labels.items if i.class_value == value and (keep is None or i.group in keep)]
    if not possible:
        with pytest.raises(LabelsError, match="no labelled pixel"):
            labels.sample(rng, value, keep)
        return
    col, row = labels.sample(rng, value, keep)
    assert labels.rasterise(Window(col, row, 1, 1), keep).tolist() == [[value]]
    assert any(w.col_off <= col < w.col_off + w.width for w in (i.window for i in possible))


def test_kept_groups_partition_the_labels(scattered):
    labels, image = scattered
    groups = sorted({i.group for i in labels.items})
    one, other = frozenset(groups[::2]), frozenset(groups[1::2])
    a, b, whole = (labels.rasterise(image.window, k) for k in (one, other, None))
    assert not ((a != NO_CLASS) & (b != NO_CLASS)).any()
    np.testing.assert_array_equal(np.minimum(a, b), whole)
    assert (a != NO_CLASS).sum() == sum(i.pixels for i in labels.items if i.group in one)


def test_every_pixel_of_a_class_is_drawn_equally_often(tmp_path):
    boxes = [shapely.box(510, 510, 514, 514), shapely.box(20, 20, 22, 22), shapely.box(700, 3, 705, 4)]
    with open_raster(empty_raster(tmp_path / "i.tif", 800, 800)) as image:
        labels = label(tmp_path / "a.gpkg", image, boxes, ["a"] * 3)
    rng = np.random.default_rng(0)
    drawn = [labels.sample(rng, 0) for _ in range(5000)]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 25
    chi2 = ((counts - 200) ** 2 / 200).sum()
    assert chi2 < 55  # 24 degrees of freedom: p = 0.0003


def test_many_polygons_open_quickly(tmp_path):
    cols, rows = np.meshgrid(np.arange(150) * 20.0, np.arange(150) * 20.0)
    boxes = shapely.box(cols.ravel(), rows.ravel(), cols.ravel() + 9, rows.ravel() + 9)
    with open_raster(empty_raster(tmp_path / "i.tif", 3000, 3000)) as image:
        write_vector(tmp_path / "a.gpkg", from_pixels(boxes), {"class": (np.arange(22500) % 5).tolist()})
        start = time.perf_counter()
        labels = open_labels(tmp_path / "a.gpkg", image)
        assert time.perf_counter() - start < 10
        assert len(labels.items) == 22500
        assert {i.pixels for i in labels.items} == {81}


def test_a_raster_of_any_crs_has_a_horizontal_part():
    from nirlora.vector.geodesy import horizontal_crs

    assert horizontal_crs("EPSG:9518").to_epsg() == 4326  # WGS 84 + EGM2008 height
    assert horizontal_crs(CRS.from_epsg(32611)).to_epsg() == 32611
    assert horizontal_crs(None) is None
