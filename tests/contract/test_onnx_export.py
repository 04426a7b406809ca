"""Every adapter, head and backbone gives the same map from an exported file; new ones by being listed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from exported import CLASSES, disturbed
from nirlora.adapters import ADAPTERS
from nirlora.bands import ChannelTransform, InputTransform
from nirlora.inference.onnx_engine import OnnxEngine, OnnxModel
from nirlora.inference.torch_engine import TorchEngine
from nirlora.models.backbones import BACKBONES, backbone_spec
from nirlora.models.config import ModelConfig
from nirlora.models.heads import HEADS
from nirlora.models.onnx_metadata import OnnxInfo
from nirlora.models.segmenter import Segmenter, build_segmenter
from nirlora.onnx_export.graph import write_onnx
from nirlora.onnx_export.parity import compare
from small_nets import use_small_backbones

BAND = ChannelTransform("nir", "nir", 1, "", 1.0, 0.0, 0.0, 1.0, 0.0, 0.5, 1.0)
FAMILIES = (
    "vit-demo",
    "galileo-nano:p8",
    "vit-tiny",
    "dinov2-small",
    "dinov3-small",
    "swin-tiny",
    "sam-base",
)
ADAPTED = [
    pytest.param(spec.name, net, id=f"{spec.name}-{net}", marks=() if net == "vit-tiny" else pytest.mark.slow)
    for spec in ADAPTERS
    for net in ("vit-tiny", "dinov3-small", "swin-tiny")
    if backbone_spec(net).family in spec.families
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The exporter's time goes with the number of blocks."""
    use_small_backbones(monkeypatch)


def built(backbone: str = "vit-demo", **changes) -> Segmenter:
    config = ModelConfig(
        backbone=backbone, head="linear", pretrained=False, num_classes=len(CLASSES), aspp_rates=(2, 4)
    )
    return disturbed(build_segmenter(replace(config, **changes))).merge()


def exported(segmenter: Segmenter, side: int, path) -> OnnxEngine:
    channels = tuple(replace(BAND, name=f"b{i}") for i in range(segmenter.config.num_channels))
    write_onnx(segmenter, InputTransform(channels), side, {}, path)
    info = OnnxInfo(side, side)
    classes = max(segmenter.config.num_classes, 2)
    return OnnxEngine(OnnxModel(path, info, len(channels), classes), "cpu", batch=3)


def assert_same(segmenter: Segmenter, path, least: int = 48) -> None:
    side = -(-least // segmenter.patch) * segmenter.patch
    engine = exported(segmenter, side, path)
    x = torch.randn(4, segmenter.config.num_channels, side, side, generator=torch.Generator().manual_seed(3))
    x.clamp_(-6, 6)  # to what the graph clips anyway
    ours = TorchEngine(segmenter, engine.num_classes, "cpu")
    found = compare(ours, engine, x)  # in batches of three and one
    logits = ours.predict(x, (side, side))
    assert found.max_difference < 1e-4 * max(1.0, float(logits.abs().max()))
    assert found.agreement > 0.999  # random networks have ties
    assert (logits.amax((2, 3)) - logits.amin((2, 3))).max() > 1e-3, "a map of one value compares nothing"


@pytest.mark.parametrize(("adapter", "backbone"), ADAPTED)
def test_every_adapter(adapter, backbone, tmp_path):
    assert_same(built(backbone, adapter=adapter), tmp_path / "m.onnx")


@pytest.mark.parametrize("head", [spec.name for spec in HEADS])
@pytest.mark.parametrize("backbone", ["vit-demo", pytest.param("swin-tiny", marks=pytest.mark.slow)])
def test_every_head(backbone, head, tmp_path):
    assert_same(built(backbone, head=head), tmp_path / "m.onnx")


@pytest.mark.parametrize("backbone", FAMILIES)
def test_every_family_of_backbones(backbone, tmp_path):
    assert_same(built(backbone, head="detail"), tmp_path / "m.onnx")


def test_no_family_is_left_out():
    names = {name.split(":")[0] for name in FAMILIES}
    assert {spec.family for spec in BACKBONES if spec.name in names} == {spec.family for spec in BACKBONES}


def test_a_single_logit_becomes_two_classes(tmp_path):
    segmenter = built(num_classes=1, num_channels=3, stem="positional", final_norm=False)
    assert_same(segmenter, tmp_path / "m.onnx")
