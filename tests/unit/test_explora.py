"""What trains in extended pre-training, counted against the published numbers; how tokens are taken."""

from __future__ import annotations

import pytest
import timm
import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from nirlora.adaptation import explora
from nirlora.adaptation.explora import ExploraOptions, unfrozen_blocks
from nirlora.adaptation.heads import DinoHead
from nirlora.adaptation.mae import MaeDecoder
from nirlora.adaptation.tokens import encode
from nirlora.adapters import AdapterOptions, add_adapter
from nirlora.errors import OptionError
from nirlora.models.backbones import BACKBONES, build_backbone
from nirlora.models.backbones.vit import ViTBackbone

SPECS = {spec.name: spec for spec in BACKBONES}


def built(name: str, **options) -> ViTBackbone:
    """A backbone of the table at 224 px, without weights or memory."""
    spec = SPECS[name]
    with torch.device("meta"):
        return ViTBackbone(spec, timm.create_model(spec.timm_name, num_classes=0, img_size=224, **options))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("name", "unfreeze", "rank", "expected"),
    [
        ("dinov2-large", "last", 64, 18_724_864),  # D-[L]-r64, printed as 18.7M
        ("dinov2-large", "last", 0, 12_695_552),  # block L alone, 12.7M
        ("dinov2-large", "1,23,24", 64, 43_388_928),  # blocks 1, L-1 and L, 43.4M
        ("dinov2-base", "last", 64, 9_288_192),  # 9M
    ],
)
def test_published_counts(name, unfreeze, rank, expected):
    backbone = built(name)
    with torch.device("meta"):
        explora.apply(backbone, ExploraOptions(unfreeze, rank))
    assert count(backbone) == expected


def test_the_multispectral_count_is_consistent_with_the_published_one():
    """29.7M: blocks 1 and L, rank 32, three groups of 4, 4 and 2 bands at patch 8, each its own embedding."""
    groups = (4, 4, 2)
    backbone = built("mae-large")
    with torch.device("meta"):
        explora.apply(backbone, ExploraOptions("1,last", 32))
        embeds = nn.ModuleList(nn.Conv2d(bands, 1024, 8, 8) for bands in groups)
        decoder = MaeDecoder(1024, 512, 8, 16, 64 * sum(groups))
        explora.apply_decoder(decoder, 32, 1.0, train_outputs=True)
    assert count(embeds) == 658_432
    assert count(decoder) == 524_288 + 328_320 + 17_408
    assert count(backbone) + count(embeds) + count(decoder) == 29_697_664


def test_what_trains_downstream_has_the_published_size():
    """LoRA of rank 8 on q and v of all blocks of ViT-L and a head for 62 classes, printed as 0.8M."""
    backbone = built("dinov2-large")
    with torch.device("meta"):
        add_adapter("lora", backbone, AdapterOptions(rank=8))
        head = nn.Linear(1024, 62)
    assert count(backbone) == 786_432
    assert count(head) == 63_550


def test_lora_is_scaled_as_in_the_published_code():
    """alpha 1 at rank 64: 1 / 64, as peft has it."""
    backbone = build_backbone("vit-demo")
    explora.apply(backbone, ExploraOptions())
    layers = [m for m in backbone.modules() if isinstance(m, LoraLayer)]
    assert len(layers) == 3 * 2  # q and v of the three blocks that do not train whole
    assert {layer.scaling["default"] for layer in layers} == {0.015625}


def test_the_head_of_dino_has_the_published_size():
    with torch.device("meta"):
        head = DinoHead(1024, 2048, 256, 65_536)
    assert count(head) == 23_597_312 + 65_536


def test_which_parts_train():
    backbone = built("dinov2-base")
    with torch.device("meta"):
        explora.apply(backbone, ExploraOptions())
    trained = {n.removeprefix("net.") for n, p in backbone.named_parameters() if p.requires_grad}
    assert "blocks.11.ls1.gamma" in trained
    assert "blocks.11.mlp.fc1.weight" in trained
    assert "blocks.11.attn.qkv.weight" in trained  # a whole block has no LoRA
    assert {"cls_token", "norm.weight", "blocks.0.norm1.bias", "blocks.0.norm2.weight"} <= trained
    assert not {n for n in trained if n.startswith(("pos_embed", "patch_embed"))}
    first = {n for n in trained if n.startswith("blocks.0.") and "norm" not in n}
    assert first == {f"blocks.0.attn.qkv.{x}.lora_{y}.default.weight" for x in "qv" for y in "AB"}


@pytest.mark.parametrize(
    ("unfreeze", "expected"),
    [("none", set()), ("last", {3}), ("1,last", {0, 3}), ("all", {0, 1, 2, 3}), ("1, 2,4", {0, 1, 3})],
)
def test_block_numbers(unfreeze, expected):
    assert unfrozen_blocks(unfreeze, 4) == expected


@pytest.mark.parametrize("unfreeze", ["", "0", "5", "first", "1;2", "-1", "last:2"])
def test_blocks_that_do_not_exist(unfreeze):
    with pytest.raises(OptionError, match="this backbone has blocks 1 to 4") as caught:
        unfrozen_blocks(unfreeze, 4)
    assert "1,last" in caught.value.hint


def test_all_means_every_parameter():
    backbone = build_backbone("vit-demo")
    explora.apply(backbone, ExploraOptions("all"))
    assert count(backbone) == sum(p.numel() for p in backbone.parameters())
    assert not any("lora" in n for n, _ in backbone.named_parameters())


