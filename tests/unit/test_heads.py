"""Heads: shapes, counts, what they are worth in operations."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from nirlora.errors import OptionError
from nirlora.models.backbones import build_backbone
from nirlora.models.heads import HEADS, HeadOptions, build_head

NAMES = [spec.name for spec in HEADS]


def options(**changes) -> HeadOptions:
    return HeadOptions(**{"dim": 24, "stride": 8, "num_channels": 2, "num_classes": 5, **changes})


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_table():
    assert NAMES == ["linear", "aspp", "detail", "uper"]
    assert all(spec.source for spec in HEADS)
    with pytest.raises(OptionError, match="no head 'unet'"):
        build_head("unet", options())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stride", [2, 4, 8, 14, 16])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (3, 2)])
def test_logits_have_the_size_of_the_image(name, stride, rows, cols):
    head = build_head(name, options(stride=stride)).eval()
    image = torch.randn(2, 2, rows * stride, cols * stride)
    with torch.no_grad():
        assert head(torch.randn(2, 24, rows, cols), image).shape == (2, 5, rows * stride, cols * stride)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient_with_one_image(name):
    torch.manual_seed(0)
    head = build_head(name, options()).train()
    features = torch.randn(1, 24, 4, 4, requires_grad=True)
    head(features, torch.randn(1, 2, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    assert features.grad is not None
    assert features.grad.abs().sum() > 0


@pytest.mark.parametrize(("dim", "classes", "expected"), [(768, 1, 6_622_977), (1024, 1, 8_523_521)])
def test_aspp_counts_of_the_paper(dim, classes, expected):
    with torch.device("meta"):
        assert count(build_head("aspp", options(dim=dim, num_classes=classes))) == expected


def test_aspp_plus_lora_is_6_459_in_units_of_2_20():
    with torch.device("meta"):
        head = build_head("aspp", options(dim=768, num_classes=10))
    assert round((count(head) + 147_456) / 2**20, 3) == 6.459


@pytest.mark.parametrize("training", [False, True])
def test_aspp_is_torchvisions_head(training):
    torch.manual_seed(0)
    head = build_head("aspp", options(aspp_rates=(3, 6, 9))).train(training)
    theirs = DeepLabHead(24, 5, (3, 6, 9)).train(training)
    theirs.load_state_dict(head.decoder.state_dict())
    x, image = torch.randn(2, 24, 4, 4), torch.randn(2, 2, 32, 32)
    torch.manual_seed(1)
    got = head(x, image)
    torch.manual_seed(1)
    want = functional.interpolate(theirs(x), size=(32, 32), mode="bilinear", align_corners=False)
    assert torch.equal(got, want)


def test_aspp_pooling_with_one_image_leaves_its_statistics_alone():
    head = build_head("aspp", options()).train()
    norm = head.decoder[0].convs[-1][2]
    head(torch.randn(1, 24, 4, 4) + 9, torch.randn(1, 2, 32, 32))
    assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))
    head(torch.randn(2, 24, 4, 4) + 9, torch.randn(2, 2, 32, 32))
    assert not torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))


def test_detail_is_light():
    with torch.device("meta"):
        backbone = build_backbone("vit-tiny")
        head = build_head("detail", options(dim=backbone.dim, stride=16, num_channels=3))
        assert 100_000 < count(head) < 400_000
        image = torch.zeros(1, 3, 512, 512)
        with FlopCounterMode(display=False) as of_backbone:
            features = backbone(image)
        with FlopCounterMode(display=False) as of_head:
            head(features, image)
    assert of_head.get_total_flops() < 0.2 * of_backbone.get_total_flops()


def test_detail_sees_single_pixels():
    torch.manual_seed(0)
    head = build_head("detail", options(stride=16)).eval()
    features, image = torch.randn(1, 24, 2, 2), torch.zeros(1, 2, 32, 32)
    changed = image.clone()
    changed[0, 0, 5, 7] = 3.0
    with torch.no_grad():
        difference = (head(features, changed) - head(features, image)).abs().sum(1)[0]
    row, col = divmod(int(difference.argmax()), 32)
    assert abs(row - 5) <= 2
    assert abs(col - 7) <= 2


@pytest.mark.parametrize(
    ("dims", "expected"),
    [((96, 192, 384, 768), 31_430_163), ((128, 256, 512, 1024), 33_248_787)],
    ids=["swin-small", "swin-base"],
)
def test_uper_counts_of_transda(dims, expected):
    """81,157,552 and 121,177,054 of the student less Swin and the auxiliary head."""
    with torch.device("meta"):
        assert count(build_head("uper", options(num_classes=19, stage_dims=dims))) == expected


def test_uper_pools_as_torch_does():
    from nirlora.models.heads.uper import POOLS, _pool

    for rows, cols in ((7, 7), (3, 5), (1, 13), (6, 12)):
        x = torch.randn(2, 3, rows, cols)
        for size in POOLS:
            torch.testing.assert_close(_pool(x, size), functional.adaptive_avg_pool2d(x, size))


def test_uper_looks_at_every_stage():
    torch.manual_seed(0)
    head = build_head("uper", options(stage_dims=(4, 8, 16, 32), num_classes=3)).eval()
    stages = [torch.randn(1, d, s, s) for d, s in ((4, 16), (8, 8), (16, 4), (32, 2))]
    image = torch.zeros(1, 2, 64, 64)
    with torch.no_grad():
        plain = head(stages, image)
        assert plain.shape == (1, 3, 64, 64)
        for i in range(4):
            changed = [s + torch.randn(s.shape) if i == j else s for j, s in enumerate(stages)]
            assert not torch.allclose(head(changed, image), plain, atol=1e-4)
