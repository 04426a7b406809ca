from __future__ import annotations

import numpy as np
import pytest
import rasterio

from data.make_data import make_raster
from grids import NORTH_UP, ROTATED, empty_raster, write_raster
from nirlora.errors import LabelsError
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from nirlora.vector.labels import open_labels
from support import shared_data


@pytest.fixture
def image(tmp_path):
    with open_raster(empty_raster(tmp_path / "image.tif", 150, 90)) as source:
        yield source


def random_classes(dtype, values=(0, 1, 2, 3), shape=(90, 150)):
    return np.random.default_rng(0).choice(np.array(values, dtype), shape)


def test_declared_nodata_alone_is_unlabelled(tmp_path, image):
    values = random_classes(np.uint8, (0, 1, 2, 7, 255))
    labels = open_labels(write_raster(tmp_path / "l.tif", values, nodata=7), image)
    expected = values.copy()
    expected[values == 7] = NO_CLASS
    assert labels.classes == ("0", "1", "2")
    assert labels.warnings == ()
    np.testing.assert_array_equal(labels.rasterise(image.window), expected)


def test_without_nodata_zero_is_unlabelled_and_said(tmp_path, image):
    values = random_classes(np.int16, (0, 1, 5))
    path = write_raster(tmp_path / "l.tif", values)
    labels = open_labels(path, image)
    assert labels.classes == ("1", "5")
    assert "declares no nodata value; 0 is taken as unlabelled" in labels.warnings[0]
    expected = np.select([values == 1, values == 5], [0, 1], NO_CLASS)
    np.testing.assert_array_equal(labels.rasterise(image.window), expected)
    asked = open_labels(path, image, classes=("0", "1"))
    np.testing.assert_array_equal(
        asked.rasterise(image.window), np.where(values == 5, NO_CLASS, values.astype(np.uint8))
    )


def test_names_and_colours_from_categories_style_and_tag(tmp_path, image):
    values = random_classes(np.uint8, (0, 1, 2))
    path = write_raster(tmp_path / "l.tif", values)
    names = "".join(f"<Category>{n}</Category>" for n in ("soil", "crop", "unlabelled"))
    pam = '<PAMDataset><PAMRasterBand band="1"><CategoryNames>{}</CategoryNames></PAMRasterBand></PAMDataset>'
    (tmp_path / "l.tif.aux.xml").write_text(pam.format(names))
    assert open_labels(path, image).classes == ("soil", "crop")
    (tmp_path / "l.tif.aux.xml").unlink()
    entries = '<paletteEntry value="0" label="bare" color="#aabbcc"/><paletteEntry value="1" label="bean"/>'
    (tmp_path / "l.qml").write_text(f"<qgis>{entries}</qgis>")
    styled = open_labels(path, image)
    assert styled.classes == ("bare", "bean", "2")
    assert styled.colors[0] == "#aabbcc"
    (tmp_path / "l.qml").unlink()
    with rasterio.open(path, "r+") as file:
        file.update_tags(CLASSES='[{"value": 0, "name": "a", "color": "#112233"}]')
    assert open_labels(path, image).classes == ("a", "1", "2")


def test_colour_table_gives_colours(tmp_path, image):
    path = write_raster(tmp_path / "l.tif", random_classes(np.uint8), nodata=255)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {1: (1, 2, 3, 255), 2: (16, 32, 48, 255)})
    assert open_labels(path, image).colors[1:3] == ("#010203", "#102030")


def test_items_are_cells_by_class_with_exact_counts(tmp_path, image):
    values = random_classes(np.uint8)
    labels = open_labels(write_raster(tmp_path / "l.tif", values, nodata=255), image)
    assert {(i.window.width, i.window.height) for i in labels.items} <= {(16, 16), (6, 16), (16, 10), (6, 10)}
    for item in labels.items:
        assert item.pixels == (values[item.window.slices] == item.class_value).sum()
    cells = {i.group for i in labels.items}
    assert len(cells) == 60
    some = frozenset(sorted(cells)[::3])
    kept = labels.rasterise(image.window, some) != NO_CLASS
    assert kept.sum() == sum(i.pixels for i in labels.items if i.group in some)
    rng = np.random.default_rng(0)
    for value in (0, 1, 2, 3) * 20:
        col, row = labels.sample(rng, value, some)
        assert values[row, col] == value
        assert kept[row, col]


def test_large_rasters_have_larger_cells(tmp_path):
    values = np.ones((6000, 6000), np.uint8)
    path = write_raster(tmp_path / "l.tif", values, nodata=0, compress="deflate")
    with open_raster(path) as image:
        labels = open_labels(path, image)
        assert 1000 < len(labels.items) <= 4096
        assert sum(i.pixels for i in labels.items) == 36_000_000
        assert labels.rasterise(Window(-5, -5, 10, 10)).tolist()[5] == [255] * 5 + [0] * 5


