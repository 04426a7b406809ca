"""A new raster against the model: every message of the check, with its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from data.make_data import grid_transform, make_raster, pattern
from nirlora.bands import ChannelReader, ChannelTransform, InputTransform, check_reader, fit_transform
from nirlora.errors import BandsError, MismatchError, RasterError
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from support import shared_data

NIR = ChannelTransform("nir", "nir", 4, "NIR", 1e-4, 0.0, 0.1, 0.5, 0.08, 0.3, 0.55, 0.485, 0.229)
PLAIN = InputTransform((NIR,), 0.05, "reflectance")


def nir_file(tmp_path, values, name="new.tif", **options):
    array = np.asarray(values)
    options.setdefault("descriptions", ["nir"])
    return make_raster(
        tmp_path / name, array[None] if array.ndim == 2 else array, **{"pixel": 0.05, **options}
    )


def reader(path, transform, bands="", **options):
    return ChannelReader(open_raster(path), transform, bands, **options)


def check(path, transform, bands="", *, allow_mismatch=False, **options):
    made = reader(path, transform, bands, **options)
    with made.source:
        return check_reader(made, allow_mismatch=allow_mismatch)


@pytest.fixture
def field():
    """Reflectance like that of ``PLAIN``'s training: 0.08 to 0.55, median 0.3."""
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(0.3, 0.1, (120, 130)), 0.05, 0.6).astype("float32")


def test_the_training_raster_passes(tmp_path, field):
    path = nir_file(tmp_path, field)
    with open_raster(path) as source:
        fitted = fit_transform([source])
    assert fitted.kind == "reflectance"
    assert check(path, fitted) == []
    assert reader(path, fitted).check() == []


def test_a_huge_raster_that_is_nearly_empty_is_looked_at_where_it_will_be_used(tmp_path, field):
    path = tmp_path / "huge.tif"
    shape, at = (60_000, 70_000), Window(40_100, 30_200, 130, 120)
    with rasterio.open(
        path, "w", driver="GTiff", width=shape[1], height=shape[0], count=1, dtype="float32", nodata=-9999,
        tiled=True, SPARSE_OK=True, transform=grid_transform(0.05), crs="EPSG:32633",
    ) as file:  # fmt: skip
        file.set_band_description(1, "nir")
        file.write(field * 1e4, 1, window=at.to_rasterio())
    (said,) = [w for w in check(path, PLAIN) if "compare" in w]
    assert said == "No valid pixel of huge.tif was found to compare with training; is it nodata everywhere?"
    made = reader(path, PLAIN)
    with made.source, pytest.raises(MismatchError, match="9800 times larger"):
        check_reader(made, place=at)
    with open_raster(path) as source:
        with pytest.raises(RasterError, match="no valid pixel"):
            fit_transform([source])
        fitted = fit_transform([source], places=[[Window(40_150, 30_250, 9, 9)]]).channels[0]
    assert fitted.median == pytest.approx(np.median(field * 1e4), rel=0.02)


def test_digital_numbers_for_a_model_of_reflectance(tmp_path, field):
    path = nir_file(tmp_path, (field * 1e4).astype("uint16"))
    with pytest.raises(MismatchError) as caught:
        check(path, PLAIN)
    assert str(caught.value) == (
        "Channel nir: values of new.tif are about 9800 times larger than in training: "
        f"{_shown(field * 1e4)} here, 0.08 to 0.55 (median 0.3) in training. "
        "This raster probably holds digital numbers (DN) and the model was trained on reflectance; "
        "give --reflectance-scale 0.0001 "
        "(Landsat Collection 2: --reflectance-scale 0.0000275 --reflectance-offset -0.2)."
    )
    assert check(path, PLAIN, scale=1e-4) == []
    tagged = nir_file(tmp_path, (field * 1e4).astype("uint16"), "t.tif", tags={"v": "reflectance * 10000"})
    assert check(tagged, PLAIN) == []


def _shown(values):
    low, median, high = np.percentile(values.astype("uint16"), (1, 50, 99))
    return f"{low:.4g} to {high:.4g} (median {median:.4g})"


@pytest.mark.parametrize(("factor", "scale"), [(32768, "3.05176e-05"), (255, "0.00392157"), (100, "0.01")])
def test_the_scale_that_fits_is_named(tmp_path, field, factor, scale):
    path = nir_file(tmp_path, (field * factor).round().astype("uint16"))
    with pytest.raises(MismatchError, match=f"give --reflectance-scale {scale} "):
        check(path, PLAIN)


