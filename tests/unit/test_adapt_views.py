"""Chips, views and masks of an adaptation: where they come from, and that nothing invalid counts."""

from __future__ import annotations

import numpy as np
import pytest

from data.make_data import make_raster
from nirlora.adaptation.batches import DinoBatches, MaeBatches
from nirlora.adaptation.chips import ChipSource, ViewSpec, patch_validity, view
from nirlora.adaptation.masks import block_mask, ibot_masks, visible_patches
from nirlora.adaptation.rasters import RasterPool, look_at
from nirlora.errors import MismatchError, RasterError
from nirlora.protocol import AdaptRequest, LayerRef
from nirlora.training.augment import AugmentConfig

STILL = AugmentConfig(orientation=False, gain=0.0, offset=0.0)


def spec(side: int, scale=(1.0, 1.0), augment=STILL) -> ViewSpec:
    return ViewSpec(side, scale, augment, (0.5,), (0.25,))


def rasters(tmp_path, *arrays, nodata=0, **request) -> tuple[RasterPool, AdaptRequest]:
    paths = [
        make_raster(tmp_path / f"r{i}.tif", a, nodata=nodata, descriptions=("NIR",))
        for i, a in enumerate(arrays)
    ]
    asked = AdaptRequest(layers=tuple(LayerRef(str(p)) for p in paths), **request)
    return RasterPool(look_at(asked.layers, asked), asked), asked


def test_every_valid_pixel_is_seen_about_as_often(tmp_path):
    """One raster is full, one of the same size only a quarter, of one there is a single column."""
    full = np.full((128, 128), 1000, "uint16")
    full[::2] = 3000
    quarter = np.where((np.arange(128) < 64)[:, None] & (np.arange(128) < 64), full, 0).astype("uint16")
    column = np.where(np.arange(128) == 0, full, 0).astype("uint16")
    pool, _ = rasters(tmp_path, full, quarter, column)
    assert [c.valid_px for c in pool.data.coverage] == [128 * 128, 64 * 64, 0]
    chips = ChipSource(pool, 32)
    rng = np.random.default_rng(0)
    drawn = [chips._window(rng, int(rng.choice(3, p=chips._share))) for _ in range(400)]
    assert chips._share[0] == pytest.approx(0.8, abs=0.02)
    assert min(w.col_off for w in drawn) == 0
    assert max(w.col_off + w.width for w in drawn) == 128
    seen = [chips.draw(rng)[1].mean() for _ in range(60)]
    assert np.mean(np.array(seen) > 0.9) > 0.9


def test_a_raster_smaller_than_a_chip_is_padded_with_nothing(tmp_path):
    pool, _ = rasters(tmp_path, np.arange(1, 1 + 20 * 30).reshape(20, 30).astype("uint16"))
    x, valid = ChipSource(pool, 48).draw(np.random.default_rng(0))
    assert x.shape == (1, 48, 48)
    assert valid.sum() == 20 * 30
    assert (x[:, ~valid] == 0).all()


def test_only_a_few_rasters_are_open_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("nirlora.adaptation.rasters._OPEN", 2)
    monkeypatch.setattr("nirlora.adaptation.rasters._FITTED", 2)
    rng = np.random.default_rng(0)
    pool, _ = rasters(tmp_path, *(rng.integers(1000, 3000, (40, 40)).astype("uint16") for _ in range(5)))
    readers = [pool.reader(i) for i in (0, 1, 2)]
    assert readers[0].source._file.closed
    assert not readers[2].source._file.closed
    assert pool.reader(1) is readers[1]
    pool.close()
    assert all(r.source._file.closed for r in readers)


