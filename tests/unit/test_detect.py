"""Which band is what in whole files: made-up ones, and every real raster there is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import rasterio

from data.make_data import make_raster, pattern
from nirlora.bands import detect_roles, parse_bands
from nirlora.errors import BandsError
from nirlora.raster.source import open_raster
from support import shared_data


def file(path="field.tif", descriptions=(), *, count=0, tags=None, band_tags=(), colors=(), resolution_m=1.0):
    """What detection looks at of a raster source."""
    count = count or len(descriptions) or len(band_tags) or len(colors)
    return SimpleNamespace(
        path=path,
        count=count,
        descriptions=tuple(descriptions) or ("",) * count,
        tags=tags or {},
        band_tags=list(band_tags) or [{}] * count,
        color_interp=tuple(colors) or ("undefined",) * count,
        resolution_m=resolution_m,
    )


def test_names_come_first():
    found = detect_roles(
        file("naip_x.tif", ["nir", "red", "green", "blue"], colors=["red", "green", "blue", "alpha"])
    )
    assert found.roles == ("nir", "red", "green", "blue")
    assert (found.how, found.sensor, found.warnings) == ("band names", "NAIP", ())


@pytest.mark.parametrize(
    "tags",
    [
        [{"wavelength": "668"}, {"wavelength": "842.5"}],
        [{"wavelength": "0.668", "wavelength_units": "Micrometers"}, {"wavelength": "0.842"}],
        [{"WAVELENGTH": "668 nm"}, {"WAVELENGTH": "842 nm"}],
        [{"CENTRAL_WAVELENGTH_UM": "0.668"}, {"CENTRAL_WAVELENGTH_UM": "0.842"}],
        [{"CENTRAL_WAVELENGTH_NM": "668"}, {"CENTRAL_WAVELENGTH_NM": "842"}],
        [{"wavelength": "668", "wavelength_units": "Nanometers"}, {"wavelength": "842"}],
    ],
)
def test_wavelength_tags(tags):
    found = detect_roles(file(band_tags=tags))
    assert found.roles == ("red", "nir")
    assert found.how == "wavelengths"


def test_hyperspectral_cube_has_one_of_each_plain_role():
    found = detect_roles(file(band_tags=[{"wavelength": str(nm)} for nm in range(400, 1001, 5)]))
    assert found.roles[found.band("nir") - 1] == "nir"
    assert 400 + 5 * (found.band("nir") - 1) in (840, 845)
    assert 400 + 5 * (found.band("red") - 1) == 665


def test_band_tag_names():
    found = detect_roles(file(band_tags=[{"BandName": "Red"}, {"BandName": "NIR"}]))
    assert found.roles == ("red", "nir")


def test_sensor_order_counts_more_than_default_colours():
    """GDAL calls any four bands of bytes red, green, blue, alpha."""
    colors = ["red", "green", "blue", "alpha"]
    assert detect_roles(file("a_AnalyticMS.tif", colors=colors)).roles == ("blue", "green", "red", "nir")
    found = detect_roles(file("m_4709963_se_14_1_20180716.tif", colors=colors))
    assert found.roles == ("red", "green", "blue", "nir")
    assert found.how == "band order of NAIP"
    assert detect_roles(file("field.tif", colors=colors)).roles == ("red", "green", "blue", "alpha")


def test_colours_of_newer_files():
    assert detect_roles(file(colors=["nir", "red", "green"])).roles == ("nir", "red", "green")


def test_order_is_dropped_when_a_band_contradicts_it():
    names = ["nir", "", "", ""]
    assert detect_roles(file("x_AnalyticMS.tif", names)).roles == ("nir", "", "", "")


@pytest.mark.parametrize(
    ("names", "path", "resolution", "roles"),
    [
        (["B02", "B03", "B04", "B08"], "x.tif", 10, ("blue", "green", "red", "nir")),
        (["B2", "B3", "B4", "B8"], "x.tif", 10, ("blue", "green", "red", "nir")),
        (["B2", "B3", "B4", "B8"], "x.tif", 30, ("", "", "", "")),  # Landsat's B8 is panchromatic
        (["B4", "B8", "B8A"], "x.tif", 20, ("red", "nir", "nir2")),
        (["B04", "B8A", "B12"], "x.tif", 20, ("red", "nir", "swir2")),
        (["B3", "B4", "B5"], "x.tif", 30, ("", "", "")),  # NIR is B4 or B5, by satellite
        (["B3", "B4", "B5"], "LC08_L1TP_1_2.tif", 30, ("green", "red", "nir")),
        (["B3", "B4", "B5"], "LE07_L1TP_1_2.tif", 30, ("red", "nir", "swir1")),
        (["SR_B3", "SR_B4", "SR_B5", "SR_B6"], "x.tif", 30, ("green", "red", "nir", "swir1")),
        (["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"], "x.tif", 30,
         ("blue", "green", "red", "nir", "swir1", "swir2")),
        (["SR_B4", "SR_B5"], "x.tif", 30, ("", "")),
        (["Band 1", "Band 2", "Band 3", "Band 4"], "x.tif", 10, ("", "", "", "")),
        (["Band 4", "Band 5"], "x.tif", 30, ("", "")),
        (["Band 4", "Band 5"], "LC08_x.tif", 30, ("red", "nir")),
    ],
)  # fmt: skip
def test_band_codes(names, path, resolution, roles):
    assert detect_roles(file(path, names, resolution_m=resolution)).roles == roles


def test_numbered_names_of_a_known_sensor_use_its_order():
    names = [f"Band {i}" for i in range(1, 5)]
    assert detect_roles(file("x_AnalyticMS.tif", names)).roles == ("blue", "green", "red", "nir")
    twelve = [f"Band {i}" for i in range(1, 13)]
    assert detect_roles(file("S2A_MSIL2A_x.tif", twelve)).band("nir") == 8
    assert detect_roles(file("S2A_MSIL2A_x.tif", twelve)).band("swir2") == 12


def test_sensor_tags():
    found = detect_roles(file("a.tif", count=8, tags={"SENSOR": "WorldView-3"}))
    assert (found.sensor, found.band("nir"), found.band("nir2")) == ("WorldView-2/3", 7, 8)
    free_text = file("a.tif", count=8, tags={"history": "compared with WorldView-3"})
    assert detect_roles(free_text).sensor == ""


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("field_nir.tif", "nir"),
        ("x_transparent_reflectance_red edge.tif", "rededge"),
        ("T33UXP_20200101T101031_B08_10m.jp2", "nir"),
        ("T33UXP_20200101T101031_B04_10m.jp2", "red"),
        ("LC08_L2SP_015033_20200101_20200113_02_T1_SR_B5.TIF", "nir"),
        ("LE07_L2SP_015033_20000101_20200113_02_T1_SR_B4.TIF", "nir"),
    ],
)
def test_single_band_files_by_name(path, role):
    found = detect_roles(file(path, count=1))
    assert (found.roles, found.warnings) == ((role,), ())


def test_a_lone_unknown_band_is_near_infrared_and_said():
    found = detect_roles(file("/data/mosaic.tif", count=1))
    assert found.roles == ("nir",)
    assert found.warnings == (
        "mosaic.tif has one band and does not say what it is; it is taken as near-infrared (nir).",
    )
    assert detect_roles(file("classes.tif", count=1, colors=["palette"])).roles == ("",)


def test_an_unknown_stack_is_refused_with_the_way_out():
    roles = detect_roles(file(descriptions=["a", "b", "c", "", "Band 5"]))
    with pytest.raises(BandsError) as caught:
        parse_bands("", roles, nbands=5)
    assert str(caught.value) == (
        'Cannot tell which band is near-infrared: the file has 5 bands named "a", "b", "c", "", "Band 5". '
        "Say it with --bands 4 or --bands nir=4,red=3 (numbers start at 1)."
    )
    with pytest.raises(BandsError, match="the file has 3 bands named nothing"):
        parse_bands("nir", detect_roles(file(count=3)), nbands=3)


def test_a_stack_of_several_orders_says_so():
    roles = detect_roles(file("altum_field.tif", count=6))
    said = "MicaSense Altum files with 6 bands come in several orders, which differ in bands 4, 5"
    with pytest.raises(BandsError, match=said):
        parse_bands("nir", roles, nbands=6)


def test_given_roles_replace_detected_ones():
    found = detect_roles(file(descriptions=["red", "nir", "x"])).with_given({"nir": 3})
    assert found.roles == ("red", "", "nir")
    assert found.how == "given by the user"


def test_metadata_written_by_gdal(tmp_path):
    path = make_raster(
        tmp_path / "a.tif", pattern(2), descriptions=["", "Near Infrared"], band_tags=[{"wavelength": "668"}]
    )
    with open_raster(path) as source:
        assert detect_roles(source).roles == ("red", "nir")


def test_letters_count_together_only():
    assert detect_roles(file(descriptions=["R", "G", "B", "N"])).roles == ("red", "green", "blue", "nir")
    assert detect_roles(file(descriptions=["A", "B", "N"])).roles == ("", "", "")


def test_imagery_domain(tmp_path):
    path = make_raster(tmp_path / "a.tif", pattern(2))
    with rasterio.open(path, "r+") as raw:
        raw.update_tags(1, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.665")
        raw.update_tags(2, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.842")
    with open_raster(path) as source:
        assert detect_roles(source).roles == ("red", "nir")


def test_envi_header(tmp_path):
    envi = make_raster(tmp_path / "cube", pattern(2), driver="ENVI")
    header = tmp_path / "cube.hdr"
    header.write_text(header.read_text() + "wavelength units = Nanometers\nwavelength = {668.0, 842.0}\n")
    (tmp_path / "cube.aux.xml").unlink(missing_ok=True)
    with open_raster(envi) as source:
        assert detect_roles(source).roles == ("red", "nir")


REAL = {
    "drone_plot_rotated_nodata/plot615.tif": ("blue", "green", "red", "rededge", "nir"),
    "landsat8_elkton/landsat8.tif": ("blue", "green", "red", "nir", "swir1", "swir2"),
    "landsat8_elkton/naip_3607717.tif": ("red", "green", "blue", "nir"),
    "landsat8_elkton/naip_3607824.tif": ("red", "green", "blue", "nir"),
    "landsat8_elkton/naip_sherando.tif": ("red", "green", "blue", "nir"),
    "landsat_landfire_yellowstone/landsat8_sr.tif": ("red", "nir", "swir1"),
    "micasense_rededge_orchard/northup_8cm.tif": ("blue", "green", "red", "nir"),
    "micasense_rededge_orchard/rededge_orchard.tif": ("blue", "green", "red", "nir", "rededge"),
    "naip_north_dakota_fields/naip_20100629.tif": ("red", "green", "blue", "nir"),
    "naip_north_dakota_fields/naip_20180716.tif": ("red", "green", "blue", "nir"),
    "sentinel2_ftw_fields/s2_window_a.tif": ("red", "green", "blue", "nir"),
    "sentinel2_ftw_fields/s2_window_b.tif": ("red", "green", "blue", "nir"),
}


@pytest.mark.parametrize(("name", "roles"), REAL.items())
def test_real_rasters(name, roles):
    folder, _, rest = name.partition("/")
    with open_raster(shared_data(folder) / rest) as source:
        assert detect_roles(source).roles == roles


def test_real_naip_tiles():
    tiles = sorted((shared_data("naip_urban_trees") / "images").glob("*.tif"))
    assert len(tiles) == 78
    for tile in tiles:
        with open_raster(tile) as source:
            assert detect_roles(source).roles == ("red", "green", "blue", "nir")
