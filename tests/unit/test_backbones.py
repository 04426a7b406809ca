"""The backbone table against timm, the reference counts, and Galileo against its published mapping."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
import timm
import torch

from nirlora.errors import OptionError
from nirlora.models.backbones import BACKBONES, backbone_spec, build_backbone
from nirlora.models.backbones.galileo import resize_kernel, sincos_2d
from nirlora.models.weights import load_backbone_weights
from support import shared_data

NAMES = [spec.name for spec in BACKBONES]
TIMM = [spec for spec in BACKBONES if spec.timm_name]


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_names_are_what_users_were_told():
    assert {"vit-base", "vit-large", "mae-base", "dino-base", "dinov2-base", "dinov3-base"} <= set(NAMES)
    assert {"dinov3-large-sat", "sam-base", "swin-tiny", "swin-small", "swin-base"} <= set(NAMES)
    assert {"galileo-nano", "vit-demo"} <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("spec", TIMM, ids=lambda s: s.name)
def test_a_spec_says_what_timm_says(spec):
    published = timm.get_pretrained_cfg(spec.timm_name)
    assert published.hf_hub_id == spec.hub
    assert (published.mean, published.std) == (spec.mean, spec.std)
    assert published.license == spec.licence
    assert published.first_conv == "patch_embed.proj"
    assert spec.revision == "main" or re.fullmatch("[0-9a-f]{40}", spec.revision)  # what a cache can hold


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vit-base", 85_798_656),
        ("vit-large", 303_301_632),
        ("swin-tiny", 27_519_354),
        ("swin-small", 48_837_258),
        ("swin-base", 86_743_224),
    ],
)
def test_reference_counts(name, parameters):
    with torch.device("meta"):
        assert count(build_backbone(name)) == parameters


@pytest.mark.parametrize(("name", "at_224"), [("dinov2-base", 85_724_928), ("dinov2-large", 303_227_904)])
def test_reference_counts_of_dinov2(name, at_224):
    with torch.device("meta"):
        backbone = build_backbone(name)
    extra_positions = (37 * 37 - 16 * 16) * backbone.dim  # the published grid is that of 518 px
    assert count(backbone) == at_224 + extra_positions


@pytest.mark.parametrize("name", NAMES)
def test_features_of_any_multiple_of_the_patch(name):
    with torch.device("meta"):
        backbone = build_backbone(name).eval()
        spec = backbone.spec
        for rows, cols in ((4, 4), (3, 7)):
            features = backbone(torch.zeros(2, 3, rows * spec.patch, cols * spec.patch))
            scale = spec.patch // spec.stride
            assert features.shape == (2, spec.dim, rows * scale, cols * scale)
        assert len(backbone.attentions()) >= 4


@pytest.mark.parametrize("name", ["vit-tiny", "dinov3-small", "swin-tiny", "vit-demo", "galileo-nano:p8"])
def test_small_ones_run(name):
    torch.manual_seed(0)
    backbone = build_backbone(name).eval()
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, 64, 96))
    assert features.shape == (1, backbone.dim, 64 // backbone.stride, 96 // backbone.stride)
    assert features.isfinite().all()


def test_sam_runs_small():
    torch.manual_seed(0)
    backbone = build_backbone("sam-base").eval()
    with torch.no_grad():
        assert backbone(torch.randn(1, 3, 48, 64)).shape == (1, 256, 3, 4)


def test_tokens_lie_where_their_patches_are_and_the_class_token_is_gone():
    torch.manual_seed(0)
    backbone = build_backbone("vit-tiny").eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        tokens = backbone.net.forward_features(x)[:, 1:]
        features = backbone(x)
        backbone.final_norm = False
        raw = backbone(x)
    torch.testing.assert_close(features[0, :, 3, 5], tokens[0, 3 * 14 + 5], rtol=0, atol=1e-5)
    normed = torch.nn.functional.layer_norm(raw[0, :, 3, 5], (192,), eps=1e-6)
    torch.testing.assert_close(features[0, :, 3, 5], normed, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet50", "no backbone 'resnet50'"),
        ("galileo-nano:p9", "no option 'p9'"),
        ("galileo-nano:x", "no option 'x'"),
        ("galileo-nano:gsd0", "no option 'gsd0'"),
        ("vit-base:p8", "vit-base has no options"),
        ("nirlora-tiny:p16", "nirlora-tiny has no options"),
    ],
)
def test_unknown_names_and_options(name, words):
    with pytest.raises(OptionError, match=words):
        build_backbone(name)


@pytest.mark.parametrize(
    ("name", "width"), [("nirlora-tiny", 192), ("vit-base", 768), ("swin-tiny", 768), ("sam-base", 768)]
)
def test_the_width_of_tokens_is_not_that_of_joined_or_narrowed_features(name, width):
    with torch.device("meta"):
        assert build_backbone(name).token_width == width


def test_options_do_not_hide_the_spec():
    assert backbone_spec("galileo-nano:p8").name == "galileo-nano"


def reference(folder):
    """The mapping script published beside the weights: an oracle this package does not import."""
    spec = importlib.util.spec_from_file_location("map_to_timm", folder / "map_to_timm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("patch", "size", "gsd"), [(4, 32, 10), (8, 64, 10), (4, 60, 10), (5, 40, 30), (4, 32, 0), (8, 64, 0)]
)
def test_galileo_is_the_published_mapping(patch, size, gsd):
    folder = shared_data("galileo_nano_weights")
    oracle = reference(folder)
    state, config = oracle.load(folder)
    mapped = oracle.map_state(state, config, patch=patch, img=size, rgb_order=True, gsd=gsd or 2.0)
    theirs = oracle.timm_vit(config, 3, patch, size)
    theirs.load_state_dict(mapped)
    ours = build_backbone(f"galileo-nano:p{patch}" + (f":gsd{gsd}" if gsd else "")).eval()
    load_backbone_weights(ours, str(folder))
    x = torch.rand(2, 3, size, size)
    with torch.no_grad():
        want = theirs.forward_features(x).transpose(1, 2).reshape(2, 128, size // patch, size // patch)
        torch.testing.assert_close(ours(x), want, rtol=0, atol=1e-5)


def test_galileo_nir_group():
    folder = shared_data("galileo_nano_weights")
    oracle = reference(folder)
    state, config = oracle.load(folder)
    theirs = oracle.timm_vit(config, 1, 8, 32)
    theirs.load_state_dict(oracle.map_state(state, config, group="S2_NIR_10m", patch=8, img=32))
    ours = build_backbone("galileo-nano:p8:nir:gsd10").eval()
    load_backbone_weights(ours, str(folder))
    x = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        want = theirs.forward_features(x).transpose(1, 2).reshape(1, 128, 4, 4)
        torch.testing.assert_close(ours(x), want, rtol=0, atol=1e-5)


def test_galileo_positions_do_not_depend_on_the_size_of_the_grid():
    large = sincos_2d(32, 9, 9, 4.0, torch.device("cpu"))
    assert torch.equal(sincos_2d(32, 3, 7, 4.0, torch.device("cpu")), large[:3, :7])


def test_kernel_resize_gives_back_what_was_enlarged():
    weight = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert resize_kernel(weight, 4) is weight
    larger = resize_kernel(weight, 8)
    x = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    # the defining property: the enlarged kernel on the enlarged patch answers as the kernel on the patch
    enlarged = torch.nn.functional.interpolate(x, (8, 8), mode="bicubic", antialias=True)
    want, got = (weight * x).sum((1, 2, 3)), (larger * enlarged).sum((1, 2, 3))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-4)


def test_galileo_config_is_what_was_built():
    config = json.loads((shared_data("galileo_nano_weights") / "config.json").read_text())["model"]["encoder"]
    net = build_backbone("galileo-nano").net
    assert (net.embed_dim, len(net.blocks)) == (config["embedding_size"], config["depth"])
    assert net.blocks[0].attn.num_heads == config["num_heads"]
