import numpy as np
import pytest

from nirlora.training.augment import AugmentConfig, jitter, orient


def test_the_eight_orientations_are_distinct_and_move_pixels_and_labels_alike():
    grid = np.arange(9).reshape(3, 3)
    seen = {orient(grid, turns, flip).tobytes() for turns in range(4) for flip in (False, True)}
    assert len(seen) == 8
    stack = np.stack([grid, grid * 2])
    for turns in range(4):
        np.testing.assert_array_equal(orient(stack, turns, True)[1], 2 * orient(grid, turns, True))


def test_jitter_scales_and_shifts_the_unit_value():
    mean, std = np.array([0.5], np.float32), np.array([0.25], np.float32)
    unit = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 3, 4)
    x = (unit - mean[:, None, None]) / std[:, None, None]
    config = AugmentConfig(gain=0.2, offset=0.1)
    draws = np.random.default_rng(3)
    gain, offset = draws.normal(0, 0.2, 1), draws.normal(0, 0.1, 1)
    out = jitter(x.copy(), mean, std, np.random.default_rng(3), config)
    np.testing.assert_allclose(out * 0.25 + 0.5, unit * (1 + gain) + offset, atol=1e-6)


def test_no_strength_means_no_change():
    x = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    zeros, ones = np.zeros(2, np.float32), np.ones(2, np.float32)
    out = jitter(x.copy(), zeros, ones, np.random.default_rng(0), AugmentConfig(gain=0, offset=0))
    assert out == pytest.approx(x)