def test_rasters_beyond_those_fitted_are_compared_with_them(tmp_path, monkeypatch):
    monkeypatch.setattr("nirlora.adaptation.rasters._FITTED", 1)
    rng = np.random.default_rng(0)
    digital = rng.integers(1000, 3000, (64, 64)).astype("uint16")
    with pytest.raises(MismatchError, match=r"r1\.tif"):
        rasters(tmp_path, digital, (digital // 100).astype("uint16"))


def test_a_raster_that_changed_is_noticed(tmp_path):
    pool, _ = rasters(tmp_path, np.full((40, 40), 9, "uint16") + np.eye(40, dtype="uint16"))
    make_raster(tmp_path / "r0.tif", np.ones((30, 30), "uint16"), descriptions=("NIR",))
    with pytest.raises(RasterError, match="has changed"):
        pool.reader(0)


def test_a_view_is_a_part_of_the_chip():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(1, 64, 64)
    valid = np.ones((64, 64), bool)
    same, _ = view((x, valid), ViewSpec(64, (1.0, 1.0), STILL, (0.5,), (0.25,)), rng)
    assert same.shape == x.shape
    spans = []
    for _ in range(200):
        part, ok = view((x, valid), spec(16, (0.25, 0.5)), rng)
        assert part.shape == (1, 16, 16)
        assert ok.all()
        assert x.min() <= part.min() <= part.max() <= x.max()
        spans.append((part[0, -1, 0] - part[0, 0, 0]) * 64)
    # Rows of a part: sqrt(area * aspect) of 64, area 1/4 to 1/2, sides 3:4 to 4:3.
    assert 64 * np.sqrt(0.25 * 0.75) * 0.9 < min(spans)
    assert max(spans) < 64 * np.sqrt(0.5 * 4 / 3)


def test_views_are_turned_mirrored_and_in_other_light():
    x = np.random.default_rng(0).random((1, 16, 16), np.float32)
    valid = np.ones((16, 16), bool)
    turning = spec(16, augment=AugmentConfig(True, 0.0, 0.0))
    turned = {view((x, valid), turning, np.random.default_rng(s))[0].tobytes() for s in range(100)}
    assert len(turned) > 8  # eight orientations, of parts with sides of 3:4 to 4:3
    lit = view((x, valid), spec(16, augment=AugmentConfig(False, 0.2, 0.1)), np.random.default_rng(1))[0]
    plain = view((x, valid), spec(16), np.random.default_rng(1))[0]
    gain, offset = np.polyfit(plain.ravel(), lit.ravel(), 1)
    assert gain != pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(lit, gain * plain + offset, atol=1e-5)


def test_a_view_is_seldom_of_nothing():
    """A sixteenth of the chip is valid, in a corner: most of its small parts show nothing."""
    valid = np.zeros((64, 64), bool)
    valid[:16, :16] = True
    x = valid.astype(np.float32)[None]
    rng = np.random.default_rng(0)
    local = [view((x, valid), spec(32, (0.05, 0.32)), rng)[1].any() for _ in range(200)]
    assert np.mean(local) > 0.98
    blank, nothing = view((0 * x, np.zeros_like(valid)), spec(32), rng)  # no endless search
    assert not blank.any()
    assert not nothing.any()


def test_invalid_pixels_stay_zero_in_other_light():
    valid = np.ones((16, 16), bool)
    valid[:8] = False
    x = np.where(valid, 1.0, 0.0).astype(np.float32)[None]
    made, ok = view((x, valid), spec(16, augment=AugmentConfig(False, 0.5, 0.5)), np.random.default_rng(0))
    assert (made[:, ~ok] == 0).all()
    assert (made[:, ok] != 0).all()


def test_a_patch_with_one_invalid_pixel_is_invalid():
    valid = np.ones((8, 12), bool)
    valid[3, 4] = False
    assert patch_validity(valid, 4).tolist() == [True, False, True, True, True, True]


@pytest.mark.parametrize("ratio", [0.1, 0.6, 0.75, 0.95])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 16, 20, 32, 63, 64])
def test_the_share_that_is_hidden_holds_of_the_valid_patches(count, ratio):
    """As many places in every image, and of the valid patches the share that was asked for."""
    rng = np.random.default_rng(count)
    valid = np.arange(64) < count
    keep = visible_patches(valid, ratio, rng)
    assert len(keep) == int(64 * (1 - ratio))
    assert (np.diff(keep) > 0).all()
    assert valid[keep].sum() == min(count, max(1, int(count * (1 - ratio))))
    assert count < 2 or valid[keep].sum() < count  # something is left to be drawn


def test_mae_counts_no_invalid_patch(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(1000, 3000, (64, 64)).astype("uint16")
    values[:, 40:] = 0
    pool, _ = rasters(tmp_path, values)
    batch = MaeBatches(ChipSource(pool, 64), spec(64), 8, 0.75, 3, seed=1).batch(0)
    assert batch["images"].shape == (3, 1, 64, 64)
    for image, keep, target in zip(batch["images"], batch["keep"], batch["target"], strict=True):
        blocks = image[0].reshape(8, 8, 8, 8).transpose(0, 2, 1, 3).reshape(64, 64)
        whole = (blocks != 0).all(1)  # no valid value is exactly 0 here
        assert not target[keep].any()
        assert whole[target].all()
        assert target.sum() == whole.sum() - whole.sum() // 4


@pytest.mark.parametrize("count", [1, 5, 20, 60])
def test_block_masks_hide_as_much_as_asked_in_few_pieces(count):
    rng = np.random.default_rng(count)
    masks = [block_mask((12, 12), count, rng) for _ in range(30)]
    sizes = [int(m.sum()) for m in masks]
    assert max(sizes) <= count
    assert np.mean(sizes) > 0.7 * count
    if count == 20:  # blocks: a hidden patch mostly has a hidden neighbour
        beside = [(m[:, 1:] & m[:, :-1]).sum() / max(m.sum(), 1) for m in masks]
        assert np.mean(beside) > 0.4


def test_a_large_block_mask_is_filled_though_many_rectangles_do_not_fit():
    """Ten tries for each piece, as in iBOT, not for all of them together."""
    rng = np.random.default_rng(0)
    sizes = [block_mask((24, 24), 288, rng).sum() for _ in range(30)]
    assert np.mean(sizes) > 0.98 * 288


def test_half_of_the_images_are_masked_by_a_tenth_to_a_half_and_never_where_invalid():
    rng = np.random.default_rng(0)
    valid = np.ones((8, 144), bool)
    valid[:, :12] = False
    for _ in range(20):
        masks = ibot_masks(valid, (12, 12), rng)
        shares = masks.mean(1)
        assert (shares > 0).sum() <= 4
        assert shares.max() <= 0.5
        assert not masks[:, :12].any()


def test_a_batch_is_a_function_of_seed_and_step(tmp_path):
    values = np.random.default_rng(0).integers(1000, 3000, (96, 96)).astype("uint16")
    pool, _ = rasters(tmp_path, values)
    chips = ChipSource(pool, 32)

    def batches(seed: int) -> DinoBatches:
        whole = spec(32, (0.32, 1.0), AugmentConfig())
        return DinoBatches(chips, whole, spec(16, (0.05, 0.32)), 3, 8, 4, seed)

    one = batches(0).batch(5)
    assert {k: v.shape for k, v in one.items() if k in ("globals", "locals", "masked")} == {
        "globals": (8, 1, 32, 32),
        "locals": (12, 1, 16, 16),
        "masked": (8, 16),
    }
    assert one["masked_at"].tolist() == np.flatnonzero(one["masked"]).tolist()
    assert all(np.array_equal(one[k], v) for k, v in batches(0).batch(5).items())
    assert not np.array_equal(one["globals"], batches(0).batch(6)["globals"])
    assert not np.array_equal(one["globals"], batches(1).batch(5)["globals"])
