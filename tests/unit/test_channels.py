"""Forms of --bands, and the computed channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nirlora.bands import COMPUTED, BandRoles, Channel, parse_bands
from nirlora.bands.channels import compute
from nirlora.errors import BandsError

NAMES = ("b", "g", "r", "n", "re")
ROLES = BandRoles(("blue", "green", "red", "nir", "rededge"), "band names", "", NAMES)
BARE = BandRoles(("",) * 5, descriptions=("",) * 5)


def channels(spec, roles=ROLES):
    return [(c.name, c.role, c.bands) for c in parse_bands(spec, roles, nbands=len(roles.roles))]


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("", [("nir", "nir", (4,))]),
        ("nir", [("nir", "nir", (4,))]),
        (" NIR , Red,green ", [("nir", "nir", (4,)), ("red", "red", (3,)), ("green", "green", (2,))]),
        ("5,4,3", [("b5", "rededge", (5,)), ("b4", "nir", (4,)), ("b3", "red", (3,))]),
        ("b4", [("b4", "nir", (4,))]),
        ("ndvi", [("ndvi", "ndvi", (4, 3))]),
        ("ndre", [("ndre", "ndre", (4, 5))]),
        ("savi,gndvi", [("savi", "savi", (4, 3)), ("gndvi", "gndvi", (4, 2))]),
        ("nir,ndvi", [("nir", "nir", (4,)), ("ndvi", "ndvi", (4, 3))]),
        ("nir=1", [("nir", "nir", (1,))]),
        ("nir = 1, red=2", [("nir", "nir", (1,)), ("red", "red", (2,))]),
        ("ndvi,nir=1,red=2", [("ndvi", "ndvi", (1, 2))]),
        ("ndvi;nir=1;red=2", [("ndvi", "ndvi", (1, 2))]),
        ("ndvi,nir=1", [("ndvi", "ndvi", (1, 3))]),
    ],
)
def test_forms(spec, wanted):
    assert channels(spec) == wanted


def test_bare_stack_takes_numbers_and_given_roles():
    assert channels("4", BARE) == [("b4", "", (4,))]
    assert channels("nir=4,red=3", BARE) == [("nir", "nir", (4,)), ("red", "red", (3,))]
    assert channels("nir,nir2", BandRoles(("red", "nir2", "nir"))) == [
        ("nir", "nir", (3,)),
        ("nir2", "nir2", (2,)),
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "swir1",
            "No band is known to be swir1: the file has 5 bands: 1 blue, 2 green, 3 red, 4 nir, 5 rededge.",
        ),
        ("6", "There is no band '6': the raster has bands 1 to 5."),
        ("0", "There is no band '0': the raster has bands 1 to 5."),
        ("nir=9", "There is no band '9'"),
        ("nir=x", "There is no band 'x'"),
        ("nir=", "There is no band ''"),
        ("infra=4", "'infra' in 'infra=4' is no band role."),
        ("potato", "'potato' is neither a band role, an index nor a band number."),
        ("nir,nir", "--bands names nir twice"),
        ("nir=4,nir=3", "The role nir is given twice."),
        ("nir=4,red=4", "One band is given two roles: nir=4, red=4."),
        ("ndvi,red=4", "No band is known to be near-infrared for ndvi"),
    ],
)
def test_refused(spec, message):
    with pytest.raises(BandsError) as caught:
        channels(spec)
    assert message in caught.value.message
    assert caught.value.hint


def test_missing_red_for_ndvi_says_what_for():
    with pytest.raises(
        BandsError, match=r"No band is known to be red for ndvi: the file has 2 bands: 1 nir, 2 \"x\"."
    ):
        channels("ndvi", BandRoles(("nir", ""), descriptions=("", "x")))


def test_required_roles():
    needed = [c.required_roles for c in parse_bands("nir,ndre,4", ROLES, nbands=5)]
    assert needed == [("nir",), ("nir", "rededge"), ("nir",)]
    assert Channel("b2", "", (2,)).required_roles == ()


def test_index_values():
    data = np.array([[[0.5, 0.0, 0.3, -0.2]], [[0.1, 0.0, -0.3, 0.1]]], dtype=np.float32)  # nir, red
    wanted = parse_bands("ndvi,savi,nir", BandRoles(("nir", "red")), nbands=2)
    out = compute(wanted, data, {1: 0, 2: 1})
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[0, 0], [0.4 / 0.6, 0.0, 0.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(
        out[1, 0], [1.5 * 0.4 / 1.1, 0.0, 1.5 * 0.6 / 0.5 - 0.3, 1.5 * -0.3 / 0.4], rtol=1e-6
    )
    np.testing.assert_array_equal(out[2, 0], data[0, 0])


def test_order_of_band_index_does_not_matter():
    data = np.random.default_rng(0).uniform(0.01, 1, (2, 4, 5)).astype(np.float32)
    wanted = parse_bands("ndvi", BandRoles(("nir", "red")), nbands=2)
    np.testing.assert_array_equal(
        compute(wanted, data, {1: 0, 2: 1}), compute(wanted, data[::-1].copy(), {2: 0, 1: 1})
    )


@given(
    arrays(np.float32, (2, 3, 3), elements=st.floats(-1e6, 1e6, width=32)), st.sampled_from(sorted(COMPUTED))
)
def test_indices_are_finite_and_bounded(data, name):
    limit = 1.5 if name == "savi" else 1.0
    out = COMPUTED[name].function(data[0], data[1])
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= limit
