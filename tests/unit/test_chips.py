import threading
from dataclasses import replace

import numpy as np
import pytest
from training_field import make_field

from nirlora.bands import ChannelReader, fit_transform
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from nirlora.training.augment import AugmentConfig
from nirlora.training.chips import ChipLayer, ChipSampler, ChipSpec, prefetch, read_chip
from nirlora.training.validation import validation_batches
from nirlora.vector.labels import open_labels
from nirlora.vector.split import split_groups

PLAIN = AugmentConfig(orientation=True, gain=0.0, offset=0.0)


@pytest.fixture
def field(tmp_path):
    return make_field(tmp_path)


@pytest.fixture
def layer(field):
    with open_raster(str(field.raster)) as source:
        transform = fit_transform([source], "nir")
        labels = open_labels(field.labels, source)
        groups = frozenset(item.group for item in labels.items)
        yield ChipLayer(ChannelReader(source, transform), labels, groups)


def spec(chip=32, zoom=1, batch=6, augment=PLAIN):
    return ChipSpec(chip, chip * zoom, batch, seed=5, augment=augment, mean=(0.5,), std=(0.25,))


def test_a_batch_depends_on_seed_and_step_only(layer):
    first, second = ChipSampler([layer], spec(), 3), ChipSampler([layer], spec(), 3)
    first.batch(0)  # drawing other batches before changes nothing
    for a, b in zip(first.batch(7), second.batch(7), strict=True):
        np.testing.assert_array_equal(a, b)
    other = ChipSampler([layer], replace(spec(), seed=6), 3).batch(7)
    assert not np.array_equal(other[0], second.batch(7)[0])


@pytest.mark.parametrize("zoom", [1, 2])
def test_labels_stay_on_their_pixels_through_crops_turns_and_flips(layer, zoom):
    x, y = ChipSampler([layer], spec(zoom=zoom), 3).batch(1)
    inner = x[:, 0, zoom // 2 :: zoom, zoom // 2 :: zoom]
    means = [inner[y == value].mean() for value in range(3)]
    spreads = [inner[y == value].std() for value in range(3)]
    # soil < crop < tree in NIR; class values are alphabetical: crop, soil, tree
    assert means[1] + 1 < means[0] < means[2] - 1
    assert max(spreads) < 0.4


def test_every_batch_holds_every_class_and_mostly_unlabelled_pixels(layer):
    sampler = ChipSampler([layer], spec(), 3)
    for step in range(5):
        _, y = sampler.batch(step)
        assert {0, 1, 2} <= set(np.unique(y))
        assert (y == NO_CLASS).mean() > 0.5


def test_held_out_polygons_are_never_drawn_and_training_ones_never_validated(field, layer):
    items = layer.labels.items
    split = split_groups([items], 0.3, 0, layer.labels.classes)
    everything = layer.labels.rasterise(layer.reader.source.window, None)
    held_out = layer.labels.rasterise(layer.reader.source.window, split.val[0])
    assert 0 < (held_out != NO_CLASS).sum() < (everything != NO_CLASS).sum()
    train = replace(layer, groups=split.train[0])
    window = layer.reader.source.window
    _, y, _ = read_chip(train, Window(0, 0, window.height, window.height), window.height)
    assert not ((y != NO_CLASS) & (held_out[:, : window.height] != NO_CLASS)).any()
    batches = validation_batches([replace(layer, groups=split.val[0])], spec())
    counted = sum(int((y != NO_CLASS).sum()) for _, y in batches)
    assert counted == (held_out != NO_CLASS).sum()  # each held-out pixel once, nothing else


def test_validation_is_bounded_and_keeps_every_class(layer):
    batches = validation_batches([layer], spec(), max_chips=3)
    labels = np.concatenate([y for _, y in batches])
    assert len(labels) <= 3
    assert {0, 1, 2} <= set(np.unique(labels))


def test_chips_of_a_raster_smaller_than_a_chip_are_padded_with_ignored_pixels(tmp_path):
    small = make_field(tmp_path, rows=24, cols=48, name="small")
    with open_raster(str(small.raster)) as source:
        labels = open_labels(small.labels, source)
        groups = frozenset(item.group for item in labels.items)
        layer = ChipLayer(ChannelReader(source, fit_transform([source], "nir")), labels, groups)
        x, y = ChipSampler([layer], spec(chip=64), 3).batch(0)
        assert x.shape == (6, 1, 64, 64)
        outside = (x[:, 0] == 0).all(axis=2)
        assert (y[outside] == NO_CLASS).all()
        assert (y != NO_CLASS).any()


def test_invalid_pixels_are_zero_even_after_jitter_and_are_never_labelled(tmp_path):
    field = make_field(tmp_path)
    import rasterio

    with rasterio.open(field.raster, "r+") as file:
        data = file.read(1)
        data[:, 60:80] = 0  # nodata over a stripe with polygons
        file.write(data, 1)
    with open_raster(str(field.raster)) as source:
        labels = open_labels(field.labels, source)
        groups = frozenset(item.group for item in labels.items)
        layer = ChipLayer(ChannelReader(source, fit_transform([source], "nir")), labels, groups)
        strong = AugmentConfig(orientation=False, gain=0.3, offset=0.3)
        sampler = ChipSampler([layer], replace(spec(chip=96, batch=2), augment=strong), 3)
        x, y = sampler.batch(0)  # a chip as high as the raster: the nodata stripe is whole columns
        for chip, labels in zip(x[:, 0], y, strict=True):
            columns = (chip == 0).all(axis=0)
            assert 8 <= columns.sum() <= 20
            assert (labels[:, columns] == NO_CLASS).all()


@pytest.mark.parametrize("zoom", [2.0, 1.0, 0.5, 0.25])
def test_labels_beside_nodata_are_kept_at_any_zoom(tmp_path, zoom):
    import rasterio

    field = make_field(tmp_path)
    with rasterio.open(field.raster, "r+") as file:
        data = file.read(1)
        holes = np.random.default_rng(0).random(data.shape) < 0.2
        file.write(np.where(holes, 0, data), 1)
    with open_raster(str(field.raster)) as source:
        labels = open_labels(field.labels, source)
        groups = frozenset(item.group for item in labels.items)
        layer = ChipLayer(ChannelReader(source, fit_transform([source], "nir")), labels, groups)
        window = Window(0, 0, 96, 96)
        x, y, seen = read_chip(layer, window, int(96 * zoom))
        expected = labels.rasterise(window, groups)
        expected[holes[:, :96]] = NO_CLASS
        np.testing.assert_array_equal(y, expected)
        assert (x[0, ~seen] == 0).all()
        assert (x[0, seen] != 0).mean() > 0.99


def test_prefetch_keeps_order_hands_on_errors_and_ends_its_thread(layer):
    sampler = ChipSampler([layer], spec(), 3)
    for step, (x, _) in zip(range(2, 5), prefetch(sampler, range(2, 5)), strict=True):
        np.testing.assert_array_equal(x, sampler.batch(step)[0])

    class Broken:
        def batch(self, step):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(prefetch(Broken(), range(3)))
    stopped_early = prefetch(sampler, range(1000))
    next(stopped_early)
    stopped_early.close()
    assert not [t for t in threading.enumerate() if t.name == "nirlora-chips"]