def test_reflectance_for_a_model_of_digital_numbers(tmp_path, field):
    trained = nir_file(tmp_path, (field * 1e4).astype("uint16"), "old.tif")
    with open_raster(trained) as source:
        model = fit_transform([source])
    path = nir_file(tmp_path, field)
    with pytest.raises(MismatchError) as caught:
        check(path, model)
    assert (
        "Channel nir: values of new.tif are about 10000 times smaller than in training"
        in caught.value.message
    )
    assert caught.value.hint == (
        "This raster probably holds reflectance and the model was trained on digital numbers (DN); "
        "give --reflectance-scale 10000."
    )
    assert check(path, model, scale=1e4) == []


def test_a_model_of_raw_numbers_meets_larger_ones(tmp_path, field):
    trained = nir_file(tmp_path, (field * 250).astype("uint8"), "old.tif")
    with open_raster(trained) as source:
        model = fit_transform([source])
    with pytest.raises(
        MismatchError, match=r"about 1\d\d times larger .* scaled differently; give --reflectance-scale 0.01 "
    ):
        check(nir_file(tmp_path, (field * 32768).astype("uint16")), model)


def test_a_model_of_raw_numbers_reads_raw_numbers(tmp_path, field):
    """Also where a file tells its scale, since training did not know it."""
    dn = (field * 1e4).astype("uint16")
    with open_raster(nir_file(tmp_path, dn, "old.tif")) as source:
        model = fit_transform([source])
    assert check(nir_file(tmp_path, dn, tags={"v": "reflectance * 10000"}), model) == []


def test_median_outside_the_training_range_warns(tmp_path, field):
    warnings = check(nir_file(tmp_path, field + 0.35), PLAIN)
    median = np.median(field + np.float32(0.35))
    assert warnings == [
        f"Channel nir: the median of new.tif is {median:.4g}, outside the 0.08 to 0.55 of training "
        "(median 0.3); the map may be wrong."
    ]


def test_median_far_outside_is_refused_unless_allowed(tmp_path, field):
    path = nir_file(tmp_path, field + 0.9)
    with pytest.raises(
        MismatchError, match=r"Channel nir: the median of new.tif is 1\.\d+, outside the 0.08 to 0.55"
    ):
        check(path, PLAIN)
    warnings = check(path, PLAIN, allow_mismatch=True)
    assert len(warnings) == 1
    assert warnings[0].endswith("Used all the same, as was asked.")


def test_one_bright_tail_is_no_factor(tmp_path, field):
    """A lake or a roof moves one percentile; a factor moves all."""
    bright = field.copy()
    bright[:5] = 30.0
    assert not any("times larger" in w for w in check(nir_file(tmp_path, bright), PLAIN))


@pytest.mark.parametrize(
    ("pixel", "outcome"), [(0.05, ""), (0.07, ""), (0.08, "warn"), (0.031, "warn"), (0.3, "refuse")]
)
def test_resolution(tmp_path, field, pixel, outcome):
    path = nir_file(tmp_path, field, pixel=pixel)
    if outcome == "refuse":
        with pytest.raises(MismatchError) as caught:
            check(path, PLAIN)
        assert str(caught.value) == (
            "Pixels of new.tif are 0.3 m, 6 times coarser than the 0.05 m of training. "
            "Resample the raster to about 0.05 m, or train on it."
        )
        assert "Pixels of new.tif are 0.3 m" in check(path, PLAIN, allow_mismatch=True)[0]
        return
    warnings = check(path, PLAIN)
    assert len(warnings) == bool(outcome)
    if warnings:
        finer = "1.6 times coarser" if pixel > 0.05 else "1.6 times finer"
        assert warnings[0].startswith(
            f"Pixels of new.tif are {pixel:.3g} m, {finer} than the 0.05 m of training."
        )


def test_resolution_unknown(tmp_path, field):
    path = nir_file(tmp_path, field, crs=None)
    assert check(path, PLAIN) == [
        "new.tif has no coordinate reference system, so its resolution cannot be compared with the "
        "0.05 m of training."
    ]
    assert check(path, replace(PLAIN, resolution_m=None)) == []


def test_unknown_scale_for_a_model_of_reflectance_warns(tmp_path):
    """Bytes that happen to lie in the range."""
    model = replace(PLAIN, channels=(replace(NIR, low=10.0, high=200.0, p1=5.0, median=100.0, p99=220.0),))
    path = nir_file(tmp_path, pattern(1, 50, 50, "uint8")[0])
    assert check(path, model) == [
        "The model was trained on reflectance and new.tif does not say its scale; its values are "
        "taken as they are."
    ]


def test_savi_without_reflectance_warns(tmp_path):
    path = make_raster(tmp_path / "new.tif", pattern(2), descriptions=["red", "nir"])
    with open_raster(path) as source:
        model = fit_transform([source], "savi")
    assert check(path, model) == [
        "SAVI needs reflectance and the scale of new.tif is not known; without it SAVI is little else than "
        "1.5 times NDVI. Give --reflectance-scale."
    ]


