"""What every adapter must do. A new one is tested by being listed in ADAPTERS."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from nirlora.adapters import ADAPTERS, adapter_spec
from nirlora.adapters.base import chosen_blocks
from nirlora.errors import OptionError
from nirlora.models.bundle import ModelCard, load_segmenter, write_bundle
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_segmenter, parameter_counts
from nirlora.models.weights import state_sha256
from nirlora.protocol import ClassInfo

BACKBONES = ("vit-demo", "vit-tiny", "dinov3-small", "swin-tiny")
LORA_NIR = ModelConfig(head="aspp", num_channels=3, num_classes=1, stem="positional", final_norm=False)


def build(adapter: str, backbone: str = "vit-demo", head: str = "linear", **changes) -> Segmenter:
    config = ModelConfig(backbone=backbone, adapter=adapter, head=head, pretrained=False, num_classes=3)
    return build_segmenter(replace(config, **changes)).eval()


def images(segmenter: Segmenter, size: int = 64) -> torch.Tensor:
    side = max(size // segmenter.patch, 2) * segmenter.patch
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, segmenter.config.num_channels, side, side, generator=generator)


def disturb(segmenter: Segmenter) -> Segmenter:
    """As if trained: every trainable tensor moves."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in segmenter.parameters():
            if p.requires_grad:
                p += 0.05 * torch.randn(p.shape, generator=generator)
    return segmenter


def step(segmenter: Segmenter) -> None:
    """One optimiser step on random labels."""
    optimiser = torch.optim.AdamW([p for p in segmenter.parameters() if p.requires_grad], lr=1e-2)
    x = images(segmenter)
    labels = torch.randint(0, 3, x.shape[:1] + x.shape[2:], generator=torch.Generator().manual_seed(5))
    nn.functional.cross_entropy(segmenter.train()(x), labels).backward()
    optimiser.step()
    segmenter.eval()


@pytest.mark.parametrize("adapter", [spec.name for spec in ADAPTERS])
class TestAdapter:
    @pytest.mark.parametrize("backbone", BACKBONES)
    def test_changes_nothing_at_the_start(self, adapter, backbone):
        with_adapter, without = build(adapter, backbone), build("frozen", backbone)
        without.head.load_state_dict(with_adapter.head.state_dict())
        x = images(with_adapter)
        with torch.no_grad():
            torch.testing.assert_close(with_adapter(x), without(x), rtol=0, atol=2e-6)

    @pytest.mark.parametrize("backbone", BACKBONES)
    def test_merging_keeps_the_outputs_and_leaves_the_plain_network(self, adapter, backbone):
        segmenter = disturb(build(adapter, backbone))
        merged = copy.deepcopy(segmenter).merge()
        plain = build("frozen", backbone)
        x = images(segmenter)
        with torch.no_grad():
            torch.testing.assert_close(merged(x), segmenter(x), rtol=1e-4, atol=1e-5)
        assert merged.backbone.state_dict().keys() == plain.backbone.state_dict().keys()

    def test_frozen_tensors_stay_bit_for_bit_and_the_others_move(self, adapter):
        segmenter = build(adapter)
        step(segmenter)  # LoRA's A has no gradient as long as B is zero
        before = {n: p.detach().clone() for n, p in segmenter.named_parameters()}
        buffers = {n: b.clone() for n, b in segmenter.backbone.named_buffers()}
        step(segmenter)
        for name, parameter in segmenter.named_parameters():
            assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
        assert all(torch.equal(b, buffers[n]) for n, b in segmenter.backbone.named_buffers())

    def test_what_is_trained_alone_restores_the_outputs(self, adapter):
        trained, fresh = build(adapter), build(adapter)
        trained.backbone_sha256 = fresh.backbone_sha256 = (
            "0" * 64
        )  # as if pretrained: only what is trained counts
        step(trained)
        step(trained)
        x = images(trained)
        with torch.no_grad():
            assert not torch.equal(fresh(x), trained(x))
            fresh.load_trainable_state(trained.trainable_state())
            assert torch.equal(fresh(x), trained(x))

    def test_counts(self, adapter):
        segmenter = build(adapter)
        segmenter.backbone_sha256 = "0" * 64
        counts = segmenter.num_parameters()
        assert counts["trainable"] == counts["adapter"] + counts["head"]
        assert counts["total"] == sum(p.numel() for p in segmenter.parameters())
        assert counts == parameter_counts(segmenter.config)
        stored = sum(t.numel() for t in segmenter.trainable_state().values())
        assert stored == counts["trainable"]

    def test_a_model_file_gives_the_same_outputs(self, adapter, tmp_path):
        segmenter = disturb(build(adapter, head="detail"))
        classes = tuple(ClassInfo(i, f"c{i}", "#000000") for i in range(3))
        card = ModelCard(classes=classes, model=segmenter.config)
        path = write_bundle(tmp_path / "m.nirlora", card, segmenter.trainable_state())
        loaded, _ = load_segmenter(path)
        x = images(segmenter)
        with torch.no_grad():
            assert torch.equal(loaded(x), segmenter(x))

    @pytest.mark.parametrize("size", [224, 160])
    def test_sizes(self, adapter, size):
        segmenter = build(adapter)
        with torch.no_grad():
            assert segmenter(images(segmenter, size)).shape == (2, 3, size, size)

    def test_is_documented(self, adapter):
        spec = adapter_spec(adapter)
        assert spec.source
        assert (spec.learning_rate > 0) == (adapter != "frozen")


