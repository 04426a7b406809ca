"""Reading: nodata of any value in any dtype, masks, alpha, windows that stick out, and honest errors."""

from __future__ import annotations

import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine

from data.make_data import make_raster
from nirlora.errors import RasterError
from nirlora.protocol import LayerRef
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from support import shared_data

DTYPES = ["uint8", "int16", "uint16", "int32", "float32", "float64"]
NODATA = [-9999.0, -32768.0, 65535.0, math.nan, 0.0, None, -3.4028234663852886e38]


def fits(value: float | None, dtype: str) -> bool:
    if value is None or np.dtype(dtype).kind == "f":
        return True
    limits = np.iinfo(dtype)
    return not math.isnan(value) and limits.min <= value <= limits.max


@pytest.mark.parametrize(
    ("dtype", "nodata"), [(d, n) for d, n in itertools.product(DTYPES, NODATA) if fits(n, d)]
)
@pytest.mark.parametrize("override", [False, True])
def test_every_nodata_value_in_every_dtype(tmp_path, dtype, nodata, override):
    data = np.full((2, 6, 5), 7, dtype=dtype)
    hole = 0 if nodata is None else nodata
    data[0, 1, 2] = hole  # in one band is enough
    data[1, 3, 3] = hole
    path = make_raster(tmp_path / "a.tif", data, nodata=None if override else nodata)
    expected = np.ones((6, 5), bool)
    if nodata is not None:
        expected[1, 2] = expected[3, 3] = False
    with open_raster(LayerRef(str(path), nodata=nodata if override else None)) as source:
        values, valid = source.read(source.window, [1, 2])
        np.testing.assert_array_equal(valid, expected)
        np.testing.assert_array_equal(values, data)
        assert values.dtype == dtype
        _, first = source.read(source.window, [1])
    expected[3, 3] = True
    np.testing.assert_array_equal(first, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nodata_beyond_the_dtype_hides_nothing(tmp_path, dtype):
    path = make_raster(tmp_path / "a.tif", np.zeros((3, 3), dtype))
    for nodata in (1e300, 0.5, -1e300):
        with open_raster(LayerRef(str(path), nodata=nodata)) as source:
            assert source.read(source.window, [1])[1].all()


def test_nan_and_infinity_are_never_valid(tmp_path):
    data = np.array([[1, np.nan, np.inf, -np.inf]], np.float32)
    with open_raster(make_raster(tmp_path / "a.tif", data, nodata=-9999)) as source:
        assert source.read(source.window, [1])[1].tolist() == [[True, False, False, False]]


def test_mask_band_says_which_pixels_count(tmp_path):
    mask = np.ones((5, 4), bool)
    mask[2, 1] = False
    path = make_raster(tmp_path / "a.tif", np.zeros((2, 5, 4), np.uint8), mask=mask)
    with open_raster(path) as source:
        np.testing.assert_array_equal(source.read(source.window, [1, 2])[1], mask)


def test_alpha_is_a_mask_and_no_data_band_unless_asked_for(tmp_path):
    data = np.full((4, 3, 3), 9, np.uint8)
    data[3] = 255
    data[3, 1, 1] = 0
    path = make_raster(tmp_path / "a.tif", data, color_interp=["red", "green", "blue", "alpha"])
    with open_raster(path) as source:
        assert source.data_bands == (1, 2, 3)
        assert source.color_interp == ("red", "green", "blue", "alpha")
        valid = source.read(source.window, [1])[1]
        assert not valid[1, 1]
        assert valid.sum() == 8
        values, valid = source.read(source.window, [4])  # NIR that a writer mislabelled as alpha
        assert valid.all()
        assert values[0, 1, 1] == 0


COLORS = ["red", "green", "blue", "alpha"]


@pytest.mark.parametrize(
    ("description", "values", "masks"),
    [
        ("", "near-infrared", False),  # told by its values
        ("Band 4", "near-infrared", False),
        ("nir", "opaque", False),  # told by its name, whatever the values
        ("Near Infrared", "near-infrared", False),
        ("", "opaque", True),
        ("", "soft edges", True),
        ("", "empty", True),
        ("alpha", "near-infrared", True),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_spectral_band_called_alpha_is_no_mask(tmp_path, description, values, masks, dtype):
    data = np.full((4, 300, 400), 9, dtype)
    if values == "near-infrared":
        data[3] = np.random.default_rng(0).normal(120, 30, (300, 400)).clip(1, 255)
    elif values != "empty":
        data[3] = np.iinfo(dtype).max
    if values == "soft edges":
        data[3, :, :4] = [10, 60, 120, 200]
    data[3, 100:120, 90:140] = 0
    if values == "empty":
        data[3] = 0
    named = ["r", "g", "b", description] if description else ()
    path = make_raster(tmp_path / "field.tif", data, color_interp=COLORS, descriptions=named)
    with open_raster(path) as source:
        assert source.color_interp[3] == ("alpha" if masks else "undefined")
        assert source.data_bands == ((1, 2, 3) if masks else (1, 2, 3, 4))
        valid = source.read(source.window, [1, 2, 3])[1]
    np.testing.assert_array_equal(valid, data[3] != 0 if masks else np.ones((300, 400), bool))


def test_dark_water_in_naip_is_no_hole_in_its_red_band():
    path = shared_data("naip_north_dakota_fields") / "naip_20180716.tif"
    with open_raster(path) as source:
        assert source.data_bands == (1, 2, 3, 4)
        red, valid = source.read(source.window, [1])
        np.testing.assert_array_equal(valid, red[0] != source.nodata[0])


def test_nodata_values_of_all_bands_together(tmp_path):
    data = np.zeros((2, 1, 4), np.uint8)
    data[:, 0] = [[5, 5, 1, 1], [7, 1, 7, 1]]
    path = make_raster(tmp_path / "a.tif", data, tags={"NODATA_VALUES": "5 7"})
    with open_raster(path) as source:
        assert source.read(source.window, [1])[1].tolist() == [[False, True, True, True]]


def test_plain_nodata_is_compared_without_reading_masks(tmp_path, monkeypatch):
    path = make_raster(tmp_path / "a.tif", np.zeros((2, 5, 4), np.uint16), nodata=3)
    with open_raster(path) as source:

        class NoMasks:
            mask_flag_enums = source._file.mask_flag_enums
            read = staticmethod(source._file.read)

        file, source._file = source._file, NoMasks()
        assert source.read(source.window, [1, 2])[1].all()
        source._file = file


@pytest.mark.parametrize(
    "window", [Window(-3, -2, 8, 6), Window(3, 2, 30, 20), Window(-2, -2, 20, 20), Window(-9, 0, 4, 4)]
)
def test_outside_the_raster_is_zero_and_invalid(tmp_path, window):
    data = np.arange(1, 61, dtype=np.int16).reshape(1, 6, 10)
    padded, inside = np.zeros((60, 60), np.int16), np.zeros((60, 60), bool)
    padded[20:26, 20:30], inside[20:26, 20:30] = data, True
    rows, cols = window.shift(20, 20).slices
    with open_raster(make_raster(tmp_path / "a.tif", data)) as source:
        values, valid = source.read(window, [1])
    np.testing.assert_array_equal(values[0], padded[rows, cols])
    np.testing.assert_array_equal(valid, inside[rows, cols])


def test_enlarged_reads_take_nothing_from_nodata_and_keep_its_exact_shape(tmp_path):
    data = np.full((1, 8, 8), 100, np.float32)
    data[0, 2:5, 3] = -9999
    with open_raster(make_raster(tmp_path / "a.tif", data, nodata=-9999)) as source:
        values, valid = source.read(source.window, [1], out_px=(16, 16))
    np.testing.assert_array_equal(valid, np.kron(data[0] == 100, np.ones((2, 2))).astype(bool))
    np.testing.assert_allclose(values[0][valid], 100, rtol=1e-6)
    assert (values[0][~valid] == 0).all()


def test_enlarged_reads_are_bilinear_as_torch_does_it(tmp_path):
    import torch

    data = np.random.default_rng(0).random((2, 7, 9), np.float32)
    with open_raster(make_raster(tmp_path / "a.tif", data)) as source:
        values, valid = source.read(source.window, [2, 1], out_px=(21, 18))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(data[None, ::-1].copy()), (21, 18), mode="bilinear"
    )
    np.testing.assert_allclose(values, expected[0].numpy(), atol=1e-5)
    assert valid.all()


def test_shrunk_reads_are_valid_where_the_pixel_in_the_middle_is(tmp_path):
    data = np.full((1, 12, 12), 50, np.uint16)
    data[0, 5, 5] = data[0, 8, 8] = 0
    with open_raster(make_raster(tmp_path / "a.tif", data, nodata=0)) as source:
        values, valid = source.read(source.window, [1], out_px=(6, 6))
    assert np.argwhere(~valid).tolist() == [[2, 2]]
    assert (values[0][valid] == 50).all()


def test_quick_look_of_a_large_raster(tmp_path):
    data = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4), 64, 0), 64, 1)
    with open_raster(make_raster(tmp_path / "a.tif", data)) as source:
        values, valid = source.read(source.window, [1], out_px=(4, 4))
    assert valid.all()
    assert np.abs(values[0].astype(int) - np.arange(16).reshape(4, 4)).max() <= 1


