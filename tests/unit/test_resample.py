"""Bringing an array with holes to another size: torch's own resampling is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nirlora.raster.resample import any_valid, nearest_valid, resample

SIZES = [(12, 12), (7, 5), (24, 24), (31, 9), (1, 1), (12, 30)]


def oracle(data, out_px):
    tensor = torch.from_numpy(np.asarray(data, np.float64))[None]
    return F.interpolate(tensor, out_px, mode="bilinear", antialias=True)[0].numpy()


def make(share_of_holes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(100, 30, (2, 12, 20)), rng.random((12, 20)) >= share_of_holes


@pytest.mark.parametrize("out_px", SIZES)
@pytest.mark.parametrize("holes", [0.0, 0.3, 0.9])
def test_values_are_the_weighted_mean_of_valid_pixels(out_px, holes):
    data, valid = make(holes)
    values, seen = resample(data, valid, out_px)
    share = oracle(valid[None], out_px)[0]
    expected = oracle(np.where(valid, data, 0), out_px)[:, seen] / share[seen]
    np.testing.assert_allclose(values[:, seen], expected, rtol=1e-5)
    assert (values[:, ~seen] == 0).all()
    np.testing.assert_array_equal(seen, any_valid(valid, out_px))


@pytest.mark.parametrize("out_px", SIZES)
def test_every_valid_pixel_is_under_a_valid_one(out_px):
    """Cell by cell, by the definition: shrunk by any, enlarged by the pixel that the centre lies in."""
    _, valid = make(0.7)
    expected = np.zeros(out_px, bool)
    for row, col in np.ndindex(out_px):
        rows, cols = (
            [j for j in range(n) if i * n <= (j + 0.5) * out < (i + 1) * n]
            if out < n
            else [int((i + 0.5) * n / out)]
            for i, out, n in zip((row, col), out_px, valid.shape, strict=True)
        )
        expected[row, col] = valid[np.ix_(rows, cols)].any()
    np.testing.assert_array_equal(any_valid(valid, out_px), expected)


def test_nearest_validity_is_unbiased():
    _, valid = make(0.0)
    valid[3:9, 5:15] = False
    for out_px in ((6, 10), (24, 40)):
        assert nearest_valid(valid, out_px).mean() == valid.mean()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_the_dtype_stays_and_integers_are_rounded(dtype):
    data = np.full((1, 6, 6), 7, dtype)
    data[0, :, 3:] = 8
    values, seen = resample(data, np.ones((6, 6), bool), (3, 2))
    assert values.dtype == dtype
    assert seen.all()
    assert ((values >= 7) & (values <= 8)).all()
    if dtype != "float32":
        assert set(values.ravel().tolist()) == {7, 8}
