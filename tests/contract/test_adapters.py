"""What every adapter must do. A new one is tested by being listed in ADAPTERS."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from nirlora.adapters import ADAPTERS, AdapterPart, adapter_spec, add_adapter
from nirlora.adapters.base import blocks_of, chosen_blocks
from nirlora.errors import OptionError
from nirlora.models.backbones import BACKBONES, backbone_spec, build_backbone
from nirlora.models.bundle import ModelCard, load_segmenter, write_bundle
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_segmenter, parameter_counts
from nirlora.models.weights import state_sha256
from nirlora.protocol import ClassInfo
from small_nets import use_small_backbones

# One of each kind of block and of tokens in front: none, class token, class token and LayerScale, class and
# four registers, maps.
NETS = ("vit-demo", "galileo-nano:p8", "vit-tiny", "dinov2-small", "dinov3-small", "swin-tiny", "sam-base")
LORA_NIR = ModelConfig(head="aspp", num_channels=3, num_classes=1, stem="positional", final_norm=False)
NAMES = [spec.name for spec in ADAPTERS]
FITTING = [
    pytest.param(spec.name, net, id=f"{spec.name}-{net}")
    for spec in ADAPTERS
    for net in NETS
    if backbone_spec(net).family in spec.families
]


def build(adapter: str, backbone: str = "vit-demo", head: str = "linear", **changes) -> Segmenter:
    config = ModelConfig(backbone=backbone, adapter=adapter, head=head, pretrained=False, num_classes=3)
    return build_segmenter(replace(config, **changes)).eval()


def pretended(segmenter: Segmenter) -> Segmenter:
    """As if the backbone were pretrained: then a file holds only what is trained."""
    segmenter.backbone_sha256 = "0" * 64
    return segmenter


def images(segmenter: Segmenter, rows: int = 64, cols: int = 96) -> torch.Tensor:
    sides = [max(size // segmenter.patch, 2) * segmenter.patch for size in (rows, cols)]
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, segmenter.config.num_channels, *sides, generator=generator)


def disturb(segmenter: Segmenter) -> Segmenter:
    """As if trained: every trainable tensor moves."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in segmenter.parameters():
            if p.requires_grad:
                p += 0.05 * torch.randn(p.shape, generator=generator)
    return segmenter