def test_the_patch_embedding_trains_when_asked():
    backbone = build_backbone("vit-demo")
    explora.apply(backbone, ExploraOptions("none", 2, patch_embedding=True))
    assert backbone.patch_conv.weight.requires_grad
    assert backbone.patch_conv.bias.requires_grad
    assert not backbone.net.pos_embed.requires_grad


@pytest.mark.parametrize("name", ["swin-tiny", "sam-base"])
def test_other_networks_are_refused(name):
    with torch.device("meta"):
        backbone = build_backbone(name)
    with pytest.raises(OptionError, match="no plain Vision Transformer"):
        explora.apply(backbone, ExploraOptions())


def disturbed(name: str, alpha: float = 1.0) -> tuple[ViTBackbone, dict[str, torch.Tensor]]:
    """A small adapted backbone whose LoRA has moved, and its state before."""
    torch.manual_seed(0)
    backbone = NETWORKS[name]()
    before = {k: v.clone() for k, v in backbone.net.state_dict().items()}
    explora.apply(backbone, ExploraOptions("last", 8, alpha))
    with torch.no_grad():
        for n, p in backbone.named_parameters():
            if "lora" in n:
                p.normal_(std=0.2)
    return backbone.eval(), before


@pytest.mark.parametrize("name", ["demo", "galileo", "class token", "layer scale"])
def test_merging_leaves_the_plain_network_with_the_same_outputs(name):
    backbone, before = disturbed(name)
    last = len(backbone.net.blocks) - 1
    x = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        outputs = backbone(x)
        explora.merge(backbone)
        torch.testing.assert_close(backbone(x), outputs, rtol=1e-5, atol=1e-5)
    after = backbone.net.state_dict()
    assert after.keys() == before.keys()
    changed = {n for n in after if not torch.equal(after[n], before[n])}
    assert changed == {f"blocks.{i}.attn.qkv.weight" for i in range(last)}


def test_the_scale_is_alpha_over_rank_and_keys_stay():
    backbone, before = disturbed("demo")
    factors = {n: p.detach().clone() for n, p in backbone.named_parameters() if "lora" in n}
    explora.merge(backbone)
    after = backbone.net.state_dict()["blocks.0.attn.qkv.weight"]
    change = (after - before["blocks.0.attn.qkv.weight"]).split(128)
    at = "net.blocks.0.attn.qkv.{}.lora_{}.default.weight"
    for part, name in ((0, "q"), (2, "v")):
        product = factors[at.format(name, "B")] @ factors[at.format(name, "A")]
        torch.testing.assert_close(change[part] * 8, product, rtol=1e-4, atol=1e-5)
    assert torch.equal(change[1], torch.zeros(128, 128))


def small_dinov3() -> ViTBackbone:
    """An Eva network with rotary positions, class and register tokens, as DINOv3's."""
    torch.manual_seed(0)
    net = timm.create_model(
        "vit_small_patch16_dinov3.lvd1689m", num_classes=0, dynamic_img_size=True, depth=2, embed_dim=48,
        num_heads=3,
    )  # fmt: skip
    return ViTBackbone(SPECS["dinov3-small"], net).eval()


def small_vit(**options) -> ViTBackbone:
    torch.manual_seed(0)
    net = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, dynamic_img_size=True, depth=2, embed_dim=48, num_heads=3,
        **options,
    )  # fmt: skip
    return ViTBackbone(SPECS["vit-tiny"], net).eval()


NETWORKS = {
    "class token": small_vit,
    "layer scale": lambda: small_vit(init_values=0.1),
    "registers": lambda: small_vit(reg_tokens=4, no_embed_class=True),
    "rotary": small_dinov3,
    "demo": lambda: build_backbone("vit-demo").eval(),
    "galileo": lambda: build_backbone("galileo-nano:p8").eval(),
}


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_tokens_are_the_backbones_own_features(name):
    backbone = NETWORKS[name]()
    x = torch.rand(2, 3, 32, 48)
    seen = encode(backbone, x)
    features = backbone(x)
    torch.testing.assert_close(seen.patches.mT.reshape(features.shape), features, rtol=1e-5, atol=1e-5)
    assert seen.prefix.shape[1] == backbone.net.num_prefix_tokens
    assert seen.has_class == (name in ("class token", "layer scale", "registers", "rotary"))
    expected = seen.prefix[:, 0] if seen.has_class else seen.patches.mean(1)
    assert torch.equal(seen.summary, expected)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_kept_tokens_keep_their_positions(name):
    """All tokens kept in another order are the same features in that order: attention knows no order."""
    backbone = NETWORKS[name]()
    x = torch.rand(2, 3, 32, 48)
    whole = encode(backbone, x)
    length = whole.patches.shape[1]
    keep = torch.stack([torch.randperm(length) for _ in range(2)])
    shuffled = encode(backbone, x, keep=keep)
    for i in range(2):
        torch.testing.assert_close(shuffled.patches[i], whole.patches[i, keep[i]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shuffled.prefix, whole.prefix, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_what_is_left_out_or_masked_cannot_be_seen():
    backbone = small_vit()
    x = torch.rand(1, 3, 32, 48)
    other = x.clone()
    other[:, :, :16, :16] = 5.0  # the first patch
    keep = torch.tensor([[1, 3, 5]])
    assert torch.equal(encode(backbone, x, keep=keep).patches, encode(backbone, other, keep=keep).patches)
    masked = torch.tensor([[True, False, False, False, False, False]])
    token = torch.randn(48)
    one, two = (encode(backbone, y, masked=masked, mask_token=token).patches for y in (x, other))
    assert torch.equal(one, two)
    assert not torch.equal(encode(backbone, x).patches, encode(backbone, other).patches)
