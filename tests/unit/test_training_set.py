"""What is opened for a training, before any network."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import rasterio
from training_field import make_field

from data.make_data import make_raster
from nirlora.bands import fit_transform
from nirlora.errors import OptionError
from nirlora.protocol import LayerRef, TrainRequest
from nirlora.raster.source import open_raster
from nirlora.training.dataset import flat_channels, open_training_set


def test_one_field_on_two_rasters_is_held_out_on_both(tmp_path):
    field = make_field(tmp_path)
    layer = LayerRef(str(field.raster), str(field.labels))
    with ExitStack() as stack:
        data = open_training_set(TrainRequest(layers=(layer, layer)), stack)
        both = data.labels[0].rasterise(data.sources[0].window, data.split.val[0])
        again = data.labels[1].rasterise(data.sources[1].window, data.split.val[1])
    np.testing.assert_array_equal(both, again)
    assert all(c.val_pixels > 0 and c.train_pixels > c.val_pixels for c in data.split.counts)


def test_a_class_is_named_once(tmp_path):
    field = make_field(tmp_path)
    request = TrainRequest(layers=(LayerRef(str(field.raster)),), classes=("crop", "soil", "crop"))
    with ExitStack() as stack, pytest.raises(OptionError, match="'crop' twice"):
        open_training_set(request, stack)


def test_a_band_without_any_difference_is_said(tmp_path):
    values = np.zeros((2, 64, 64), "uint16")
    values[1] = np.arange(64)
    path = make_raster(tmp_path / "f.tif", values, descriptions=("nir", "red"))
    with open_raster(path) as source:
        (said,) = flat_channels(fit_transform([source], "nir,red"))
    assert said.startswith("Channel nir is 0 nearly everywhere")


def test_a_raster_of_colour_numbers_is_said(tmp_path):
    field = make_field(tmp_path)
    numbers = np.arange(field.truth.size, dtype="uint8").reshape(1, *field.truth.shape)
    raster = make_raster(tmp_path / "palette.tif", numbers)
    with rasterio.open(raster, "r+") as file:
        file.write_colormap(1, {i: (i, 0, 0, 255) for i in range(256)})
    layers = (LayerRef(str(raster), str(field.labels)), LayerRef(str(field.raster), str(field.labels)))
    with ExitStack() as stack:
        data = open_training_set(TrainRequest(layers=layers), stack)
    assert [w for w in data.warnings if "colour table" in w] == [
        "palette.tif has a colour table: its values are numbers of colours, not measurements. "
        "Is there a raster of measurements?"
    ]
