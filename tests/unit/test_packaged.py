"""Weights that come with the program: found by name, read without a network, carried along by a model."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
import torch

from nirlora.models import packaged
from nirlora.models.backbone_card import BackboneCard
from nirlora.models.backbone_file import write_backbone
from nirlora.models.backbones import backbone_spec, build_backbone
from nirlora.models.bundle import ModelCard, load_segmenter, write_bundle
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.models.weights import backbone_input, is_cached, load_backbone_weights, resolve_backbone
from nirlora.protocol import ClassInfo

NAME, ROLES = "nirlora-tiny", ("red", "green", "blue", "nir")


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """A file of random weights in half precision in the place of the shipped ones; no network at all."""
    torch.manual_seed(3)
    backbone = build_backbone(NAME)
    backbone.set_channels(ROLES)
    home = tmp_path / "pretrained"
    home.mkdir()
    card = BackboneCard(NAME, ROLES, (0.5,) * 4, (0.25,) * 4)
    state = {k: v.half() for k, v in backbone.net.state_dict().items()}
    path = write_backbone(home / f"{NAME}.nirlora-backbone", card, state)
    monkeypatch.setattr(packaged, "HOMES", (tmp_path / "nowhere", home))

    def offline(*args: object, **options: object) -> None:
        raise AssertionError("asked the network")

    for function in ("hf_hub_download", "get_hf_file_metadata", "hf_hub_url"):
        monkeypatch.setattr(huggingface_hub, function, offline)
    return path


def test_the_name_alone_finds_them(shipped):
    assert resolve_backbone(NAME) == (NAME, str(shipped))
    assert backbone_input(NAME).roles == ROLES
    assert is_cached(backbone_spec(NAME))
    backbone = build_backbone(NAME)
    loaded = load_backbone_weights(backbone)
    assert len(loaded.sha256) == 64
    assert backbone.roles == ROLES
    assert all(p.dtype == torch.float32 and torch.equal(p, p.half().float()) for p in backbone.parameters())


def test_others_are_not_found_there(shipped):
    assert resolve_backbone("vit-base") == ("vit-base", "")
    assert not is_cached(backbone_spec("galileo-nano"))
    assert resolve_backbone(f"{NAME}={shipped.parent}")[1] == str(shipped.parent)  # what the user says counts


def test_a_model_carries_them_along(shipped, tmp_path):
    """It opens where other weights, or none, are shipped."""
    name, source = resolve_backbone(NAME)
    config = ModelConfig(backbone=name, backbone_source=source, channel_roles=("nir",))
    made = build_segmenter(config)
    classes = (ClassInfo(0, "soil", "#aa7744"), ClassInfo(1, "crop", "#22bb33"))
    card = ModelCard(classes=classes, model=made.config, backbone_sha256=made.backbone_sha256)
    path = write_bundle(tmp_path / "m.nirlora", card, made.trainable_state())
    shipped.unlink()
    x = torch.randn(1, 1, 48, 48)
    opened, _ = load_segmenter(path)
    with torch.inference_mode():
        assert torch.equal(opened(x), made.eval()(x))


def test_full_and_half_precision_make_nearly_the_same_features(shipped):
    torch.manual_seed(3)
    full = build_backbone(NAME)
    full.set_channels(ROLES)
    half = build_backbone(NAME)
    load_backbone_weights(half)
    x = torch.randn(1, 4, 64, 64)
    with torch.inference_mode():
        a, b = full.eval()(x), half.eval()(x)
    assert float((a - b).norm() / a.norm()) < 2e-3
