"""The network as a whole: modes, seeds, sizes, states."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nirlora.errors import ModelError, OptionError
from nirlora.models.config import ModelConfig
from nirlora.models.heads import HEADS
from nirlora.models.segmenter import Segmenter, build_segmenter, parameter_counts
from nirlora.protocol.codec import from_dict, to_dict

DEMO = ModelConfig(backbone="vit-demo", pretrained=False, num_classes=3)


def pretended(config: ModelConfig) -> Segmenter:
    """A segmenter whose backbone counts as pretrained."""
    segmenter = build_segmenter(config)
    segmenter.backbone_sha256 = "0" * 64
    return segmenter


def test_config_survives_json():
    config = replace(DEMO, channel_roles=("nir",), aspp_rates=(3, 6, 9))
    assert from_dict(ModelConfig, to_dict(config)) == config


@pytest.mark.parametrize("head", [spec.name for spec in HEADS])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_logits(head, channels):
    segmenter = build_segmenter(replace(DEMO, head=head, num_channels=channels)).eval()
    with torch.no_grad():
        assert segmenter(torch.randn(2, channels, 40, 24)).shape == (2, 3, 40, 24)


def test_a_size_that_is_no_multiple_of_the_patch_is_refused():
    with pytest.raises(OptionError, match="60 x 64 px, expected multiples of 8"):
        build_segmenter(DEMO)(torch.zeros(1, 1, 64, 60))


def test_the_seed_decides_and_the_global_state_is_left_alone():
    torch.manual_seed(123)
    expected = torch.rand(1)
    torch.manual_seed(123)
    one, same, other = (build_segmenter(replace(DEMO, seed=s)).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def test_a_frozen_backbone_stays_in_eval_mode():
    for adapter, moves in (("lora", False), ("frozen", False), ("full", True)):
        segmenter = build_segmenter(replace(DEMO, adapter=adapter)).train()
        assert segmenter.head.training
        assert {m.training for m in segmenter.backbone.modules()} == {moves}
        assert not any(m.training for m in segmenter.eval().modules())


def test_a_frozen_backbone_builds_no_graph():
    segmenter = build_segmenter(replace(DEMO, adapter="frozen", head="linear"))
    seen = []
    segmenter.backbone.register_forward_hook(lambda _m, _i, out: seen.append(out.requires_grad))
    assert segmenter(torch.randn(1, 1, 16, 16)).requires_grad
    assert seen == [False]


def test_lora_state_is_small_and_named_without_the_library():
    state = pretended(replace(DEMO, head="linear")).trainable_state()
    assert sorted(state)[:2] == [
        "backbone.net.blocks.0.attn.qkv.q.lora_A.weight",
        "backbone.net.blocks.0.attn.qkv.q.lora_B.weight",
    ]
    assert len(state) == 4 * 4 + 2


def test_head_state_holds_running_statistics():
    assert any("running_var" in k for k in pretended(replace(DEMO, head="aspp")).trainable_state())


@pytest.mark.parametrize("adapter", ["lora", "frozen", "full"])
def test_a_random_backbone_is_stored_whole(adapter):
    segmenter = build_segmenter(replace(DEMO, adapter=adapter))
    assert len(segmenter.trainable_state()) == len(segmenter.state_dict())


def test_states_that_do_not_fit():
    segmenter = pretended(DEMO)
    state = segmenter.trainable_state()
    name = sorted(state)[0]
    with pytest.raises(ModelError, match="lacks tensor " + name):
        segmenter.load_trainable_state({k: v for k, v in state.items() if k != name})
    with pytest.raises(ModelError, match="unknown tensor zz"):
        segmenter.load_trainable_state({**state, "zz": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"\(4, 128\)"):
        segmenter.load_trainable_state({**state, name: torch.zeros(4, 127)})


def test_merging_twice_is_merging_once():
    segmenter = build_segmenter(DEMO).eval()
    x = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        once = segmenter.merge()(x)
        assert torch.equal(segmenter.merge()(x), once)


def test_normalisation_follows_stem_and_backbone():
    assert build_segmenter(DEMO).normalisation == ((0.5,), (0.5,))
    config = ModelConfig(
        backbone="dinov3-small", num_channels=3, channel_roles=("red", "green", "blue"), pretrained=False
    )
    assert build_segmenter(config).normalisation == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_counts_need_no_weights():
    """The plan of a training: a backbone that is neither cached nor reachable can be counted."""
    config = ModelConfig(backbone="vit-large", backbone_source="/nowhere", head="linear", num_classes=2)
    two_kernels = 2 * 1024 * 16 * 16  # one channel in place of three
    assert parameter_counts(config) == {
        "adapter": 393_216,
        "head": 2050,
        "trainable": 395_266,
        "total": 303_301_632 - two_kernels + 395_266,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_classes": 10**9}, "number of classes is 1000000000"),
        ({"num_channels": 0}, "number of channels is 0"),
        ({"rank": 10**8}, "rank is 100000000"),
        ({"aspp_rates": (0,)}, "ASPP rates"),
        ({"aspp_rates": ()}, "number of ASPP rates is 0"),
        ({"channel_roles": ("nir", "red")}, "2 channel roles for 1 channels"),
        ({"head": "unet"}, "no head 'unet'"),
        ({"stem": "x"}, "no stem 'x'"),
        ({"adapter": "x"}, "no adapter 'x'"),
        ({"backbone": "x"}, "no backbone 'x'"),
    ],
)
def test_bad_options(changes, words):
    with pytest.raises(OptionError, match=words):
        build_segmenter(replace(DEMO, **changes))


def test_mixed_precision_forward():
    segmenter = build_segmenter(DEMO).eval()
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        low = segmenter(x)
    with torch.no_grad():
        high = segmenter(x)
    assert float((low.float() - high).abs().max()) < 0.1


@pytest.mark.parametrize("head", [spec.name for spec in HEADS])
def test_merging_folds_the_batch_norms_and_keeps_the_outputs(head):
    segmenter = build_segmenter(replace(DEMO, head=head)).train()
    with torch.no_grad():
        for _ in range(3):
            segmenter(2 + 3 * torch.randn(2, 1, 32, 32))  # statistics that are not those at the start
        x = torch.randn(1, 1, 32, 32)
        want = segmenter.eval()(x)
        merged = segmenter.train().merge()
        assert not merged.training
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in merged.modules())
        torch.testing.assert_close(merged(x), want, rtol=1e-4, atol=1e-5)


def test_the_default_head_judges_a_pixel_alike_in_tiles_of_any_size():
    """No statistics of the tile: far from the borders, only the tokens' attention sees the rest of it."""
    head = build_segmenter(DEMO).eval().head
    generator = torch.Generator().manual_seed(0)
    image, features = (
        torch.randn(1, 1, 256, 256, generator=generator),
        torch.randn(1, 128, 32, 32, generator=generator),
    )
    with torch.no_grad():
        large = head(features, image)[..., 64:192, 64:192]
        small = head(features[..., 8:24, 8:24], image[..., 64:192, 64:192])
    torch.testing.assert_close(small[..., 48:80, 48:80], large[..., 48:80, 48:80], rtol=0, atol=1e-5)
