"""Exported files in the QGIS plugin Deepness: what it reads, and that its users get the same classes.

The last tests run Deepness's own model class. Its source is not part of this project: they take a checkout of
https://github.com/PUTvision/qgis-plugin-deepness named by NIRLORA_DEEPNESS, or ``../shared/deepness``.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import nirlora
from data.make_data import make_raster, pattern
from exported import CLASSES, make_model
from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.inference.torch_engine import TorchEngine
from nirlora.models.bundle import load_segmenter
from nirlora.models.card import read_card
from nirlora.models.onnx_metadata import read_metadata
from nirlora.onnx_export.deepness import deepness_metadata
from nirlora.protocol import ExportRequest
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from support import ROOT

BANDS = ("red", "NIR")


@dataclass(frozen=True)
class Kind:
    """A raster as people have them."""

    dtype: str
    scale: float = 1.0
    offset: float = 0.0

    def write(self, path: Path) -> Path:
        told = {} if self.scale == 1.0 else {"scales": (self.scale,) * 2, "offsets": (self.offset,) * 2}
        return make_raster(path, pattern(2, 96, 96, self.dtype), descriptions=BANDS, pixel=0.5, **told)


KINDS = {
    "bytes": Kind("uint8"),
    "numbers": Kind("uint16"),
    "scaled": Kind("uint16", 1e-4, -0.1),
    "reflectance": Kind("float32"),
}


def fed(raw: np.ndarray, metadata: dict[str, str]) -> np.ndarray:
    """What Deepness makes of raw values (H, W, C), as its documentation says."""
    mean, std = (np.float32(json.loads(metadata[f"standardization_{k}"])) for k in ("mean", "std"))
    return ((np.float32(raw / 255.0) - mean) / std).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_std_carry_the_whole_input_transform(kind, tmp_path):
    with open_raster(KINDS[kind].write(tmp_path / "r.tif")) as source:
        transform = fit_transform([source], "nir,red").with_normalisation([0.4, 0.5], [0.2, 0.3])
        ours, _ = ChannelReader(source, transform).read(source.window)
        raw = source.read(source.window, [2, 1])[0].transpose(1, 2, 0)
    theirs = fed(raw, deepness_metadata(CLASSES, transform, 1.0, 96))
    low, high = transform.limits()
    np.testing.assert_allclose(theirs.clip(low, high), ours, atol=2e-5)


def test_a_computed_channel_is_beyond_it(tmp_path):
    raster = KINDS["reflectance"].write(tmp_path / "r.tif")
    done = nirlora.export(ExportRequest(model=str(make_model(tmp_path / "m.nirlora", raster, bands="ndvi"))))
    assert "model_type" not in read_metadata(done.onnx)
    assert any("Deepness cannot compute ndvi" in w for w in done.warnings)


@pytest.fixture(scope="module")
def segmentor():
    """Deepness's class for segmentation models."""
    folder = Path(os.environ.get("NIRLORA_DEEPNESS", ROOT.parent / "shared" / "deepness")) / "src"
    if not (folder / "deepness").is_dir():
        pytest.skip("no checkout of Deepness on this machine (set NIRLORA_DEEPNESS)")
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        from deepness.processing.models.segmentor import Segmentor

        yield Segmentor
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if name.startswith("deepness"):
                del sys.modules[name]


def opened(segmentor, path: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a GPU it asks for one all the same
        return segmentor(path)


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_class_gives_our_probabilities(segmentor, kind, tmp_path):
    raster = KINDS[kind].write(tmp_path / "r.tif")
    model = make_model(tmp_path / "m.nirlora", raster, bands="nir,red", head="detail")
    done = nirlora.export(ExportRequest(model=str(model), tile_px=48))
    windows = [Window(0, 0, 48, 48), Window(20, 40, 48, 48), Window(48, 48, 48, 48)]
    network, card = load_segmenter(model)
    with open_raster(raster) as source:
        reader = ChannelReader(source, InputTransform.from_dict(card.transform))
        x = torch.from_numpy(np.stack([reader.read(w)[0] for w in windows]))
        raw = np.stack([source.read(w, [2, 1])[0].transpose(1, 2, 0) for w in windows])
    ours = TorchEngine(network, len(CLASSES), "cpu").predict(x, (48, 48)).softmax(1).numpy()
    (theirs,) = opened(segmentor, done.onnx).process(raw)
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
    assert (theirs.argmax(1) == ours.argmax(1)).mean() > 0.999
    assert np.ptp(ours, axis=(0, 2, 3)).max() > 0.01, "a map of one value compares nothing"


def test_its_own_class_finds_all_settings(segmentor, tmp_path):
    raster = KINDS["numbers"].write(tmp_path / "r.tif")
    done = nirlora.export(
        ExportRequest(model=str(make_model(tmp_path / "m.nirlora", raster, zoom=2.0)), tile_px=24)
    )
    model = opened(segmentor, done.onnx)
    assert model.get_metadata_model_type() == "Segmentor"
    assert model.outputs_names == [[c.name for c in CLASSES]]
    assert [model.get_channel_name(0, i) for i in range(3)] == [c.name for c in CLASSES]
    assert model.get_number_of_output_channels() == [3]
    assert model.outputs_are_sigmoid == [False]
    assert list(model.get_input_size_in_pixels()) == [48, 48]
    assert model.get_number_of_channels() == 1
    assert model.get_model_batch_size() is None, "any batch"
    assert model.get_metadata_resolution() == pytest.approx(25.0), "cm, of the enlarged raster"
    assert (model.get_metadata_tile_size(), model.get_metadata_tiles_overlap()) == (48, 25)
    assert model.get_metadata_segmentation_threshold() == 0
    assert model.get_metadata_segmentation_small_segment() == 0


def test_its_own_class_bears_nodata_that_is_no_number(segmentor, tmp_path):
    """Deepness knows no nodata: the pixels have some class, and spoil none of the others."""
    data = pattern(1, 48, 48, "float32")
    raster = make_raster(tmp_path / "r.tif", data, descriptions=("NIR",), pixel=0.5)
    done = nirlora.export(ExportRequest(model=str(make_model(tmp_path / "m.nirlora", raster)), tile_px=48))
    tile = data.transpose(1, 2, 0)[None].copy()
    tile[0, :8, :8] = np.nan
    (probabilities,) = opened(segmentor, done.onnx).process(tile)
    assert np.isfinite(probabilities).all()


def test_the_card_lies_beside_its_keys(tmp_path):
    raster = KINDS["bytes"].write(tmp_path / "r.tif")
    model = make_model(tmp_path / "m.nirlora", raster)
    done = nirlora.export(ExportRequest(model=str(model)))
    assert read_card(done.onnx) == read_card(model)
    assert json.loads(read_metadata(done.onnx)["class_names"]) == {"0": "soil", "1": "crop", "2": "Bäume"}