class TestLora:
    @pytest.mark.parametrize(("backbone", "parameters"), [("vit-base", 147_456), ("vit-large", 393_216)])
    def test_counts_of_the_paper(self, backbone, parameters):
        assert parameter_counts(replace(LORA_NIR, backbone=backbone))["adapter"] == parameters

    @pytest.mark.parametrize(
        ("backbone", "trainable", "full", "reduction"),
        [("vit-base", 6_770_433, 92_421_633, 92.67), ("vit-large", 8_916_737, 311_825_153, 97.14)],
    )
    def test_totals_of_the_paper(self, backbone, trainable, full, reduction):
        lora = parameter_counts(replace(LORA_NIR, backbone=backbone))
        tuned = parameter_counts(replace(LORA_NIR, backbone=backbone, adapter="full"))
        assert lora["trainable"] == trainable
        assert tuned["trainable"] == tuned["total"] == full
        assert lora["total"] == full + lora["adapter"]
        assert round(100 * (1 - trainable / full), 2) == reduction

    def test_large_trains_8_504_in_units_of_2_20(self):
        assert (
            round(parameter_counts(replace(LORA_NIR, backbone="vit-large"))["trainable"] / 2**20, 3) == 8.504
        )

    def test_the_preset_maps_224_to_one_logit_per_pixel_and_starts_as_without_lora(self):
        config = replace(LORA_NIR, backbone="vit-tiny", pretrained=False)
        with_lora, without = build_segmenter(config), build_segmenter(replace(config, adapter="frozen"))
        without.head.load_state_dict(with_lora.head.state_dict())
        x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            got, want = with_lora.eval()(x), without.eval()(x)
        assert got.shape == (1, 1, 224, 224)
        torch.testing.assert_close(got, want, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("backbone", [*BACKBONES, "sam-base"])
    def test_k_is_untouched_and_q_and_v_are_not(self, backbone):
        before = build("frozen", backbone).backbone.state_dict()
        after = disturb(build("lora", backbone)).merge().backbone.state_dict()
        for name, tensor in before.items():
            if ".qkv." in name and name.endswith("weight"):
                (q0, k0, v0), (q1, k1, v1) = tensor.chunk(3), after[name].chunk(3)
                assert torch.equal(k0, k1), name
                assert not torch.equal(q0, q1), name
                assert not torch.equal(v0, v1), name
            else:
                assert torch.equal(tensor, after[name]), name

    def test_is_the_formula(self):
        """q + alpha / r * B A x against the merged weight, written out."""
        segmenter = disturb(build("lora", rank=2, alpha=6.0))
        qkv = segmenter.backbone.net.blocks[1].attn.qkv
        a, b = qkv.q.lora_A["default"].weight, qkv.q.lora_B["default"].weight
        expected = qkv.q.base_layer.weight + 3.0 * b @ a
        merged = segmenter.merge().backbone.net.blocks[1].attn.qkv.weight[:128]
        torch.testing.assert_close(merged, expected, rtol=0, atol=1e-6)

    def test_separate_bias_of_eva(self):
        """The DINOv3 variants with a qkv bias keep it outside of the layer that LoRA splits."""
        import timm

        from nirlora.adapters import AdapterOptions
        from nirlora.models.backbones import backbone_spec
        from nirlora.models.backbones.vit import ViTBackbone

        torch.manual_seed(0)
        net = timm.create_model("vit_tiny_patch16_dinov3_qkvb", num_classes=0, dynamic_img_size=True)
        backbone = ViTBackbone(backbone_spec("dinov3-small"), net.eval())
        with torch.no_grad():
            for block in net.blocks:
                block.attn.q_bias.normal_()
                block.attn.v_bias.normal_()
            x = torch.randn(1, 3, 32, 48)
            want = backbone(x)
            adapter_spec("lora").apply(backbone, AdapterOptions())
            torch.testing.assert_close(backbone(x), want, rtol=0, atol=1e-5)
            adapter_spec("lora").merge(backbone)
            torch.testing.assert_close(backbone(x), want, rtol=0, atol=1e-5)

    def test_last_blocks_only(self):
        names = [n for n, p in build("lora", blocks="last:1").backbone.named_parameters() if p.requires_grad]
        assert len(names) == 4
        assert all(".blocks.3." in n for n in names)

    def test_training_leaves_the_pretrained_tensors(self):
        segmenter = build("lora")
        frozen = {
            n: p.detach().clone() for n, p in segmenter.backbone.named_parameters() if not p.requires_grad
        }
        hash_before = state_sha256(frozen)
        step(segmenter)
        now = dict(segmenter.backbone.named_parameters())
        assert state_sha256({n: now[n] for n in frozen}) == hash_before

    @pytest.mark.parametrize("blocks", ["last:0", "last:5", "last:x", "first:2", ""])
    def test_blocks_that_do_not_exist(self, blocks):
        with pytest.raises(OptionError, match="4 blocks"):
            build("lora", blocks=blocks)

    def test_rank(self):
        with pytest.raises(OptionError, match="rank is 0"):
            build("lora", rank=0)


def test_table():
    assert [spec.name for spec in ADAPTERS] == ["lora", "frozen", "full"]
    with pytest.raises(OptionError, match=r"no adapter .dora.\. Known are lora, frozen, full"):
        adapter_spec("dora")
    assert list(chosen_blocks("all", 3)) == [0, 1, 2]
    assert list(chosen_blocks("last:2", 3)) == [1, 2]
