"""How channels meet an RGB patch embedding: exactly as documented."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nirlora.errors import OptionError
from nirlora.models.stem import adapt_conv, adapt_kernel, mixing, normalisation, resolve_stem

RGB = ("red", "green", "blue")


@pytest.fixture
def conv() -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, 8, kernel_size=4, stride=4).double()


def image(channels: int) -> torch.Tensor:
    return torch.randn(2, channels, 16, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("mode", ["auto", "replicate", "by_role"])
def test_one_band_is_the_band_fed_three_times(conv, mode):
    x = image(1)
    got = adapt_conv(conv, mode, ("nir",))(x)
    torch.testing.assert_close(got, conv(x.repeat(1, 3, 1, 1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("mode", ["auto", "rgb", "by_role"])
def test_rgb_in_any_order_meets_its_own_kernels(conv, mode, order):
    x = image(3)
    adapted = adapt_conv(conv, mode, tuple(RGB[i] for i in order))
    assert torch.equal(adapted.weight, conv.weight[:, list(order)])
    torch.testing.assert_close(adapted(x[:, list(order)]), conv(x), rtol=0, atol=1e-12)


def test_positional_keeps_the_order_whatever_the_roles(conv):
    adapted = adapt_conv(conv, "positional", ("rededge", "nir", "red"))
    assert torch.equal(adapted.weight, conv.weight)
    assert torch.equal(adapted.bias, conv.bias)


def test_by_role_gives_nir_the_mean_kernel_never_the_red_one(conv):
    got = adapt_kernel(conv.weight, "auto", ("nir", "red", "green"))
    red, green = conv.weight[:, 0], conv.weight[:, 1]
    torch.testing.assert_close(got[:, 0], conv.weight.mean(1))
    torch.testing.assert_close(got[:, 1], red)
    torch.testing.assert_close(got[:, 2], green)


def test_by_role_scales_by_three_over_channels(conv):
    got = adapt_kernel(conv.weight, "by_role", ("blue", "green", "red", "nir", "rededge"))
    torch.testing.assert_close(got[:, 2], conv.weight[:, 0] * 3 / 5)
    torch.testing.assert_close(got[:, 3], conv.weight.sum(1) / 5)


def test_replicate_of_several_is_their_mean_fed_three_times(conv):
    x = image(4)
    got = adapt_conv(conv, "replicate", ("nir",) * 4)(x)
    torch.testing.assert_close(got, conv(x.mean(1, keepdim=True).repeat(1, 3, 1, 1)), rtol=0, atol=1e-12)


def test_a_one_channel_kernel_stays_itself_for_one_channel():
    weight = torch.randn(8, 1, 4, 4)
    torch.testing.assert_close(adapt_kernel(weight, "auto", ("nir",)), weight)


@given(st.lists(st.sampled_from([*RGB, "nir", "rededge", "ndvi", ""]), min_size=1, max_size=9))
def test_weights_handed_out_always_sum_to_three_kernels(roles):
    for mode in ("auto", "replicate", "by_role"):
        matrix = mixing(mode, roles)
        assert matrix.shape == (len(roles), 3)
        assert (matrix >= 0).all()
        assert float(matrix.sum()) == pytest.approx(3.0, abs=1e-5)


@pytest.mark.parametrize(
    ("mode", "roles", "expected"),
    [
        ("auto", ("nir",), "replicate"),
        ("auto", ("blue", "red", "green"), "rgb"),
        ("auto", ("nir", "red", "green"), "by_role"),
        ("auto", ("", "", ""), "by_role"),
        ("auto", ("", ""), "by_role"),
        ("positional", ("", "", ""), "positional"),
    ],
)
def test_auto(mode, roles, expected):
    assert resolve_stem(mode, roles) == expected


@pytest.mark.parametrize(
    ("mode", "roles", "words"),
    [
        ("rgb", ("nir", "red", "green"), "red, green and blue, got nir, red, green"),
        ("rgb", ("red", "red", "blue"), "red, green and blue"),
        ("positional", ("nir",), "three channels, got 1"),
        ("bgr", ("nir",), "'bgr'"),
    ],
)
def test_a_mode_that_does_not_fit_is_refused(mode, roles, words):
    with pytest.raises(OptionError, match=words):
        resolve_stem(mode, roles)


def test_normalisation_follows_the_kernels():
    mean, std = (0.1, 0.2, 0.6), (1.0, 2.0, 6.0)
    assert normalisation("auto", ("nir",), mean, std) == ((0.3,), (3.0,))
    assert normalisation("auto", ("blue", "green", "red"), mean, std) == ((0.6, 0.2, 0.1), (6.0, 2.0, 1.0))
    assert normalisation("positional", ("nir", "nir2", "rededge"), mean, std) == (mean, std)
    assert normalisation("by_role", ("red", "nir"), mean, std) == ((0.1, 0.3), (1.0, 3.0))
    assert normalisation("replicate", ("a", "b", "c"), mean, std) == ((0.3,) * 3, (3.0,) * 3)


def test_meta_device_gives_the_shape_alone():
    with torch.device("meta"):
        adapted = adapt_conv(nn.Conv2d(3, 8, 4, 4, bias=False), "auto", ("nir",) * 5)
    assert adapted.weight.is_meta
    assert adapted.weight.shape == (8, 5, 4, 4)
    assert adapted.bias is None
