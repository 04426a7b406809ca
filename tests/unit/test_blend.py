"""Blending: nothing lost, nothing counted twice, no seam in a constant field, little memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nirlora.inference.blend import RowBlender
from nirlora.inference.decode import decode
from nirlora.raster.grid import TileGrid, Window, partition_weights


def blend(grid, tile_logits, num_classes):
    """Run the blender over ``tile_logits(index, window)``; NaN where a block came out empty."""
    result = torch.full((num_classes, grid.height, grid.width), float("nan"))
    times = torch.zeros(grid.height, grid.width)
    blender = RowBlender(grid)
    for index, window in enumerate(grid):
        done, block = blender.add(tile_logits(index, window))
        rows, cols = done.slices
        assert done.intersection(window) == done
        times[rows, cols] += 1
        if block is not None:
            result[:, rows, cols] = block
    assert (times == 1).all()
    return result


@st.composite
def grids(draw):
    tile = draw(st.integers(2, 24))
    width, height = draw(st.integers(1, 80)), draw(st.integers(1, 80))
    return TileGrid.cover(width, height, tile, draw(st.integers(0, tile - 1)), draw(st.integers(1, 4)))


@given(grids())
@settings(max_examples=150, deadline=None)
def test_equals_the_weighted_sum_over_the_whole_raster(grid):
    generator = torch.Generator().manual_seed(0)
    tiles = [torch.randn(2, grid.tile_h, grid.tile_w, generator=generator) for _ in grid]
    height, width = max(grid.height, grid.tile_h), max(grid.width, grid.tile_w)
    expected = np.zeros((2, height, width))
    weights_y = partition_weights(grid.height, grid.tile_h, grid.starts_y)
    weights_x = partition_weights(grid.width, grid.tile_w, grid.starts_x)
    for index, window in enumerate(grid):
        i, j = divmod(index, len(grid.starts_x))
        rows, cols = window.slices
        expected[:, rows, cols] += weights_y[i][:, None] * weights_x[j] * tiles[index].numpy()
    result = blend(grid, lambda index, _: tiles[index].clone(), 2)
    np.testing.assert_allclose(result, expected[:, : grid.height, : grid.width], atol=1e-5)


@given(grids(), st.floats(-50, 50, width=32))
@settings(max_examples=60, deadline=None)
def test_a_constant_field_comes_out_exactly(grid, value):
    constant = torch.tensor([value, -value / 3, 0.1])[:, None, None]
    result = blend(grid, lambda *_: constant.expand(3, grid.tile_h, grid.tile_w).clone(), 3)
    assert (result == constant).all()


def test_skipped_tiles_leave_no_trace_in_their_neighbours():
    grid = TileGrid.cover(96, 96, 32, 8)
    skipped = {6, 7}
    tiles = [torch.randn(2, 32, 32) for _ in grid]
    full = blend(grid, lambda index, _: tiles[index].clone(), 2)
    some = blend(grid, lambda index, _: None if index in skipped else tiles[index].clone(), 2)
    usable = torch.ones(96, 96, dtype=torch.bool)
    for index, window in enumerate(grid):
        if index in skipped:
            usable[window.slices] = False
    assert torch.equal(some[:, usable], full[:, usable])


@given(grids(), st.data())
@settings(max_examples=100, deadline=None)
def test_the_tiles_around_a_window_give_there_what_all_tiles_give(grid, data):
    col, row = data.draw(st.integers(0, grid.width - 1)), data.draw(st.integers(0, grid.height - 1))
    window = Window(
        col, row, data.draw(st.integers(1, grid.width - col)), data.draw(st.integers(1, grid.height - row))
    )
    around = grid.around(window)
    generator = torch.Generator().manual_seed(0)
    tiles = {(w.col_off, w.row_off): torch.randn(2, *w.shape, generator=generator) for w in grid}
    assert {(w.col_off, w.row_off) for w in around} == {
        (w.col_off, w.row_off) for w in grid if w.intersection(window)
    }
    whole = blend(grid, lambda _, w: tiles[w.col_off, w.row_off].clone(), 2)
    part = torch.full_like(whole, float("nan"))
    blender = RowBlender(around)
    for w in around:
        done, block = blender.add(tiles[w.col_off, w.row_off].clone())
        rows, cols = done.slices
        part[:, rows, cols] = block
    rows, cols = window.slices
    assert not part[:, rows, cols].isnan().any()
    if 2 * (grid.tile_w - np.diff(grid.starts_x).min(initial=grid.tile_w)) <= grid.tile_w and (
        2 * (grid.tile_h - np.diff(grid.starts_y).min(initial=grid.tile_h)) <= grid.tile_h
    ):  # with larger overlaps ramps may be a pixel wider
        assert torch.equal(part[:, rows, cols], whole[:, rows, cols])
    assert around.covered_px <= grid.width * grid.height


def test_carries_only_strips():
    grid = TileGrid.cover(64 * 40, 256, 64, 16)
    blender = RowBlender(grid)
    for _ in grid:
        blender.add(torch.zeros(3, 64, 64))
    held = sum(t.untyped_storage().nbytes() for t in (blender._above, blender._left))
    assert held <= 3 * 16 * (grid.width + 64) * 4


def test_decode_gives_classes_and_percentages():
    logits = torch.log(torch.tensor([[0.7, 0.2], [0.2, 0.2], [0.1, 0.6]]))[:, None]
    classes, confidence, probabilities = decode(logits, confidence=True, probabilities=True)
    assert classes.tolist() == [[0, 2]]
    assert confidence.tolist() == [[70, 60]]
    assert probabilities[:, 0].tolist() == [[70, 20], [20, 20], [10, 60]]
    assert {t.dtype for t in (classes, confidence, probabilities)} == {torch.uint8}
    assert decode(logits, confidence=False, probabilities=False)[1:] == (None, None)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1)])
def test_tiny_rasters(shape):
    grid = TileGrid.cover(shape[1], shape[0], 64, 16, 16)
    result = blend(grid, lambda *_: torch.ones(2, grid.tile_h, grid.tile_w), 2)
    assert result.shape == (2, *shape)
    assert (result == 1).all()