def step(segmenter: Segmenter) -> dict[str, torch.Tensor | None]:
    """One optimiser step on random labels; the gradients."""
    optimiser = torch.optim.AdamW([p for p in segmenter.parameters() if p.requires_grad], lr=1e-2)
    x = images(segmenter)
    labels = torch.randint(0, 3, x.shape[:1] + x.shape[2:], generator=torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    nn.functional.cross_entropy(segmenter.train()(x), labels).backward()
    optimiser.step()
    segmenter.eval()
    return {name: parameter.grad for name, parameter in segmenter.named_parameters()}


@pytest.fixture
def small(monkeypatch):
    use_small_backbones(monkeypatch)


@pytest.mark.usefixtures("small")
class TestAdapter:
    @pytest.mark.parametrize(("adapter", "net"), FITTING)
    def test_changes_nothing_at_the_start_and_merging_keeps_what_it_learns(self, adapter, net):
        """Prompts do change something; and what is not linear cannot be merged, then nothing happens."""
        spec = adapter_spec(adapter)
        changed, plain = build(adapter, net), build("frozen", net)
        plain.head.load_state_dict(changed.head.state_dict())
        x = images(changed)
        with torch.no_grad():
            start, without = changed(x), plain(x)
            if spec.identity:
                torch.testing.assert_close(start, without, rtol=0, atol=2e-6)
            else:
                assert not torch.allclose(start, without)
            after = disturb(changed)(x)
            merged = copy.deepcopy(changed).merge()
            torch.testing.assert_close(merged(x), after, rtol=1e-4, atol=1e-5)
        same_names = merged.backbone.state_dict().keys() == plain.backbone.state_dict().keys()
        assert same_names == spec.merges

    @pytest.mark.parametrize(("adapter", "net"), FITTING)
    def test_all_of_the_adapter_is_trained_and_the_rest_stays_bit_for_bit(self, adapter, net):
        segmenter = build(adapter, net)
        before = {n: p.detach().clone() for n, p in segmenter.named_parameters()}
        buffers = {n: b.clone() for n, b in segmenter.backbone.named_buffers()}
        step(segmenter)  # where a product starts with a zero, its other factors have no gradient yet
        gradients = step(segmenter)
        for name, parameter in segmenter.named_parameters():
            if parameter.requires_grad:
                assert gradients[name].abs().sum() > 0, name
            else:
                assert torch.equal(parameter, before[name]), name
        assert all(torch.equal(b, buffers[n]) for n, b in segmenter.backbone.named_buffers())

    @pytest.mark.parametrize(("adapter", "net"), FITTING)
    def test_what_is_trained_alone_restores_the_outputs(self, adapter, net):
        trained, fresh = pretended(build(adapter, net)), pretended(build(adapter, net))
        disturb(trained)
        x = images(trained)
        with torch.no_grad():
            assert not torch.equal(fresh(x), trained(x))
            fresh.load_trainable_state(trained.trainable_state())
            assert torch.equal(fresh(x), trained(x))
        stored = sum(t.numel() for t in trained.trainable_state().values())
        parts = [m for m in trained.backbone.modules() if isinstance(m, AdapterPart)]
        masks = sum(b.numel() for part in parts for b in part.buffers(recurse=False))
        assert stored == trained.num_parameters()["trainable"] + masks

    @pytest.mark.parametrize("adapter", NAMES)
    def test_a_model_file_gives_the_same_outputs(self, adapter, tmp_path):
        segmenter = disturb(build(adapter, head="detail"))
        classes = tuple(ClassInfo(i, f"c{i}", "#000000") for i in range(3))
        card = ModelCard(classes=classes, model=segmenter.config)
        path = write_bundle(tmp_path / "m.nirlora", card, segmenter.trainable_state())
        loaded, read = load_segmenter(path)
        assert read.model == segmenter.config
        x = images(segmenter)
        with torch.no_grad():
            assert torch.equal(loaded(x), segmenter(x))

    @pytest.mark.parametrize("adapter", NAMES)
    def test_only_the_adapter_is_in_train_mode(self, adapter):
        segmenter = disturb(build(adapter)).train()
        parts = [m for m in segmenter.backbone.modules() if isinstance(m, AdapterPart)]
        inside = {id(m) for part in parts for m in part.modules()}
        for module in segmenter.backbone.modules():
            assert module.training == (adapter == "full" or id(module) in inside)
        x = images(segmenter)
        drops = getattr(adapter_spec(adapter).defaults, "dropout", 0) > 0
        with torch.no_grad():
            assert torch.equal(segmenter(x), segmenter(x)) != drops
            segmenter.eval()
            assert torch.equal(segmenter(x), segmenter(x))

    @pytest.mark.parametrize("adapter", ["ivpt", "e2vpt"])
    def test_prompts_are_dropped_out_for_each_image_by_itself(self, adapter):
        segmenter = disturb(build(adapter)).train()
        x = images(segmenter)
        with torch.no_grad():
            first, second = segmenter(torch.cat([x[:1], x[:1]]))
        assert not torch.equal(first, second)

    @pytest.mark.parametrize(("rows", "cols"), [(224, 224), (512, 512), (32, 160)])
    @pytest.mark.parametrize(("adapter", "net"), FITTING)
    def test_any_size(self, adapter, net, rows, cols):
        segmenter = build(adapter, net)
        x = images(segmenter, rows, cols)[:1]
        with torch.no_grad():
            assert segmenter(x).shape == (1, 3, *x.shape[2:])

    @pytest.mark.parametrize(("adapter", "net"), FITTING)
    def test_rates_go_by_the_same_token_width_as_without_it(self, adapter, net):
        width = build("frozen", net).backbone.token_width
        assert build(adapter, net).backbone.token_width == width

    @pytest.mark.parametrize("adapter", NAMES)
    def test_the_last_blocks_alone(self, adapter):
        segmenter = build(adapter, blocks="last:1")
        names = [n for n, p in segmenter.backbone.named_parameters() if p.requires_grad]
        assert all("net.blocks.1." in n for n in names) != (adapter == "full")
        if adapter not in ("full", "frozen"):
            with pytest.raises(OptionError, match="2 blocks"):
                build(adapter, blocks="last:3")


@pytest.mark.parametrize("adapter", NAMES)
class TestSpec:
    def test_is_documented(self, adapter):
        spec = adapter_spec(adapter)
        assert spec.source
        assert (spec.learning_rate > 0) == (adapter != "frozen")
        assert spec.inferred or adapter in ("full", "frozen", "layernorm")

    def test_a_backbone_that_does_not_fit_is_refused(self, adapter):
        spec = adapter_spec(adapter)
        for family in {b.family for b in BACKBONES}:
            name = next(b.name for b in BACKBONES if b.family == family)
            config = ModelConfig(backbone=name, adapter=adapter)
            if family in spec.families:
                assert parameter_counts(config)["total"] > 0
            else:
                with pytest.raises(
                    OptionError, match=f"Adapter {adapter} does not fit {name}: it is made for"
                ):
                    parameter_counts(config)


D, BLOCKS, PATCH = 128, 4, 8  # of vit-demo
COUNTS = {
    "frozen": 0,
    "lora": BLOCKS * 2 * 2 * 4 * D,
    "layernorm": (2 * BLOCKS + 1) * 2 * D,
    # qkv, proj, fc1, fc2 and two norms in a block; the last norm and the patch embedding
    "bitfit": BLOCKS * (3 + 1 + 4 + 1 + 2) * D + 2 * D,
    "adapter": BLOCKS * 2 * (2 * D * D // 16 + D // 16 + D),
    "adaptformer": BLOCKS * (2 * D * 64 + 64 + D),
    "convpass": BLOCKS * 2 * (2 * D * 8 + 9 * 8 * 8 + 2 * 8 + D),
    "lorand": BLOCKS * 2 * (2 * 2 * 8 * (D + D // 2) + 2 * 8 * 8 + D + D // 2),
    "vpt-shallow": 10 * D,
    "vpt-deep": BLOCKS * 10 * D,
    "ivpt": 100 * D + (BLOCKS - 1) + BLOCKS,
    "e2vpt": BLOCKS * (10 * D + 5 * D),
    "mufa": BLOCKS * sum(2 * D * D // rate + D // rate + D for rate in (8, 16, 32)),
}


@pytest.mark.parametrize("adapter", NAMES)
def test_counts_are_the_closed_forms(adapter):
    counts = parameter_counts(ModelConfig(backbone="vit-demo", adapter=adapter, pretrained=False))
    if adapter == "full":
        assert counts["trainable"] == counts["total"]
    else:
        assert counts["adapter"] == COUNTS[adapter]
    assert counts["trainable"] == counts["adapter"] + counts["head"]
    built = build_segmenter(ModelConfig(backbone="vit-demo", adapter=adapter, pretrained=False))
    assert built.num_parameters() == counts


@pytest.mark.parametrize(
    ("adapter", "backbone", "options", "expected"),
    [
        ("full", "vit-base", {}, 85_798_656),
        ("full", "swin-tiny", {}, 27_519_354),
        ("layernorm", "vit-base", {}, 38_400),
        ("layernorm", "swin-tiny", {}, 24_768),
        ("bitfit", "vit-base", {}, 102_912),
        ("bitfit", "swin-tiny", {}, 52_224),
        ("lora", "vit-base", {}, 147_456),
        ("lora", "swin-tiny", {}, 70_656),
        # Widths of Swin-T's blocks: 96 and 192 twice, 384 six times, 768 twice; their sum is 4416.
        ("adapter", "swin-tiny", {}, 2 * (2 * 1_254 + 2 * 4_812 + 6 * 18_840 + 2 * 74_544)),
        ("adaptformer", "swin-tiny", {}, 2 * 64 * 4_416 + 12 * 64 + 4_416),
        ("convpass", "swin-tiny", {}, 2 * (2 * 8 * 4_416 + 12 * (9 * 8 * 8 + 2 * 8) + 4_416)),
        ("lorand", "swin-tiny", {}, 2 * (48 * 4_416 + 12 * 2 * 8 * 8 + 4_416 * 3 // 2)),
        ("lorand", "vit-base", {}, 915_456),
        ("vpt-deep", "swin-tiny", {}, 10 * 4_416),
        ("e2vpt", "swin-tiny", {}, 15 * 4_416),
        ("adapter", "vit-base", {"width": 48}, 1_789_056),
        ("adapter", "vit-base", {}, 1_789_056),
        ("adapter", "vit-base", {"width": 8}, 313_536),
        ("adapter", "vit-base", {"width": 96, "sites": "mlp"}, 1_779_840),
        ("adaptformer", "vit-base", {}, 1_189_632),
        ("adaptformer", "vit-base", {"width": 96}, 1_779_840),
        ("convpass", "vit-base", {}, 327_552),
        ("vpt-shallow", "vit-base", {}, 7_680),
        ("vpt-deep", "vit-base", {}, 92_160),
        ("vpt-deep", "vit-base", {"prompts": 50}, 460_800),
        ("ivpt", "vit-base", {}, 76_823),
        ("e2vpt", "vit-base", {}, 138_240),
        ("e2vpt", "vit-base", {"prompts": 32}, 340_992),
        ("mufa", "vit-base", {}, 3_126_240),
        ("mufa", "vit-base", {"bias": False}, 3_096_576),
        ("mufa", "vit-base", {"rates": [8]}, 1_779_840),
        ("mufa", "vit-base", {"rates": [8], "bias": False}, 1_769_472),
        ("mufa", "vit-base", {"rates": [8, 16]}, 2_674_368),
        ("mufa", "vit-base", {"placement": "serial"}, 3_126_240),
        ("mufa", "vit-base", {"fusion": "concat", "bias": False}, 3_096_576),
        ("mufa", "swin-tiny", {}, 957_702),
        ("mufa", "swin-tiny", {"bias": False}, 943_488),
    ],
)
def test_published_counts(adapter, backbone, options, expected):
    """The numbers of the papers and codes, or worked out from their formulas, on whole backbones."""
    config = ModelConfig(
        backbone=backbone, adapter=adapter, adapter_options=options, num_channels=3, stem="positional"
    )
    assert parameter_counts(config)["adapter"] == expected


@pytest.mark.parametrize(
    ("backbone", "bias", "of_all", "percent", "digits"),
    [
        ("vit-base", True, True, 3.6437, 4),
        ("vit-base", False, False, 3.6407, 4),
        ("swin-tiny", True, True, 3.480, 3),
        ("swin-tiny", True, False, 3.689, 3),
        ("swin-tiny", False, False, 3.6345, 4),
    ],
)
def test_mufas_share_of_the_network_is_the_printed_one(backbone, bias, of_all, percent, digits):
    """The paper prints 3.64 %, of all parameters or of those in the blocks."""
    config = ModelConfig(
        backbone=backbone, adapter="mufa", adapter_options={"bias": bias}, num_channels=3, stem="positional"
    )
    with torch.device("meta"):
        net = build_backbone(backbone)
    parts = [net] if of_all else [block for _, block in blocks_of(net, "all")]
    whole = sum(p.numel() for part in parts for p in part.parameters())
    assert round(100 * parameter_counts(config)["adapter"] / whole, digits) == percent


@pytest.mark.parametrize("backbone", ["vit-base", "swin-tiny"])
def test_mufa_changes_not_one_bit_of_a_whole_network_at_the_start(backbone):
    torch.manual_seed(0)
    net = build_backbone(backbone).eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        before = net(x)
        add_adapter("mufa", net, adapter_spec("mufa").defaults)
        assert torch.equal(net.eval()(x), before)


class TestLora:
    @pytest.mark.parametrize(
        ("backbone", "rank", "parameters"),
        [
            ("vit-base", 4, 147_456),
            ("vit-base", 8, 294_912),
            ("vit-base", 16, 589_824),
            ("vit-large", 4, 393_216),
        ],
    )
    def test_counts_of_the_paper(self, backbone, rank, parameters):
        assert parameter_counts(replace(LORA_NIR, backbone=backbone, rank=rank))["adapter"] == parameters

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

    @pytest.mark.usefixtures("small")
    @pytest.mark.parametrize("backbone", NETS)
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
    methods = "full frozen layernorm bitfit lora adapter adaptformer convpass lorand mufa"
    prompts = "vpt-shallow vpt-deep ivpt e2vpt"
    assert sorted(NAMES) == sorted([*methods.split(), *prompts.split()])
    with pytest.raises(OptionError, match=r"no adapter .dora.\. Known are lora, frozen, full"):
        adapter_spec("dora")
    assert list(chosen_blocks("all", 3)) == [0, 1, 2]
    assert list(chosen_blocks("last:2", 3)) == [1, 2]
