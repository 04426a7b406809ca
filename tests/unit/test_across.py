from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from grids import NORTH_UP, empty_raster, from_pixels, write_raster, write_vector
from nirlora.raster.source import open_raster
from nirlora.vector.across import join_layers
from nirlora.vector.labels import open_labels
from nirlora.vector.split import split_groups

FINER = NORTH_UP @ Affine.scale(0.5)
IN_DEGREES = Affine(1e-4, 0, 15.0, 0, -1e-4, 45.154)


def squares(num: int = 24) -> list[shapely.Geometry]:
    """Squares of 6 pixels, 20 apart, in rows of six."""
    return [
        shapely.box(x, y, x + 6, y + 6)
        for x, y in ((8 + 20 * (i % 6), 8 + 20 * (i // 6)) for i in range(num))
    ]


def labelled(tmp_path, rasters, polygons, names=("crop", "weed")):
    """Rasters opened with the same polygons on all, each known by its own class but for ``names``."""
    classes = [names[i % len(names)] for i in range(len(polygons))]
    file = write_vector(tmp_path / "labels.gpkg", from_pixels(polygons), {"class": classes})
    sources = [open_raster(path) for path in rasters]
    return sources, [open_labels(str(file), source).items for source in sources]


def middles(sources, layers, keep):
    """Ground positions (UTM) of the items in the kept groups of all layers, to 40 m."""
    found = set()
    for source, items, groups in zip(sources, layers, keep, strict=True):
        to_utm = pyproj.Transformer.from_crs(source.crs.to_wkt(), "EPSG:32633", always_xy=True)
        for item in items:
            if item.group in groups:
                w = item.window
                x, y = source.transform @ (w.col_off + w.width / 2, w.row_off + w.height / 2)
                x, y = to_utm.transform(x, y)
                found.add((round(x / 40), round(y / 40)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_polygon_is_held_out_on_every_date(tmp_path, seed):
    first = empty_raster(tmp_path / "a.tif", 140, 100)
    second = empty_raster(tmp_path / "b.tif", 280, 200, transform=FINER)
    third = empty_raster(tmp_path / "c.tif", 200, 140, transform=IN_DEGREES, crs="EPSG:4326")
    sources, layers = labelled(tmp_path, [first, second, third], squares())
    assert min(map(len, layers)) >= 20
    joined = join_layers(sources, layers)
    assert len(set(joined.values())) == 24
    split = split_groups(layers, 0.2, seed, ("crop", "weed"), joined=joined)
    train, val = middles(sources, layers, split.train), middles(sources, layers, split.val)
    assert 4 <= len(val) <= 9
    assert not train & val
    alone = split_groups(layers, 0.2, seed, ("crop", "weed"))
    assert middles(sources, layers, alone.train) & middles(sources, layers, alone.val)


def test_the_parts_of_a_polygon_on_two_tiles_stay_together(tmp_path):
    left = empty_raster(tmp_path / "left.tif", 64, 100)
    right = empty_raster(tmp_path / "right.tif", 64, 100, transform=NORTH_UP @ Affine.translation(64, 0))
    across = shapely.box(60, 40, 70, 50)
    inside = [shapely.box(10, 10, 16, 16), shapely.box(100, 10, 106, 16), shapely.box(66, 80, 70, 84)]
    sources, layers = labelled(tmp_path, [left, right], [across, *inside])
    assert [len(items) for items in layers] == [2, 3]
    joined = join_layers(sources, layers)
    at = {(n, i.window.row_off): joined[n, i.group] for n, items in enumerate(layers) for i in items}
    assert at[0, 40] == at[1, 40]
    assert len(set(at.values())) == 4


def test_tiles_of_other_places_are_left_as_they_are(tmp_path):
    first = empty_raster(tmp_path / "a.tif", 140, 100)
    far = empty_raster(tmp_path / "b.tif", 140, 100, transform=NORTH_UP @ Affine.translation(5000, 0))
    sources, layers = labelled(tmp_path, [first], squares())
    joined = join_layers([*sources, open_raster(far)], [*layers, *layers])
    assert len(set(joined.values())) == 48
    both = [*layers, *layers]
    assert split_groups(both, 0.2, 0, ("crop", "weed"), joined=joined) == split_groups(
        both, 0.2, 0, ("crop", "weed")
    )


@pytest.mark.parametrize("shift", [0, 9])
def test_label_rasters_of_two_dates(tmp_path, shift):
    there = NORTH_UP @ Affine.translation(shift, shift)
    values = (np.arange(256) // 16 % 2 + 1)[None, :].repeat(256, 0).astype(np.uint8)
    sources, layers = [], []
    for name, transform in (("a", NORTH_UP), ("b", there)):
        sources.append(open_raster(empty_raster(tmp_path / f"{name}.tif", 256, 256, transform=transform)))
        file = write_raster(tmp_path / f"{name}_labels.tif", values, transform=transform, nodata=0)
        layers.append(open_labels(str(file), sources[-1]).items)
    cells = {item.group for item in layers[0]}
    joined = join_layers(sources, layers)
    if not shift:  # the same cells on both dates, each meeting only itself
        assert joined == {(at, group): joined[0, group] for at in (0, 1) for group in cells}
        assert len(set(joined.values())) == len(cells)
    split = split_groups(layers, 0.2, 0, ("1", "2"), joined=joined)  # chains of cells do not end validation
    assert all(0.1 < c.val_pixels / (c.val_pixels + c.train_pixels) < 0.4 for c in split.counts)


def test_without_a_crs_only_the_same_file_is_the_same_place(tmp_path):
    first = empty_raster(tmp_path / "a.tif", 140, 100, crs=None)
    other = empty_raster(tmp_path / "b.tif", 140, 100, crs=None)
    sources, layers = labelled(tmp_path, [first, first, other], squares())
    joined = join_layers(sources, layers)
    assert len(set(joined.values())) == 48
    assert all(joined[0, item.group] == joined[1, item.group] for item in layers[0])
