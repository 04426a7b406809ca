"""From a window of a raster to standardised channels."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from data.make_data import make_raster, pattern
from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from support import shared_data


def fitted(path, bands="", **options):
    source = open_raster(path)
    return ChannelReader(source, fit_transform([source], bands, **options))


def expected(transform: InputTransform, physical):
    """The documented formula in float64."""
    low, high, mean, std = (transform.column(f) for f in ("low", "high", "mean", "std"))
    return (np.clip((physical - low) / (high - low), -1, 2) - mean) / std


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_values_are_the_documented_formula(tmp_path, dtype):
    data = pattern(3, 70, 80, dtype)
    path = make_raster(tmp_path / "a.tif", data, descriptions=["green", "red", "nir"])
    reader = fitted(path, "nir,green", mean=(0.4, 0.5), std=(0.2, 0.3))
    window = Window(10, 20, 40, 30)
    x, valid = reader.read(window)
    assert (x.dtype, x.shape, valid.all()) == (np.float32, (2, 30, 40), True)
    physical = data[[2, 0], 20:50, 10:50].astype(np.float64)
    np.testing.assert_allclose(x, expected(reader.transform, physical), rtol=2e-5, atol=2e-5)


def test_scale_and_offset_of_this_raster_not_of_training(tmp_path):
    reflectance = pattern(1, 60, 60, "float32")
    trained = make_raster(tmp_path / "a.tif", reflectance, descriptions=["nir"])
    reader = fitted(trained)
    dn = np.round((reflectance + 0.2) / 0.0000275).astype("uint16")
    tags = {"v": "reflectance = DN * 0.0000275 - 0.2"}
    stored = make_raster(tmp_path / "b.tif", dn, descriptions=["nir"], tags=tags)
    scaled = make_raster(tmp_path / "c.tif", dn, descriptions=["nir"], scales=[0.0000275], offsets=[-0.2])
    bare = make_raster(tmp_path / "d.tif", dn, descriptions=["nir"])
    whole = Window(0, 0, 60, 60)
    truth, _ = reader.read(whole)
    for path, options in ((stored, {}), (scaled, {}), (bare, {"scale": 0.0000275, "offset": -0.2})):
        x, _ = ChannelReader(open_raster(path), reader.transform, **options).read(whole)
        np.testing.assert_allclose(x, truth, atol=2e-3)


def test_computed_channels_use_reflectance(tmp_path):
    rng = np.random.default_rng(0)
    nir, red = rng.uniform(0.1, 0.6, (2, 50, 50))
    dn = np.round((np.stack([red, nir]) + 0.2) / 0.0000275).astype("uint16")
    tags = {"v": "reflectance = DN * 0.0000275 - 0.2"}
    reader = fitted(
        make_raster(tmp_path / "a.tif", dn, descriptions=["red", "nir"], tags=tags), "ndvi,nir,savi"
    )
    x, _ = reader.read(Window(0, 0, 50, 50))
    physical = np.stack([(nir - red) / (nir + red), nir, 1.5 * (nir - red) / (nir + red + 0.5)])
    np.testing.assert_allclose(x, expected(reader.transform, physical), atol=2e-3)


def test_outliers_stay_within_the_clip(tmp_path):
    data = pattern(1, 100, 100, "float32")
    data[0, 50, 50], data[0, 51, 51] = 1e30, -1e30
    reader = fitted(make_raster(tmp_path / "a.tif", data), mean=(0.5,), std=(0.25,))
    x, valid = reader.read(Window(0, 0, 100, 100))
    assert valid.all()
    assert (x.min(), x.max()) == (-6.0, 6.0)


@pytest.mark.parametrize(
    ("nodata", "dtype"),
    [(-9999, "float32"), (float("nan"), "float32"), (-1e38, "float64"), (0, "uint16"), (65535, "uint16"),
     (-32768, "int16"), (0, "uint8")],
)  # fmt: skip
@pytest.mark.parametrize("bands", ["nir", "ndvi", "red,nir"])
def test_nodata_becomes_zero(tmp_path, nodata, dtype, bands):
    data = pattern(2, 40, 40, dtype)
    hole = np.zeros((40, 40), bool)
    hole[5:20, 7:30] = True
    data[:, hole] = nodata
    reader = fitted(make_raster(tmp_path / "a.tif", data, nodata=nodata, descriptions=["red", "nir"]), bands)
    x, valid = reader.read(Window(0, 0, 40, 40))
    np.testing.assert_array_equal(valid, ~hole)
    assert (x[:, hole] == 0).all()
    assert np.isfinite(x).all()


def test_outside_the_raster_is_invalid_and_zero(tmp_path):
    reader = fitted(make_raster(tmp_path / "a.tif", pattern(1, 30, 30)))
    x, valid = reader.read(Window(-5, 20, 20, 20))
    assert valid.sum() == 15 * 10
    assert (x[:, ~valid] == 0).all()
    assert (x[:, valid] != 0).any()
    inside, _ = reader.read(Window(0, 20, 15, 10))
    np.testing.assert_array_equal(x[:, :10, 5:], inside)


def test_resampled_reads(tmp_path):
    """A linear ramp stays one when enlarged, and nothing bleeds out of a hole."""
    data = np.tile(np.linspace(1000, 4000, 64), (64, 1))[None].astype("float32")
    data[0, 20:30, 20:30] = -9999
    reader = fitted(make_raster(tmp_path / "a.tif", data, nodata=-9999))
    x, valid = reader.read(Window(0, 0, 64, 64), (128, 128))
    assert (x.shape, valid.shape) == ((1, 128, 128), (64, 64))
    native, native_valid = reader.read(Window(0, 0, 64, 64))
    np.testing.assert_allclose(x[0, 100, 4:-4], np.interp(
        (np.arange(4, 124) + 0.5) / 2 - 0.5, np.arange(64), native[0, 50]), atol=2e-3)  # fmt: skip
    np.testing.assert_array_equal(valid, native_valid)
    seen = np.kron(valid, np.ones((2, 2), bool))
    assert (x[:, ~seen] == 0).all()
    assert x[:, seen].min() >= native[:, native_valid].min() - 1e-5


@pytest.mark.parametrize("out", [(32, 32), (20, 27), (8, 64), (100, 16)])
def test_reads_from_afar_say_which_pixels_of_the_raster_are_valid(tmp_path, out):
    """Where the model sees nothing it gets 0; a few holes take nothing of their neighbours along."""
    data = pattern(1, 64, 64, "float32")
    reader = fitted(make_raster(tmp_path / "full.tif", data))
    holes = np.random.default_rng(0).random((64, 64)) < 0.2
    holes[:24, :24] = True
    data[0] = np.where(holes, -9999, 3000)
    flat = ChannelReader(open_raster(make_raster(tmp_path / "a.tif", data, nodata=-9999)), reader.transform)
    x, valid = flat.read(Window(0, 0, 64, 64), out)
    np.testing.assert_array_equal(valid, ~holes)
    assert x.shape == (1, *out)
    np.testing.assert_allclose(x[x != 0], expected(reader.transform, np.float64(3000)).item(), rtol=1e-4)
    rows, cols = 24 * out[0] // 64, 24 * out[1] // 64
    assert (x[0, : rows - 1, : cols - 1] == 0).all()
    if max(out) <= 32:
        assert (x[0, rows + 1 :] != 0).all()


def test_the_same_band_twice(tmp_path):
    path = make_raster(tmp_path / "a.tif", pattern(2), descriptions=["red", "nir"])
    x, _ = fitted(path, "nir,2").read(Window(0, 0, 64, 64))
    np.testing.assert_array_equal(x[0], x[1])


def test_reopened_reader_in_another_thread(tmp_path):
    path = make_raster(tmp_path / "a.tif", pattern(2), descriptions=["x", "y"])
    source = open_raster(path)
    reader = ChannelReader(source, fit_transform([source], "nir=2"), "nir=2", scale=0.5)
    results = []

    def work():
        other = reader.reopen()
        results.append((other.read(Window(0, 0, 64, 64))[0], other.calibration))
        other.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results[0][0], reader.read(Window(0, 0, 64, 64))[0])
    assert results[0][1] == reader.calibration


REAL = (
    "drone_plot_rotated_nodata/plot615.tif",
    "landsat8_elkton/landsat8.tif",
    "landsat8_elkton/naip_sherando.tif",
    "landsat_landfire_yellowstone/landsat8_sr.tif",
    "micasense_rededge_orchard/rededge_orchard.tif",
    "micasense_rededge_orchard/northup_8cm.tif",
    "naip_north_dakota_fields/naip_20180716.tif",
    "sentinel2_ftw_fields/s2_window_b.tif",
)


@pytest.mark.parametrize("name", REAL)
def test_real_rasters(name):
    folder, _, rest = name.partition("/")
    reader = fitted(shared_data(folder) / rest, "nir,ndvi")
    x, valid = reader.read(reader.source.window)
    assert np.isfinite(x).all()
    assert (x[:, ~valid] == 0).all()
    unit = x[:, valid] * reader.transform.column("std")[:, 0] + reader.transform.column("mean")[:, 0]
    inside = ((unit >= 0) & (unit <= 1)).mean(axis=1)
    assert (inside > 0.9).all()  # 96 % by construction, less where many pixels share a value
    reader.close()