def test_georeference_rotation_and_scales_come_through(tmp_path):
    transform = Affine(0.05, 0.02, 500000.123456789, 0.02, -0.05, 4000000.987654321)
    path = make_raster(
        tmp_path / "a.tif", transform=transform, scales=[1e-4], offsets=[-0.1], descriptions=["NIR"]
    )
    with open_raster(path) as source:
        assert source.transform == transform
        assert source.rotated
        assert source.crs.to_epsg() == 32633
        assert source.scales == (1e-4,)
        assert source.offsets == (-0.1,)
        assert source.descriptions == ("NIR",)
        assert source.resolution_m == pytest.approx(math.sqrt(0.05**2 + 0.02**2), rel=1e-9)


@pytest.mark.parametrize(
    ("crs", "pixel", "origin", "expected"),
    [
        ("EPSG:32633", 0.5, (5e5, 4e6), 0.5),
        ("EPSG:2263", 2.0, (1e6, 2e5), 2.0 * 1200 / 3937),  # US survey feet
        ("EPSG:4326", 1e-5, (10.0, 0.0), math.sqrt(1.1131949 * 1.1057428)),
        ("EPSG:4326", 1e-5, (10.0, 60.0), math.sqrt(0.5580021 * 1.1141224)),
        (None, 1.0, (0, 0), None),
    ],
)
def test_resolution_in_metres(tmp_path, crs, pixel, origin, expected):
    transform = Affine(pixel, 0, origin[0], 0, -pixel, origin[1])
    path = make_raster(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), crs=crs, transform=transform)
    with open_raster(path) as source:
        assert source.resolution_m == (None if expected is None else pytest.approx(expected, rel=1e-4))


