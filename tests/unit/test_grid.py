"""Tile starts cover, windows intersect, and weights make a partition of unity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirlora.raster.grid import TileGrid, Window, partition_weights, ramps, tile_starts


@st.composite
def axes(draw):
    tile = draw(st.integers(1, 70))
    return draw(st.integers(1, 400)), tile, draw(st.integers(0, tile - 1))


@given(axes())
@settings(max_examples=300, deadline=None)
def test_starts_cover_the_axis_evenly_with_the_fewest_tiles(axis):
    length, tile, overlap = axis
    starts = tile_starts(length, tile, overlap)
    if length <= tile:
        assert starts == (0,)
        return
    gaps = np.diff(starts)
    assert starts[0] == 0
    assert starts[-1] + tile == length
    assert gaps.max() <= tile - overlap
    assert gaps.max() - gaps.min() <= 1
    assert (len(starts) - 2) * (tile - overlap) + tile < length  # one tile less would not do


@given(axes())
@settings(max_examples=300, deadline=None)
def test_weights_sum_to_exactly_one_everywhere(axis):
    length, tile, overlap = axis
    starts = tile_starts(length, tile, overlap)
    total, contributors = np.zeros(max(length, tile), np.float32), np.zeros(max(length, tile), int)
    for start, weight in zip(starts, partition_weights(length, tile, starts), strict=True):
        assert weight.shape == (tile,)
        assert weight.min() >= 0
        assert weight.max() <= 1
        total[start : start + tile] += weight
        contributors[start : start + tile] += weight > 0
    assert (total == 1).all()
    assert contributors.max() <= 2


def test_ramps_are_the_middle_half_of_the_overlap_and_rise():
    starts = tile_starts(24, 16, 8)
    assert starts == (0, 8)
    (ramp,) = ramps(16, starts)
    assert (ramp.start, ramp.stop) == (10, 14)
    rise = ramp.weights()
    assert (np.diff(rise) > 0).all()
    assert np.allclose(rise + rise[::-1], 1)


@pytest.mark.parametrize("bad", [(0, 8, 2), (10, 0, 0), (10, 8, 8), (10, 8, -1)])
def test_impossible_tilings_are_refused(bad):
    with pytest.raises(ValueError, match="overlap"):
        tile_starts(*bad)


def test_weights_refuse_starts_of_another_length():
    with pytest.raises(ValueError, match="tiles end at"):
        partition_weights(30, 12, (0, 8))


def test_window_intersection_shift_and_slices():
    window = Window(-3, 2, 10, 5)
    inside = window.intersection(Window(0, 0, 6, 100))
    assert inside == Window(0, 2, 6, 5)
    assert inside.slices == (slice(2, 7), slice(0, 6))
    assert window.shift(3, -2) == Window(0, 0, 10, 5)
    assert window.intersection(Window(7, 2, 5, 5)) is None
    assert window.to_rasterio().flatten() == (-3, 2, 10, 5)
    with pytest.raises(ValueError, match="positive size"):
        Window(0, 0, 0, 3)


@pytest.mark.parametrize(
    ("size", "tile", "starts_x"),
    [((100, 50), (64, 64), (0, 36)), ((1, 7), (16, 16), (0,)), ((20, 20), (32, 32), (0,))],
)
def test_tiles_shrink_to_a_small_raster_in_whole_patches(size, tile, starts_x):
    grid = TileGrid.cover(*size, tile_px=64, overlap_px=16, multiple=16)
    assert (grid.tile_w, grid.tile_h) == tile
    assert grid.starts_x == starts_x
    assert len(list(grid)) == len(grid)