def test_missing_role(tmp_path, field):
    path = nir_file(tmp_path, np.stack([field, field]), descriptions=["red", "green"])
    with pytest.raises(
        BandsError, match="No band is known to be near-infrared: the file has 2 bands: 1 red, 2 green"
    ):
        reader(path, PLAIN)
    assert reader(path, PLAIN, "nir=2").channels[0].bands == (2,)
    assert reader(path, PLAIN, "2").channels[0].bands == (2,)


def test_another_band_order_is_followed_by_role(tmp_path, field):
    path = nir_file(tmp_path, np.stack([field, field / 10]), descriptions=["nir", "red"])
    assert reader(path, PLAIN).channels[0].bands == (1,)


def test_a_lone_band_is_taken_and_said(tmp_path, field):
    path = nir_file(tmp_path, field, descriptions=[])
    assert check(path, PLAIN) == [
        "new.tif has one band and does not say what it is; it is taken as near-infrared (nir)."
    ]
    assert check(path, PLAIN, "1") == []
    assert check(path, PLAIN, "nir=1") == []


# --- channels given by number --------------------------------------------------------------------


def numbered(tmp_path, descriptions, spec="2"):
    path = make_raster(tmp_path / "old.tif", pattern(3), descriptions=descriptions)
    with open_raster(path) as source:
        return fit_transform([source], spec)


def test_numbered_channel_follows_its_role(tmp_path):
    model = numbered(tmp_path, ["red", "nir", "green"])
    assert (model.names, model.roles) == (("b2",), ("nir",))
    path = make_raster(tmp_path / "new.tif", pattern(3), descriptions=["nir", "red", "green"])
    made = reader(path, model)
    assert made.channels[0].bands == (1,)
    assert made.warnings == ("Channel b2 (nir) was band 2 in training and is band 1 here.",)


def test_numbered_channel_with_another_name_warns(tmp_path):
    model = numbered(tmp_path, ["p", "q", "r_"])
    path = make_raster(tmp_path / "new.tif", pattern(3), descriptions=["q", "x", "y"])
    assert reader(path, model).warnings == (
        'Channel b2: band 2 was named "q" in training and is named "x" in new.tif; it is used by its number.',
    )
    same = make_raster(tmp_path / "same.tif", pattern(3), descriptions=["p", "q", "r_"])
    assert reader(same, model).warnings == ()


def test_numbered_channel_that_is_something_else_is_refused(tmp_path):
    model = numbered(tmp_path, ["red", "nir", "green"])
    path = make_raster(tmp_path / "new.tif", pattern(2), descriptions=["green", "red"])
    with pytest.raises(
        BandsError, match=r"channel b2 is nir, but band 2 of new.tif is red; its bands are 1 green"
    ):
        reader(path, model)
    small = make_raster(tmp_path / "small.tif", pattern(1), descriptions=["red"])
    with pytest.raises(
        BandsError, match=r"channel b2 was band 2 \(\"nir\"\) in training; small.tif has one band\."
    ):
        reader(small, model)
    assert reader(path, model, "1").channels[0].bands == (1,)


def test_numbered_channel_in_a_file_that_says_nothing(tmp_path):
    model = numbered(tmp_path, ["red", "", "green"], "1")
    silent = make_raster(tmp_path / "new.tif", pattern(3))
    assert "used by its number" in reader(silent, model).warnings[0]


@pytest.mark.parametrize("bands", ["green", "1,2", "3=nir"])
def test_bands_that_do_not_fit_the_model(tmp_path, field, bands):
    path = nir_file(tmp_path, np.stack([field, field]), descriptions=["nir", "x"])
    with pytest.raises(BandsError):
        reader(path, PLAIN, bands)


# --- real rasters ---


def test_real_other_scale_of_the_same_scene():
    """The north-up copy does not say that it is reflectance * 10000."""
    folder = shared_data("micasense_rededge_orchard")
    with open_raster(folder / "rededge_orchard.tif") as source:
        model = fit_transform([source])
    with pytest.raises(MismatchError, match=r"about 10000 times larger .* give --reflectance-scale 0.0001 "):
        check(folder / "northup_8cm.tif", model)
    assert check(folder / "northup_8cm.tif", model, scale=1e-4) == []


def test_real_other_sensor_and_resolution():
    with open_raster(shared_data("sentinel2_ftw_fields") / "s2_window_a.tif") as source:
        model = fit_transform([source])
    assert check(shared_data("sentinel2_ftw_fields") / "s2_window_b.tif", model) == []
    with pytest.raises(MismatchError, match=r"Pixels of naip_20100629.tif are 5 m|values of"):
        check(shared_data("naip_north_dakota_fields") / "naip_20100629.tif", model)
