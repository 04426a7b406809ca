from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely

from grids import ROTATED, centres, discs, empty_raster, from_pixels, write_vector
from nirlora.errors import InputError
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from nirlora.vector.aoi import open_aoi


@pytest.fixture
def image(tmp_path):
    path = empty_raster(tmp_path / "i.tif", 300, 200, transform=ROTATED, crs="EPSG:32611")
    with open_raster(path) as source:
        yield source


def test_mask_is_true_at_the_centres_inside(tmp_path, image):
    areas = [*discs(3, 5, 200, (20, 60)), shapely.box(250, 10, 290, 30)]
    to = pyproj.Transformer.from_crs("EPSG:32611", "EPSG:4326", always_xy=True)
    there = shapely.transform(
        from_pixels(areas, ROTATED), lambda p: np.column_stack(to.transform(p[:, 0], p[:, 1]))
    )
    write_vector(tmp_path / "a.gpkg", there, {"n": list(range(6))}, crs="EPSG:4326")
    aoi = open_aoi(tmp_path / "a.gpkg", image)
    col, row = centres(300, 200)
    union = shapely.union_all(areas)
    expected = shapely.contains_xy(union, col, row)
    unclear = shapely.distance(union.boundary, shapely.points(col, row)) < 1e-3
    whole = aoi.mask(image.window)
    np.testing.assert_array_equal(whole[~unclear], expected[~unclear])
    part = aoi.mask(Window(40, 30, 90, 60))
    np.testing.assert_array_equal(part, whole[30:90, 40:130])
    beyond = aoi.mask(Window(-20, -10, 100, 50))
    np.testing.assert_array_equal(beyond[10:, 20:], whole[:40, :80])


def test_touches_spares_windows_without_any(tmp_path, image):
    areas = [
        shapely.box(100.2, 50.2, 140.8, 90.8),
        shapely.LineString([(0, 0), (9, 9)]),
        shapely.box(900, 900, 910, 910),
    ]
    write_vector(tmp_path / "a.gpkg", from_pixels(areas, ROTATED), {"n": [1, 2, 3]}, crs="EPSG:32611")
    aoi = open_aoi(tmp_path / "a.gpkg", image)
    assert aoi.window == Window(100, 50, 41, 41)
    assert aoi.touches(Window(130, 80, 50, 50))
    assert not aoi.touches(Window(0, 0, 100, 50))
    assert not aoi.mask(Window(0, 0, 100, 50)).any()
    assert aoi.mask(Window(110, 60, 20, 20)).all()
    assert "1 geometry skipped: not a polygon." in aoi.warnings


def test_an_area_elsewhere_is_an_error(tmp_path, image):
    far = from_pixels([shapely.box(900, 900, 910, 910)], ROTATED)
    write_vector(tmp_path / "a.gpkg", far, {"n": [1]}, crs="EPSG:32611")
    with pytest.raises(InputError, match=r"None of the 1 feature\(s\).*meets the raster"):
        open_aoi(tmp_path / "a.gpkg", image)
    with pytest.raises(InputError, match="There is no file"):
        open_aoi(tmp_path / "b.gpkg", image)
