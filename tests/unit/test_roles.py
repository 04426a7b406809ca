"""Band names, wavelengths and the numbering of several bands of one role."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirlora.bands.names import code_in, guess_from_name, wavelength_in
from nirlora.bands.roles import BASES, Guess, base_role, is_role, number_roles, role_of_wavelength
from nirlora.bands.sensors import SENSORS, SENTINEL2, Sensor


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("NIR", "nir"),
        ("nir", "nir"),
        ("Near Infrared", "nir"),
        ("near-infrared", "nir"),
        ("Near_IR", "nir"),
        ("NearInfrared (842 nm)", "nir"),
        ("NIR-842", "nir"),
        ("nir 840", "nir"),
        ("nir B5", "nir"),
        ("NIR1", "nir"),
        ("Infrared", "nir"),
        ("nir08", "nir"),
        ("red edge", "rededge"),
        ("Red Edge 717", "rededge"),
        ("Rededge-717", "rededge"),
        ("RedEdge", "rededge"),
        ("red_edge", "rededge"),
        ("Vegetation Red Edge", "rededge"),
        ("RE", "rededge"),
        ("red", "red"),
        ("Red (Band 3)", "red"),
        ("red 668", "red"),
        ("R", ""),  # alone it may be anything, see test_detect
        ("green_i", "green"),
        ("Green 560", "green"),
        ("blue B2", "blue"),
        ("Blue-475", "blue"),
        ("Coastal Aerosol", "coastal"),
        ("coastal blue", "coastal"),
        ("Yellow", "yellow"),
        ("SWIR1", "swir1"),
        ("swir1 B6", "swir1"),
        ("SWIR 2", "swir2"),
        ("swir16", "swir1"),
        ("swir22", "swir2"),
        ("Short Wave Infrared 2", "swir2"),
        ("SWIR 2200 nm", "swir2"),
        ("Pan", "pan"),
        ("Panchromatic", "pan"),
        ("LWIR", "thermal"),
        ("Thermal Infrared 1", "thermal"),
        ("alpha", "alpha"),
        ("842 nm", "nir"),
        ("Band 5 (0.865 um)", "nir"),
        ("717.0", ""),
        ("B4, central wavelength 665 nm", "red"),
        ("Band 1", ""),
        ("", ""),
        ("NDVI nir", ""),
        ("red-green ratio", ""),
        ("blue green", ""),
        ("water vapour", ""),
        ("cloud mask", ""),
        ("predicted", ""),  # contains "red"
        ("linear", ""),  # contains "ir"? no word of its own
    ],
)
def test_names(name, role):
    assert guess_from_name(name).base == role


@given(st.text(max_size=40))
def test_any_name_gives_a_known_role_or_none(name):
    assert guess_from_name(name).base in ("", *BASES)


@pytest.mark.parametrize(
    ("nm", "role"),
    [(443, "coastal"), (475, "blue"), (560, "green"), (610, "yellow"), (668, "red"), (717, "rededge"),
     (783, "rededge"), (790, "nir"), (842, "nir"), (1610, "swir1"), (2200, "swir2"), (10800, "thermal"),
     (1375, ""), (5000, ""), (0, "")],
)  # fmt: skip
def test_wavelengths(nm, role):
    assert role_of_wavelength(nm) == role


def test_wavelength_units():
    assert wavelength_in("842 nm") == 842
    assert wavelength_in("0.842 µm") == pytest.approx(842)
    assert wavelength_in("1.61 micrometers") == pytest.approx(1610)
    assert wavelength_in("red 668") == 668
    assert wavelength_in("band 2020") == 2020
    assert wavelength_in("from 840 to 880") == 0


@pytest.mark.parametrize(
    ("name", "code"),
    [("B08", "B08"), ("b8a", "B8A"), ("SR_B5", "B5"), ("nir B5", "B5"), ("Band 4", "B4"), ("B12", "B12"),
     ("LC08_L2SP_015033_20200101_20200101_02_T1_SR_B5", "B5"), ("B14", ""), ("blue", ""), ("web5", "")],
)  # fmt: skip
def test_codes(name, code):
    assert code_in(name) == code


def test_the_band_nearest_to_the_usual_wavelength_has_the_plain_role():
    dual_camera = [(475, "blue"), (444, "blue"), (560, "green"), (531, "green"), (650, "red"), (668, "red"),
                   (705, "rededge"), (717, "rededge"), (740, "rededge"), (842, "nir")]  # fmt: skip
    roles = number_roles([Guess(base, 0, nm) for nm, base in dual_camera])
    assert roles == (
        "blue",
        "blue2",
        "green",
        "green2",
        "red2",
        "red",
        "rededge2",
        "rededge",
        "rededge3",
        "nir",
    )


def test_bands_that_say_their_number_keep_it():
    assert number_roles([Guess("nir", 2), Guess("nir", 1), Guess("nir")]) == ("nir2", "nir", "nir3")
    assert number_roles([Guess("nir", 2)]) == ("nir",)
    assert number_roles([Guess("nir", 2), Guess("nir", 2), Guess()]) == ("nir2", "nir", "")


@given(
    st.lists(
        st.builds(Guess, st.sampled_from(("", *BASES)), st.integers(0, 4), st.floats(0, 2500)), max_size=20
    )
)
def test_every_role_occurs_once(guesses):
    roles = number_roles(guesses)
    known = [r for r in roles if r]
    assert len(known) == len(set(known)) == sum(bool(g.base) for g in guesses)
    assert all(is_role(r) for r in known)
    for guess in guesses:
        assert not guess.base or guess.base in roles


def test_base_role():
    assert [base_role(r) for r in ("nir", "nir2", "rededge3", "swir2", "swir2_3", "swir12")] == [
        "nir", "nir", "rededge", "swir2", "swir2", "swir",
    ]  # fmt: skip
    assert not is_role("swir12")
    assert not is_role("")


EVIDENCE = {
    "S2A_MSIL2A_20200101T101031_N0213_R022_T33UXP_20200101T121031.tif": "Sentinel-2",
    "T33UXP_20200101T101031_B08_10m.jp2": "Sentinel-2",
    "sentinel2_field.tif": "Sentinel-2",
    "LC08_L2SP_015033_20200101_20200113_02_T1_SR_B5.TIF": "Landsat 8/9",
    "LC09_L1TP_015033_20220101_20220113_02_T1.tif": "Landsat 8/9",
    "LE07_L2SP_015033_20000101_20200113_02_T1_SR_B4.TIF": "Landsat 4-7",
    "m_4709963_se_14_1_20180716.tif": "NAIP",
    "naip_3607717.tif": "NAIP",
    "20200601_101010_1010_3B_AnalyticMS_SR.tif": "PlanetScope",
    "20220601_101010_10_2475_3B_AnalyticMS_SR_8b.tif": "PlanetScope",
    "2015-06-01T101010_RE3_3A_Analytic.tif": "RapidEye",
    "micasense_rededge_ortho.tif": "MicaSense RedEdge",
    "RedEdge-MX_field.tif": "MicaSense RedEdge",
    "altum_field.tif": "MicaSense Altum",
    "parrot_sequoia_ortho.tif": "Parrot Sequoia",
    "WV03_ortho.tif": "WorldView-2/3",
    "IMG_PHR1A_MS_202006011010101_ORT.TIF": "Pleiades",
}


@pytest.mark.parametrize(("name", "sensor"), EVIDENCE.items())
def test_sensor_evidence_is_unambiguous(name, sensor):
    assert [s.name for s in SENSORS if s.matches(name)] == [sensor]


NO_EVIDENCE = (
    "field.tif", "rededge_orchard.tif", "plot615.tif", "mosaic_s2.tif", "altumn.tif", "s2_window_a.tif",
    "chico_2020_10.tif", "planet.tif", "image_re5.tif", "sequoia_park.tif",
)  # fmt: skip


@pytest.mark.parametrize("name", NO_EVIDENCE)
def test_no_sensor_without_clear_evidence(name):
    assert not [s.name for s in SENSORS if s.matches(name)]


def _names(sensor: Sensor, count: int) -> list[str]:
    return list(number_roles(sensor.by_count(count)))


def test_sensor_orders():
    by_name = {s.name: s for s in SENSORS}
    visible = ["blue", "green", "red"]
    assert _names(SENTINEL2, 13) == [
        "coastal", *visible, "rededge", "rededge2", "rededge3", "nir", "nir2", "", "", "swir1", "swir2",
    ]  # fmt: skip
    assert _names(SENTINEL2, 12) == [
        "coastal", *visible, "rededge", "rededge2", "rededge3", "nir", "nir2", "", "swir1", "swir2",
    ]  # fmt: skip
    # Two orders in use: only what they share, and there band 8A is near-infrared in both.
    assert _names(SENTINEL2, 10) == [*visible, "", "", "", "", "nir", "swir1", "swir2"]
    assert _names(SENTINEL2, 4) == ["", "green", "", "nir"]
    assert _names(by_name["Landsat 8/9"], 7) == ["coastal", *visible, "nir", "swir1", "swir2"]
    assert _names(by_name["Landsat 8/9"], 6) == [*visible, "nir", "swir1", "swir2"]
    assert _names(by_name["Landsat 8/9"], 11) == [
        "coastal", *visible, "nir", "swir1", "swir2", "pan", "", "thermal", "thermal2",
    ]  # fmt: skip
    assert _names(by_name["Landsat 4-7"], 6) == [*visible, "nir", "swir1", "swir2"]
    assert _names(by_name["NAIP"], 4) == ["red", "green", "blue", "nir"]
    assert _names(by_name["PlanetScope"], 4) == [*visible, "nir"]
    assert _names(by_name["PlanetScope"], 5) == [*visible, "rededge", "nir"]
    assert _names(by_name["PlanetScope"], 8) == [
        "coastal", "blue", "green2", "green", "yellow", "red", "rededge", "nir",
    ]  # fmt: skip
    assert _names(by_name["RapidEye"], 5) == [*visible, "rededge", "nir"]
    assert _names(by_name["Parrot Sequoia"], 4) == ["green", "red", "rededge", "nir"]
    assert _names(by_name["WorldView-2/3"], 8) == [
        "coastal", *visible[:2], "yellow", "red", "rededge", "nir", "nir2",
    ]  # fmt: skip
    assert _names(by_name["WorldView-2/3"], 4) == [*visible, "nir"]
    assert _names(by_name["Pleiades"], 4) == ["red", "green", "blue", "nir"]
    # The camera numbers NIR fourth, the vendor's mosaics hold it fifth: not told apart by counting.
    assert _names(by_name["MicaSense RedEdge"], 5) == [*visible, "", ""]
    assert _names(by_name["MicaSense Altum"], 6) == [*visible, "", "", "thermal"]
    assert SENTINEL2.by_count(5) == ()


def test_every_order_names_bands_of_its_sensor_once():
    for sensor in SENSORS:
        for order in sensor.orders:
            assert set(order) <= set(sensor.bands)
            assert len(order) == len(set(order))
