"""Pruning E2VPT's prompts by what the loss misses least."""

from __future__ import annotations

import pytest
import torch

from nirlora.adapters import adapter_spec, add_adapter
from nirlora.adapters.e2vpt import MaskedPrompts
from nirlora.adapters.pruning import prune_prompts
from nirlora.errors import OptionError
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from small_nets import small_backbone

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(4))


def prompted(name: str = "e2vpt"):
    torch.manual_seed(0)
    backbone = small_backbone("vit-tiny")
    add_adapter(name, backbone, adapter_spec(name).defaults)
    return backbone.eval(), [m for m in backbone.modules() if isinstance(m, MaskedPrompts)]


def test_the_least_important_tokens_and_segments_go():
    backbone, prompts = prompted()
    weights = torch.arange(20.0).reshape(2, 10)[:, torch.randperm(10)]

    def loss() -> torch.Tensor:  # the derivative by mask t of block b is weights[b, t]
        return sum(
            (p.token_mask * w).sum() + p.segment_mask[:, 3].sum()
            for p, w in zip(prompts, weights, strict=True)
        )

    left = prune_prompts(backbone, [loss, loss], tokens=0.25, segments=0.5)
    assert left == {"tokens": 15, "segments": 120}
    for module, weight in zip(prompts, weights, strict=True):
        assert torch.equal(module.token_mask, (weight >= 5).float())
        assert torch.equal(module.segment_mask[:, 3], module.token_mask)
        assert not module.segment_mask[module.token_mask == 0].any()
        assert not module.token_mask.requires_grad


def test_the_importance_is_that_of_the_real_network():
    """A prompt that is zero changes nothing, whatever its mask: it must go first."""
    backbone, prompts = prompted()
    with torch.no_grad():
        prompts[0].tokens[4] = 0.0
        prompts[1].tokens[7] = 0.0
    prune_prompts(backbone, [lambda: backbone(IMAGES).square().mean()], tokens=0.1, segments=0.0)
    gone = [int(i) for p in prompts for i in torch.nonzero(p.token_mask == 0)]
    assert gone == [4, 7]


def test_masked_tokens_and_segments_are_zero():
    _, (prompts, _) = prompted()
    prompts.token_mask[2] = 0.0
    prompts.segment_mask[3, 5] = 0.0
    with torch.no_grad():
        shown = prompts.eval()(1)[0]
    assert not shown[2].any()
    assert not shown[3, 15:18].any()  # 48 channels in 16 segments of 3
    assert torch.equal(shown[3, :15], prompts.tokens[3, :15])
    assert torch.equal(shown[3, 18:], prompts.tokens[3, 18:])


def test_masks_are_kept_in_the_model_file():
    config = ModelConfig(backbone="vit-demo", adapter="e2vpt", head="linear", pretrained=False)
    segmenter = build_segmenter(config).eval()
    segmenter.backbone_sha256 = "0" * 64  # as if pretrained
    x = torch.randn(1, 1, 32, 32)
    prune_prompts(segmenter.backbone, [lambda: segmenter(x).square().mean()], tokens=0.5, segments=0.3)
    state = segmenter.trainable_state()
    assert sum(v.sum() for k, v in state.items() if k.endswith("token_mask")) == 20
    fresh = build_segmenter(config).eval()
    fresh.backbone_sha256 = "0" * 64
    fresh.load_trainable_state(state)
    with torch.no_grad():
        assert torch.equal(fresh(x), segmenter(x))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_refusals(share):
    backbone, _ = prompted()
    with pytest.raises(OptionError, match="expected 0 to below 1"):
        prune_prompts(backbone, [], tokens=share, segments=0.0)
    with pytest.raises(OptionError, match="no prompts to prune"):
        prune_prompts(prompted("vpt-deep")[0], [], tokens=0.1, segments=0.1)
