from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from rasterio import Affine
from rasterio.crs import CRS

from grids import ROTATED
from nirlora.raster.grid import Window
from nirlora.vector.area import AreaModel, PolygonAreas

GRIDS = {
    "degrees": ("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 60), 1000, 1000),
    "one hemisphere": ("EPSG:4326", Affine(1, 0, -180, 0, -1, 90), 360, 90),
    "web mercator at 60 N": ("EPSG:3857", Affine(10, 0, 1e6, 0, -10, 8_399_738), 2000, 1500),
    "utm": ("EPSG:32633", Affine(10, 0, 350_000, 0, -10, 5_352_340), 3000, 2500),
    "utm across its zone": ("EPSG:32633", Affine(300, 0, 200_000, 0, -300, 5_352_340), 2000, 500),
    "rotated utm": ("EPSG:32611", ROTATED @ Affine.scale(40), 900, 700),
    "feet": ("EPSG:2263", Affine(100, 0, 900_000, 0, -100, 250_000), 2000, 1000),
    "polar": ("EPSG:3413", Affine(100, 0, -500_000, 0, -100, -800_000), 1000, 1000),
    "equal area": ("EPSG:6933", Affine(100, 0, 1e6, 0, -100, 5e6), 1000, 1000),
    "degrees, rotated": ("EPSG:4326", Affine(0.008, 0.006, 10, 0.006, -0.008, 40), 100, 100),
}


def geodesic_area(crs, transform, window):
    """Karney's ellipsoidal polygon area of the window's densified outline."""
    s = np.linspace(0, 1, 2000, endpoint=False)
    one, zero = np.ones_like(s), np.zeros_like(s)
    col = window.col_off + window.width * np.concatenate([s, one, 1 - s, zero])
    row = window.row_off + window.height * np.concatenate([zero, s, one, 1 - s])
    t = transform
    x, y = t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f
    own = pyproj.CRS(crs)
    lon, lat = pyproj.Transformer.from_crs(own, own.geodetic_crs, always_xy=True).transform(x, y)
    return abs(own.get_geod().polygon_area_perimeter(lon, lat)[0])


@pytest.mark.parametrize("name", GRIDS)
def test_the_sum_over_a_raster_is_its_geodesic_area(name):
    crs, transform, width, height = GRIDS[name]
    model = AreaModel(transform, CRS.from_user_input(crs), width, height)
    whole = Window(0, 0, width, height)
    expected = geodesic_area(crs, transform, whole)
    assert model.unit == "m2"
    assert model.pixel_area_m2(whole).sum() * width == pytest.approx(expected, rel=1e-6)
    values = np.zeros((height, width), np.uint8)
    assert model.class_areas_m2(whole, values)[0] == pytest.approx(expected, rel=1e-6)
    part = Window(width // 3, height // 4, width // 5, height // 5)
    got = model.pixel_area_m2(part)
    assert got.shape == (part.height,)
    assert got.sum() * part.width == pytest.approx(geodesic_area(crs, transform, part), rel=1e-6)


def test_web_mercator_is_not_planar():
    crs, transform, width, height = GRIDS["web mercator at 60 N"]
    area = AreaModel(transform, CRS.from_user_input(crs), width, height).pixel_area_m2(Window(0, 0, 1, 1))
    assert area[0] == pytest.approx(25.1, abs=0.2)  # 100 projected square metres, a quarter on the ground


def test_classes_on_one_side_of_a_wide_raster_have_their_own_area():
    crs, transform, width, height = GRIDS["utm across its zone"]
    model = AreaModel(transform, CRS.from_user_input(crs), width, height)
    values = np.full((height, width), 3, np.uint8)
    values[:, 1500:] = 8
    areas = model.class_areas_m2(Window(0, 0, width, height), values)
    right = geodesic_area(crs, transform, Window(1500, 0, 500, height))
    assert areas[8] == pytest.approx(right, rel=1e-5)
    assert areas[[v for v in range(256) if v not in (3, 8)]].sum() == 0


def test_without_a_crs_areas_are_planar_and_say_so():
    model = AreaModel(Affine(2, 0, 0, 0, -3, 0), None, 10, 10)
    assert model.unit == "px"
    assert model.pixel_area_m2(Window(0, 0, 4, 5)).tolist() == [6.0] * 5


def test_an_engineering_crs_is_planar_in_its_unit():
    feet = CRS.from_wkt('LOCAL_CS["site",UNIT["foot",0.3048],AXIS["x",EAST],AXIS["y",NORTH]]')
    model = AreaModel(Affine(10, 0, 0, 0, -10, 0), feet, 10, 10)
    assert model.pixel_area_m2(Window(0, 0, 1, 1))[0] == pytest.approx(100 * 0.3048**2)


@pytest.mark.parametrize("name", ["degrees", "utm across its zone", "web mercator at 60 N", "rotated utm"])
def test_polygons_on_pixel_edges_have_the_area_of_their_pixels(name):
    crs, transform, width, height = GRIDS[name]
    model = AreaModel(transform, CRS.from_user_input(crs), width, height)
    hole = shapely.box(60, 60, 80, 200)
    shape = shapely.Polygon(
        [(20, 20), (300, 20), (300, 260), (120, 260), (120, 300), (20, 300)], [hole.exterior.coords]
    )
    single = shapely.box(7, 9, 8, 10)
    measured = PolygonAreas(model).of(np.array([shape, single], dtype=object))
    parts = [Window(20, 20, 280, 240), Window(20, 260, 100, 40)]
    area = sum(geodesic_area(crs, transform, p) for p in parts)
    area -= geodesic_area(crs, transform, Window(60, 60, 20, 140))
    assert measured[0] == pytest.approx(area, rel=1e-5)
    assert measured[1] == pytest.approx(model.pixel_area_m2(Window(7, 9, 1, 1))[0], rel=3e-6)
