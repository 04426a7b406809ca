"""Calibration, fitting, the stored transform, and the check of a new raster against it."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.make_data import make_raster, pattern
from nirlora.bands import (
    BandRoles,
    ChannelReader,
    ChannelTransform,
    InputTransform,
    fit_transform,
)
from nirlora.bands.calibration import calibrate
from nirlora.bands.statistics import channel_stats, sample_channels
from nirlora.bands.transform import CLIP_UNIT
from nirlora.errors import BandsError, MismatchError, ModelError, RasterError
from nirlora.raster.source import open_raster
from support import shared_data

# --- calibration ---------------------------------------------------------------------------------


def facts(path="x.tif", *, tags=None, band_tags=({},), scales=(1.0,), offsets=(0.0,), dtype="uint16"):
    return SimpleNamespace(
        path=path,
        tags=tags or {},
        band_tags=list(band_tags),
        scales=scales,
        offsets=offsets,
        dtype=dtype,
        count=1,
    )


@pytest.mark.parametrize(
    ("source", "scale", "offset", "how"),
    [
        (facts(scales=(1e-4,), offsets=(-0.1,)), 1e-4, -0.1, "scale in the file"),
        (facts(tags={"scale": "reflectance * 10000"}), 1e-4, 0.0, "a tag of the file"),
        (facts(tags={"note": "Reflectance x 32768"}), 1 / 32768, 0.0, "a tag of the file"),
        (facts(tags={"units": "32768 = 100 % reflectance"}), 1 / 32768, 0.0, "a tag of the file"),
        (facts(tags={"v": "C2: reflectance = DN * 0.0000275 - 0.2"}), 2.75e-5, -0.2, "a tag of the file"),
        (facts(tags={"v": "reflectance = DN * 2.75e-05 + 0.1"}), 2.75e-5, 0.1, "a tag of the file"),
        (facts(tags={"v": "reflectance = DN * 2.75e-05 + -0.2"}), 2.75e-5, -0.2, "a tag of the file"),
        (facts(tags={"v": "reflectance = value / 10000"}), 1e-4, 0.0, "a tag of the file"),
        (facts(band_tags=[{"reflectance scale factor": "10000"}]), 1e-4, 0.0, "tags of the bands"),
        (facts("LC08_L2SP_015033_20200101_20200113_02_T1_SR_B5.TIF"), 2.75e-5, -0.2,
         "Landsat Collection 2 level 2"),
        (facts("S2A_MSIL2A_20200101T101031_N0213_R022_T33UXP_1.tif"), 1e-4, 0.0, "the Sentinel-2 product"),
        (facts("S2A_MSIL2A_20230101T101031_N0509_R022_T33UXP_1.tif"), 1e-4, -0.1, "the Sentinel-2 product"),
        (facts(tags={"BOA_QUANTIFICATION_VALUE": "10000", "BOA_ADD_OFFSET": "-1000"}), 1e-4, -0.1,
         "the Sentinel-2 product"),
        (facts(), 1.0, 0.0, ""),
        (facts("LC08_L1TP_015033_20200101_20200113_02_T1_B5.TIF"), 1.0, 0.0, ""),
        (facts("LC08_L2SP_015033_20200101_20200113_02_T1.TIF", dtype="float32"), 1.0, 0.0, ""),
        (facts(tags={"v": "top of atmosphere reflectance"}), 1.0, 0.0, ""),
    ],
)  # fmt: skip
def test_calibration(source, scale, offset, how):
    found = calibrate(source, BandRoles(("nir",)))
    assert found.scale == pytest.approx((scale,), rel=1e-12)
    assert found.offset == pytest.approx((offset,), rel=1e-12)
    assert (found.how, found.known) == (how, bool(how))


def test_the_user_knows_best():
    found = calibrate(facts(scales=(1e-4,)), BandRoles(("nir",)), scale=0.01, offset=-1.0)
    assert (found.scale, found.offset, found.how) == ((0.01,), (-1.0,), "given by the user")


def test_thermal_bands_keep_their_numbers():
    source = facts("LC08_L2SP_015033_20200101_20200113_02_T1_x.TIF")
    source.count = 2
    found = calibrate(source, BandRoles(("nir", "thermal")))
    assert (found.scale, found.offset) == ((2.75e-5, 1.0), (-0.2, 0.0))


# --- fitting -------------------------------------------------------------------------------------


@pytest.fixture
def opened():
    sources = []

    def open_(path):
        sources.append(open_raster(path))
        return sources[-1]

    yield open_
    for source in sources:
        source.close()


def test_fit_matches_plain_percentiles(tmp_path, opened):
    rng = np.random.default_rng(3)
    data = rng.gamma(4, 500, (2, 300, 310)).astype(np.uint16) + 1
    data[1, :40] = 0
    source = opened(make_raster(tmp_path / "a.tif", data, nodata=0, descriptions=["red", "nir"], pixel=0.5))
    fitted = fit_transform([source], "nir,red", mean=(0.4,), std=(0.2, 0.3))
    assert (fitted.names, fitted.roles, fitted.kind) == (("nir", "red"), ("nir", "red"), "range")
    assert fitted.resolution_m == pytest.approx(0.5)
    for channel, band in zip(fitted.channels, (1, 0), strict=True):
        values = data[band, 40:].astype(float)
        expected = np.percentile(values, (1, 2, 50, 98, 99))
        found = (channel.p1, channel.low, channel.median, channel.high, channel.p99)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert channel.band == band + 1
        assert (channel.scale, channel.offset, channel.mean) == (1.0, 0.0, 0.4)
    assert [c.std for c in fitted.channels] == [0.2, 0.3]


def test_fit_in_reflectance_and_of_several_rasters(tmp_path, opened):
    data = pattern(1, 100, 100)
    tags = {"values": "reflectance * 10000"}
    a = opened(make_raster(tmp_path / "a.tif", data, descriptions=["nir"], tags=tags))
    b = opened(make_raster(tmp_path / "b.tif", (data / 1e4).astype("float32"), descriptions=["NIR"]))
    fitted = fit_transform([a, b])
    values = np.concatenate([data.ravel() / 1e4] * 2)
    assert fitted.kind == "reflectance"
    assert fitted.channels[0].low == pytest.approx(np.percentile(values, 2), rel=1e-5)
    assert (fitted.channels[0].scale, fitted.channels[0].description) == (1e-4, "nir")
    one = fit_transform([a])
    assert one.channels[0].high == pytest.approx(np.percentile(data, 98) / 1e4, rel=1e-5)


def test_a_raster_that_does_not_tell_its_scale_makes_all_raw(tmp_path, opened):
    data = pattern(1, 100, 100)
    a = opened(make_raster(tmp_path / "a.tif", data, descriptions=["nir"], tags={"v": "reflectance * 10000"}))
    b = opened(make_raster(tmp_path / "b.tif", data, descriptions=["nir"]))
    fitted = fit_transform([a, b])
    assert fitted.kind == "range"
    assert fitted.channels[0].high == pytest.approx(np.percentile(data, 98), rel=1e-6)
    assert fit_transform([a, b], scale=1e-4).kind == "reflectance"


def test_rasters_of_different_scale_are_refused(tmp_path, opened):
    data = pattern(1, 100, 100)
    a = opened(make_raster(tmp_path / "a.tif", data, descriptions=["nir"]))
    b = opened(make_raster(tmp_path / "b.tif", (data / 1e4).astype("float32"), descriptions=["nir"]))
    with pytest.raises(MismatchError) as caught:
        fit_transform([a, b])
    assert "Channel nir: values of b.tif are about 10000 times smaller than in a.tif" in str(caught.value)
    assert "Bring the training rasters to one scale" in caught.value.hint


def test_a_number_must_mean_the_same_in_every_raster(tmp_path, opened):
    a = opened(make_raster(tmp_path / "a.tif", pattern(2), descriptions=["red", "nir"]))
    b = opened(make_raster(tmp_path / "b.tif", pattern(2), descriptions=["nir", "red"]))
    with pytest.raises(BandsError, match=r"Band 2 is nir in a.tif but red in b.tif. .* --bands nir"):
        fit_transform([a, b], "2")
    assert fit_transform([a, b], "nir").channels[0].band == 2


@pytest.mark.parametrize("value", [0, 7, 40000])
def test_constant_bands_have_a_range(tmp_path, opened, value):
    source = opened(make_raster(tmp_path / "a.tif", np.full((1, 50, 50), value, "uint16")))
    channel = fit_transform([source]).channels[0]
    assert channel.low < value < channel.high or (value == 0 and channel.low < 0 < channel.high)
    with open_raster(tmp_path / "a.tif") as again:
        x, _ = ChannelReader(again, fit_transform([again], mean=(0.5,))).read(again.window)
    np.testing.assert_allclose(x, 0.0, atol=1e-4)


def test_no_valid_pixel_is_said(tmp_path, opened):
    source = opened(make_raster(tmp_path / "a.tif", np.zeros((1, 50, 50), "uint16"), nodata=0))
    with pytest.raises(RasterError, match="no valid pixel in bands 1"):
        fit_transform([source])


def test_sampling_is_bounded_repeatable_and_close(tmp_path, opened):
    rng = np.random.default_rng(0)
    data = (rng.gamma(4, 500, (1, 3000, 3100)) + np.linspace(0, 2000, 3100)).astype(np.uint16)
    source = opened(make_raster(tmp_path / "a.tif", data, tiled=True, compress="deflate", zlevel=1))
    channels = [SimpleNamespace(name="nir", role="nir", bands=(1,), computed=False)]
    known = calibrate(source, BandRoles(("nir",)))
    sample = sample_channels(source, channels, known, limit_px=200_000)
    assert sample.shape[1] <= 200_000
    np.testing.assert_array_equal(sample, sample_channels(source, channels, known, limit_px=200_000))
    found = channel_stats(sample)[0]
    truth = np.percentile(data, (1, 50, 99))
    np.testing.assert_allclose((found.p1, found.median, found.p99), truth, rtol=0.02)


def test_sampling_finds_a_small_island_of_data(tmp_path, opened):
    data = np.zeros((1, 2600, 2600), "uint16")
    data[0, 300:400, 300:420] = pattern(1, 100, 120)[0]
    source = opened(make_raster(tmp_path / "a.tif", data, nodata=0, tiled=True, compress="deflate", zlevel=1))
    assert fit_transform([source]).channels[0].high > 1000


# --- the stored form -----------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(min_size=1, max_size=8)


@st.composite
def channel_transforms(draw, name):
    low = draw(st.floats(-1e6, 1e6))
    words, numbers = st.text(max_size=20), [draw(finite) for _ in range(6)]
    high, std = low + draw(st.floats(1, 1e6)), draw(st.floats(1e-3, 1e3))
    scale, offset, p1, median, p99, mean = numbers
    band = draw(st.integers(0, 300))
    return ChannelTransform(
        name, draw(words), band, draw(words), scale, offset, low, high, p1, median, p99, mean, std
    )


@st.composite
def transforms(draw):
    unique = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    return InputTransform(
        tuple(draw(channel_transforms(name)) for name in unique),
        draw(st.none() | st.floats(1e-3, 1e5)),
        draw(st.sampled_from(("range", "reflectance"))),
    )


@given(transforms())
def test_json_round_trip_is_exact(transform):
    assert InputTransform.from_dict(json.loads(json.dumps(transform.to_dict()))) == transform


NIR = ChannelTransform("nir", "nir", 4, "NIR", 1e-4, 0.0, 0.1, 0.5, 0.08, 0.3, 0.55, 0.485, 0.229)
PLAIN = InputTransform((NIR,), 0.05, "reflectance")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "other"}, "kind is 'other'"),
        ({"channels": []}, "it has no channels"),
        ({"resolution_m": -1.0}, "resolution_m is -1.0"),
        ({"extra": 1}, "unknown field 'extra'"),
        ({"resolution_m": "fine"}, "expected float"),
        ({"channels": "nir"}, "expected a list"),
        ({"channels": [NIR.__dict__, NIR.__dict__]}, "are not unique words"),
        ({"channels": [{**NIR.__dict__, "low": 0.5}]}, "low 0.5, high 0.5"),
        ({"channels": [{**NIR.__dict__, "std": 0.0}]}, "std 0.0"),
        ({"channels": [{**NIR.__dict__, "high": math.inf}]}, "not finite"),
        ({"channels": [{k: v for k, v in NIR.__dict__.items() if k != "low"}]}, "'low' is missing"),
    ],
)
def test_damaged_transforms_are_refused(change, message):
    with pytest.raises(ModelError) as caught:
        InputTransform.from_dict({**PLAIN.to_dict(), **change})
    assert message in caught.value.message


def test_apply_is_the_documented_formula():
    physical = np.array([[[0.1, 0.5, 0.3, 99.0, -99.0]]], dtype=np.float32)
    unit = np.array([0.0, 1.0, 0.5, CLIP_UNIT[1], CLIP_UNIT[0]])
    np.testing.assert_allclose(PLAIN.apply(physical)[0, 0], (unit - 0.485) / 0.229, rtol=1e-5, atol=1e-6)
    assert PLAIN.with_normalisation((0.0,), (1.0,)).apply(physical)[0, 0, 1] == pytest.approx(1.0)


# --- real rasters --------------------------------------------------------------------------------

REAL = {
    "drone_plot_rotated_nodata/plot615.tif": ("reflectance", 1.0, 0.0),
    "landsat8_elkton/landsat8.tif": ("range", 1.0, 0.0),
    "landsat_landfire_yellowstone/landsat8_sr.tif": ("reflectance", 2.75e-5, -0.2),
    "micasense_rededge_orchard/rededge_orchard.tif": ("reflectance", 1e-4, 0.0),
    "micasense_rededge_orchard/northup_8cm.tif": ("range", 1.0, 0.0),
    "naip_north_dakota_fields/naip_20100629.tif": ("range", 1.0, 0.0),
    "sentinel2_ftw_fields/s2_window_a.tif": ("range", 1.0, 0.0),
}


@pytest.mark.parametrize(("name", "expected"), REAL.items())
def test_real_rasters(name, expected):
    folder, _, rest = name.partition("/")
    with open_raster(shared_data(folder) / rest) as source:
        fitted = fit_transform([source], "nir,red,ndvi")
        kind, scale, offset = expected
        assert fitted.kind == kind
        assert fitted.channels[0].scale == pytest.approx(scale)
        assert fitted.channels[0].offset == offset
        assert InputTransform.from_dict(fitted.to_dict()) == fitted
        assert ChannelReader(source, fitted).check() == []
        if kind == "reflectance":
            assert 0 < fitted.channels[0].low < fitted.channels[0].high < 1


def test_real_naip_tiles_as_one_training_set():
    tiles = sorted((shared_data("naip_urban_trees") / "images").glob("*.tif"))
    sources = [open_raster(tile) for tile in tiles]
    try:
        fitted = fit_transform(sources)
        assert fitted.kind == "range"
        assert fitted.channels[0].high <= 255
        assert fitted.resolution_m == pytest.approx(0.6)
    finally:
        for source in sources:
            source.close()