def test_another_grid_and_crs_is_warped_by_nearest_neighbour():
    folder = shared_data("micasense_rededge_orchard")
    with open_raster(folder / "rededge_orchard.tif") as image:
        warped = open_labels(folder / "northup_8cm_labels.tif", image).rasterise(image.window)
        with rasterio.open(folder / "northup_8cm_labels.tif") as file:
            coarse, inverse = file.read(1), ~file.transform
        t = image.transform
        col, row = np.meshgrid(np.arange(image.width) + 0.5, np.arange(image.height) + 0.5)
        x, y = t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f
        there = inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f
        c, r = (np.floor(v).astype(int) for v in there)
        known = (c >= 0) & (r >= 0) & (c < coarse.shape[1]) & (r < coarse.shape[0])
        expected = np.full(warped.shape, NO_CLASS, np.uint8)
        expected[known] = coarse[r[known], c[known]]
        edge = np.min([np.abs(v - np.round(v)) for v in there], axis=0) < 0.02
        np.testing.assert_array_equal(warped[~edge], expected[~edge])


def test_beyond_a_warped_raster_nothing_is_labelled(tmp_path):
    names = '[{"value": 0, "name": "soil"}, {"value": 1, "name": "crop"}]'
    with open_raster(empty_raster(tmp_path / "i.tif", 60, 60)) as image:
        path = write_raster(tmp_path / "l.tif", np.zeros((20, 20), np.uint8), transform=NORTH_UP)
        with rasterio.open(path, "r+") as file:
            file.update_tags(CLASSES=names)
        labels = open_labels(path, image)
        assert labels.classes == ("soil",)
        assert (labels.rasterise(image.window) == 0).sum() == 400


def test_without_any_crs_grids_still_meet(tmp_path):
    with open_raster(empty_raster(tmp_path / "i.tif", 40, 40, crs=None)) as image:
        half = write_raster(
            tmp_path / "l.tif", np.full((20, 20), 3, np.uint8), rasterio.Affine(20, 0, 5e5, 0, -20, 5e6), None
        )
        assert sum(i.pixels for i in open_labels(half, image).items) == 1600
    with open_raster(empty_raster(tmp_path / "j.tif", 40, 40)) as image:
        labels = open_labels(half, image)
        assert sum(i.pixels for i in labels.items) == 1600
        assert "has no CRS; it is taken to be the raster's" in labels.warnings[0]


def test_whole_floats_are_classes_and_fractions_are_not(tmp_path, image):
    values = random_classes(np.float32)
    values[0, 0] = np.nan
    labels = open_labels(write_raster(tmp_path / "l.tif", values), image)
    assert labels.classes == ("1", "2", "3")
    with pytest.raises(LabelsError, match="holds fractions"):
        open_labels(write_raster(tmp_path / "f.tif", values + 0.5), image)


def test_rasters_that_are_no_labels_are_refused(tmp_path, image):
    with pytest.raises(LabelsError, match="No pixel of"):
        open_labels(write_raster(tmp_path / "e.tif", np.full((90, 150), 255, np.uint8)), image)
    many = np.arange(90 * 150, dtype=np.int32).reshape(90, 150)
    with pytest.raises(LabelsError, match="expected at most 254 classes"):
        open_labels(write_raster(tmp_path / "m.tif", many), image)
    far = write_raster(tmp_path / "far.tif", random_classes(np.uint8), ROTATED, "EPSG:32611")
    with pytest.raises(LabelsError, match="No pixel of"):
        open_labels(far, image)
    (tmp_path / "junk.tif").write_bytes(b"junk")
    with pytest.raises(LabelsError, match="cannot be opened"):
        open_labels(tmp_path / "junk.tif", image)


def test_landfire_types_with_gaps_in_their_numbers():
    folder = shared_data("landsat_landfire_yellowstone")
    with open_raster(folder / "landsat8_sr.tif") as image:
        labels = open_labels(folder / "evt_landfire220.tif", image)
        with rasterio.open(folder / "evt_landfire220.tif") as file:
            values = file.read(1)
        got = labels.rasterise(image.window)
    distinct = np.unique(values[values != 32767])
    assert labels.classes == tuple(str(v) for v in distinct)
    np.testing.assert_array_equal(got == NO_CLASS, values == 32767)
    np.testing.assert_array_equal(distinct[got[got != NO_CLASS]], values[values != 32767])


def test_classes_can_be_merged(tmp_path, image):
    values = random_classes(np.uint8)
    labels = open_labels(write_raster(tmp_path / "l.tif", values, nodata=255), image)
    binary = labels.with_classes(["rest", "2"], {"0": "rest", "1": "rest", "3": "rest"})
    np.testing.assert_array_equal(binary.rasterise(image.window), values == 2)


def test_a_label_raster_in_a_geopackage(tmp_path):
    values = np.ones((48, 64), np.uint8)
    values[:, 32:] = 2
    path = write_raster(tmp_path / "labels.gpkg", values, driver="GPKG")
    with open_raster(empty_raster(tmp_path / "i.tif")) as source:
        assert open_labels(path, source).classes == ("1", "2")


def test_with_a_mask_zero_is_a_class(tmp_path):
    values = np.zeros((1, 48, 64), np.uint8)
    values[:, :, 32:] = 1
    mask = np.ones((48, 64), bool)
    mask[:, :8] = False
    path = make_raster(tmp_path / "l.tif", values, mask=mask, transform=NORTH_UP)
    with open_raster(empty_raster(tmp_path / "i.tif")) as source:
        labels = open_labels(path, source)
        assert labels.classes == ("0", "1")
        expected = np.where(mask, values[0], NO_CLASS)
        np.testing.assert_array_equal(labels.rasterise(source.window), expected)