def test_metres_called_degrees_have_no_resolution(tmp_path):
    path = make_raster(tmp_path / "a.tif", crs="EPSG:4326")  # coordinates of a UTM zone
    with open_raster(path) as source:
        assert source.resolution_m is None


def test_no_georeference_opens_without_a_warning(tmp_path):
    path = make_raster(tmp_path / "a.tif", crs=None, transform=Affine.identity())
    with open_raster(path) as source:
        assert source.crs is None
        assert source.transform == Affine.identity()
    with open_raster(LayerRef(str(path), crs="EPSG:32633")) as source:
        assert source.crs.to_epsg() == 32633


def test_another_thread_reads_its_own_copy(tmp_path):
    data = np.arange(48, dtype=np.uint16).reshape(1, 6, 8)
    path = make_raster(tmp_path / "a.tif", data)
    result = {}
    with open_raster(LayerRef(str(path), nodata=5)) as source, source.reopen() as other:
        thread = threading.Thread(target=lambda: result.update(read=other.read(other.window, [1])))
        thread.start()
        thread.join()
    np.testing.assert_array_equal(result["read"][0], data)
    assert not result["read"][1].ravel()[5]


def test_mistakes_are_told(tmp_path):
    with pytest.raises(RasterError, match="no file"):
        open_raster(tmp_path / "missing.tif")
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(RasterError, match="cannot be opened"):
        open_raster(tmp_path / "text.tif")
    with pytest.raises(RasterError, match="cannot be opened"):
        open_raster(tmp_path)
    complex_raster = make_raster(tmp_path / "c.tif", np.zeros((2, 2), np.complex64))
    with pytest.raises(RasterError, match="complex"):
        open_raster(complex_raster)
    path = make_raster(tmp_path / "a.tif")
    with pytest.raises(RasterError, match="not a coordinate reference system"):
        open_raster(LayerRef(str(path), crs="EPSG:nonsense"))
    with open_raster(path) as source, pytest.raises(RasterError, match=r"bands 1 to 1, got \[2\]"):
        source.read(source.window, [2])


def test_a_file_of_layers_names_them(tmp_path):
    path = tmp_path / "two.gpkg"
    for table, more in (("one", {}), ("two", {"APPEND_SUBDATASET": "YES"})):
        make_raster(path, np.ones((1, 2, 2), np.uint8), driver="GPKG", RASTER_TABLE=table, **more)
    with pytest.raises(RasterError, match=r"no bands of its own; it contains GPKG:.*one.*two"):
        open_raster(path)


def test_a_damaged_file_is_told(tmp_path):
    path = make_raster(tmp_path / "a.tif", np.random.default_rng(0).random((1, 300, 300)), compress="deflate")
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(RasterError), open_raster(path) as source:
        source.read(source.window, [1])


@pytest.mark.parametrize(
    ("folder", "name", "nodata", "rotated"),
    [
        ("micasense_rededge_orchard", "rededge_orchard.tif", 0, True),
        ("drone_plot_rotated_nodata", "plot615.tif", -10000, False),
    ],
)
def test_real_rasters(folder, name, nodata, rotated):
    path = shared_data(folder) / name
    with open_raster(path) as source, rasterio.open(path) as file:
        assert source.transform == file.transform
        assert source.rotated == rotated
        values, valid = source.read(source.window, source.data_bands)
        data = file.read()
    np.testing.assert_array_equal(values, data)
    np.testing.assert_array_equal(valid, (data != nodata).all(axis=0))
    assert valid.mean() == (1 if rotated else pytest.approx(0.41, abs=0.05))


def test_rasters_without_a_place_are_opened_quietly_by_many_threads_at_once(tmp_path):
    """Filters of warnings are the process's: one thread must not end another's."""
    path = tmp_path / "image.png"
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(path, "w", driver="PNG", width=8, height=8, count=1, dtype="uint8") as file,
    ):
        file.write(np.ones((1, 8, 8), np.uint8))

    def width(_: int) -> int:
        with open_raster(path) as source:
            return source.width

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(width, range(800))) == [8] * 800
