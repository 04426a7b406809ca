"""Self-training piece by piece: the numbers of TransDA, computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nirlora.errors import OptionError
from nirlora.models.backbones import build_backbone
from nirlora.models.config import ModelConfig
from nirlora.models.heads import HeadOptions, build_head
from nirlora.models.segmenter import build_segmenter
from nirlora.protocol import LayerRef, TrainRequest
from nirlora.self_training.adversary import claim, domain_loss
from nirlora.self_training.auxiliary import AuxiliaryHead
from nirlora.self_training.balance import ClassDraw, class_probabilities
from nirlora.self_training.discriminator import Discriminator, domain_stage, domain_width
from nirlora.self_training.options import STABILISERS, checked
from nirlora.self_training.pseudo import flipped, threshold
from nirlora.self_training.scenes import partition
from nirlora.self_training.schedule import discriminator_factor, ema_rate, student_factor
from nirlora.self_training.student import (
    Student,
    copy_norms,
    ema_update,
    estimate_norms,
    make_teacher,
    still_norms,
)
from nirlora.self_training.weights import min_max, normalised_entropy, source_weights, target_weights
from nirlora.training.config import apply_preset, make_recipe


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


SWINS = {
    "swin-tiny": (27_519_354, 59_839_648),
    "swin-small": (48_837_258, 81_157_552),
    "swin-base": (86_743_224, 121_177_054),
}


@pytest.mark.parametrize("name", list(SWINS))
def test_the_teacher_that_lora_saves_has_the_counts_of_the_published_networks(name):
    backbone, total = SWINS[name]
    with torch.device("meta"):
        net = build_backbone(name)
        head = build_head("uper", HeadOptions(net.dim, net.stride, 3, 19, stage_dims=net.stage_dims))
        auxiliary = AuxiliaryHead(domain_width(net.stage_dims), 19)
    assert count(net) == backbone
    assert count(net) + count(head) + count(auxiliary) == total


@pytest.mark.parametrize(
    ("channels", "binary", "class_wise"), [(384, 1_992_961, 2_056_934), (512, 3_542_017, 3_627_302)]
)
def test_discriminators_have_the_published_counts_and_shapes(channels, binary, class_wise):
    with torch.device("meta"):
        assert count(Discriminator(channels)) == binary
        assert count(Discriminator(channels, 19)) == class_wise
    features = torch.randn(2, 16, 3, 4)
    answer = Discriminator(16)(features, (48, 64))
    assert answer.shape == (2, 1, 48, 64)
    assert ((answer > 0) & (answer < 1)).all()
    assert Discriminator(16, 5)(features, (48, 64)).shape == (2, 10, 48, 64)


def test_they_look_at_the_stage_before_the_last_of_swin_and_at_the_tokens_of_a_vit():
    stages = tuple(torch.zeros(1, d, 2, 2) for d in (96, 192, 384, 768))
    assert domain_stage(stages).shape[1] == domain_width((96, 192, 384, 768)) == 384
    assert domain_stage(stages[:1]).shape[1] == domain_width((96,)) == 96


def test_rates_of_a_stage_of_ten_thousand_iterations():
    def rate(iteration):
        return 6e-5 * student_factor(iteration / 10_000)

    assert rate(0) == pytest.approx(6e-11, rel=1e-9)
    assert rate(750) == pytest.approx(6e-5 * (1 - 0.5 * (1 - 1e-6)), rel=1e-9)
    assert rate(1500) == pytest.approx(5.712e-5, rel=1e-9)
    assert rate(9999) == pytest.approx(6e-5 * (1 - 9999 / 31_250), rel=1e-9)
    assert 1e-4 * discriminator_factor(0) == 1e-4
    assert 1e-4 * discriminator_factor(1) == pytest.approx(1e-4 * 0.68**0.9, rel=1e-9)


def test_a_shorter_stage_averages_faster_so_that_as_little_of_its_start_is_left():
    assert ema_rate(10_000) == pytest.approx(0.001)
    left = [(1 - ema_rate(steps)) ** steps for steps in (10_000, 1_000, 200)]
    assert left == pytest.approx([math.exp(-10)] * 3, rel=0.3)
    assert ema_rate(5) == 1.0


def test_a_thousand_averages_leave_0_3677_of_the_start():
    teacher, student = nn.Linear(1, 1), nn.Linear(1, 1)
    with torch.no_grad():
        teacher.weight.fill_(1.0)
        student.weight.fill_(0.0)
    teacher.double(), student.double()
    for _ in range(1_000):
        ema_update(teacher, student, 0.001)
    assert teacher.weight.item() == pytest.approx(0.999**1000, rel=1e-9)
    assert round(teacher.weight.item(), 4) == 0.3677


def test_entropy_is_1_for_equal_logits_and_falls_with_the_temperature():
    uniform = torch.zeros(1, 5, 2, 2)
    torch.testing.assert_close(normalised_entropy(uniform), torch.ones(1, 1, 2, 2))
    logits = torch.tensor([math.log(3.0), 0.0]).view(1, 2, 1, 1)
    by_hand = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert normalised_entropy(logits).item() == pytest.approx(by_hand, rel=1e-6)
    assert normalised_entropy(logits, 10.0).item() > by_hand


def test_weights_run_from_0_to_1_over_the_pixels_seen():
    torch.manual_seed(0)
    logits, domain = 3 * torch.randn(2, 4, 8, 8), torch.rand(2, 1, 8, 8)
    seen = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    seen[0, 0, :3] = False
    for weights in (source_weights(logits, domain, seen), target_weights(logits, domain, seen)):
        assert weights[seen].min() == 0
        assert weights[seen].max() == 1
        assert (weights[~seen] == 0).all()


def test_source_weights_are_high_where_the_class_is_open_and_the_domain_unlike_source():
    logits = torch.tensor([[0.0, 80.0], [0.0, 0.0]]).T.reshape(1, 2, 1, 2).flip(3)  # open, then sure
    domain = torch.tensor([[[[0.1, 0.9]]]])
    seen = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    assert source_weights(logits, domain, seen).flatten().tolist() == [1.0, 0.0]
    assert target_weights(logits, domain, seen).flatten().tolist() == [0.0, 1.0]


def test_a_constant_map_has_no_weights_and_no_nan():
    seen = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    assert (min_max(torch.full((1, 1, 3, 3), 0.7), seen) == 0).all()
    assert (min_max(torch.rand(1, 1, 3, 3), ~seen) == 0).all()


def test_an_undecided_discriminator_costs_ln_2_times_the_mean_weight():
    discriminator = Discriminator(8)
    nn.init.zeros_(discriminator.classifier.weight)
    nn.init.zeros_(discriminator.classifier.bias)
    answer = discriminator(torch.randn(2, 8, 4, 4), (16, 16))
    torch.testing.assert_close(answer, torch.full_like(answer, 0.5))
    weights, logits = torch.rand(2, 1, 16, 16), torch.randn(2, 3, 16, 16)
    for source in (True, False):
        loss = claim(answer, logits, weights, source=source)
        assert loss.item() == pytest.approx(math.log(2) * weights.mean().item(), rel=1e-5)
    seen = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    assert domain_loss(answer, seen, source=True).item() == pytest.approx(0.5 * math.log(2), rel=1e-6)
    assert domain_loss(answer, ~seen, source=True).item() == 0


def test_class_wise_answers_are_compared_with_clipped_soft_labels_in_their_half():
    logits = torch.tensor([8.0, 0.0]).view(1, 2, 1, 1)  # .9997 and .0003: the first is clipped to .9
    answer = torch.tensor([0.3, -0.2, 1.1, 0.4]).view(1, 4, 1, 1)
    weights = torch.full((1, 1, 1, 1), 0.5)
    log = torch.log_softmax(answer.flatten().double(), 0)
    small = 1 - 1 / (1 + math.exp(-8))
    target = -0.5 * (0.9 * log[0] + small * log[1])
    source = -0.5 * (0.9 * log[2] + small * log[3])
    assert claim(answer, logits, weights, source=False).item() == pytest.approx(target.item(), rel=1e-5)
    assert claim(answer, logits, weights, source=True).item() == pytest.approx(source.item(), rel=1e-5)


def test_class_probabilities_by_hand():
    every = np.ones(2, bool)
    assert class_probabilities(np.zeros(2, np.int64), every).tolist() == [0.5, 0.5]
    weights = np.array([1 / math.log(2.01), 1 / math.log(1.01)])
    assert class_probabilities(np.array([7, 0]), every) == pytest.approx(weights / weights.sum())
    quarter = np.array([1 / math.log(1.76), 1 / math.log(1.26)])
    assert class_probabilities(np.array([3, 1]), every) == pytest.approx(quarter / quarter.sum())
    assert class_probabilities(np.array([3, 1]), np.array([True, False])).tolist() == [1.0, 0.0]


def test_a_class_that_lies_in_every_chip_is_drawn_for_least():
    """Soil is everywhere, crop is beside soil alone, weed needs both others around it."""
    rng, draw = np.random.default_rng(0), ClassDraw(np.ones(3, bool))
    holds = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]], bool)
    drawn = np.zeros(3, int)
    for _ in range(3_000):
        value = draw.draw(rng)
        drawn[value] += 1
        draw.saw(holds[value])
    assert drawn[0] < drawn[1] < drawn[2]
    share = draw.counts / draw.counts.sum()
    expected = 1 / np.log(1.01 + share)  # the draw's own balance: what it aims at is what it did
    assert drawn / 3_000 == pytest.approx(expected / expected.sum(), abs=0.03)


def test_the_threshold_keeps_what_is_sure_and_0_keeps_all():
    classes = np.array([[0, 1, 2, 255]], np.uint8)
    confidence = np.array([[0.5, 0.8, 0.79, 0.0]], np.float32)
    assert threshold(classes, confidence, 0.8).tolist() == [[255, 1, 255, 255]]
    assert threshold(classes, confidence, 0.0) is classes


def test_flips_count_pixels_that_had_a_class_both_times():
    before = np.array([[0, 0, 1, 255, 2]], np.uint8)
    after = np.array([[0, 1, 255, 1, 0]], np.uint8)
    assert flipped(before, after) == (2, 3)


@pytest.mark.parametrize(("width", "height", "side"), [(10, 7, 4), (4, 4, 4), (3, 100, 8), (1, 1, 5)])
def test_scenes_cover_the_raster_once(width, height, side):
    covered = np.zeros((height, width), int)
    for window in partition(width, height, side):
        assert max(window.width, window.height) <= side
        covered[window.slices] += 1
    assert (covered == 1).all()


def student(adapter: str = "lora", backbone: str = "vit-demo", head: str = "detail") -> Student:
    config = ModelConfig(backbone, pretrained=False, adapter=adapter, head=head, num_classes=3)
    torch.manual_seed(0)
    return Student(build_segmenter(config), 3)


def test_a_teacher_shares_what_nobody_trains_and_starts_equal():
    learner = student()
    teacher = make_teacher(learner)
    x = torch.randn(1, 1, 32, 32)
    assert torch.equal(teacher.eval()(x).logits, learner.eval()(x).logits)
    for slow, quick in zip(teacher.parameters(), learner.parameters(), strict=True):
        assert (slow is quick) == (not quick.requires_grad)
    assert all(p.requires_grad for p in learner.auxiliary.parameters())
    before = {k: v.clone() for k, v in teacher.trainable_state().items()}
    with torch.no_grad():
        for p in learner.parameters():
            if p.requires_grad:
                p += 1
    ema_update(teacher, learner, 0.25)
    trained = {n for n, p in learner.named_parameters() if p.requires_grad}
    assert trained
    for name, value in teacher.trainable_state().items():
        moved = name in {n.replace(".default.", ".") for n in trained}
        torch.testing.assert_close(value, before[name] + (0.25 if moved else 0), rtol=0, atol=1e-6)


def test_batch_norms_take_the_statistics_of_the_images_they_are_shown():
    net = nn.Sequential(nn.BatchNorm2d(1))
    net(torch.randn(8, 1, 4, 4) * 9 + 100)
    shown = [torch.randn(4, 1, 8, 8) + 3, torch.randn(4, 1, 8, 8) + 5]
    estimate_norms(net, shown)
    assert not net[0].training
    assert net[0].momentum == 0.1
    mean = torch.stack([x.mean() for x in shown]).mean()
    torch.testing.assert_close(net[0].running_mean[0], mean)
    estimate_norms(nn.Linear(1, 1), shown)


def test_a_teacher_takes_over_the_students_statistics():
    learner = student(adapter="full")
    teacher = make_teacher(learner)
    learner.train()(torch.randn(4, 1, 32, 32) * 3 + 1)
    copy_norms(teacher, learner)
    theirs = dict(learner.named_buffers())
    assert all(torch.equal(value, theirs[name]) for name, value in teacher.named_buffers())
    assert not any(value is theirs[name] for name, value in teacher.named_buffers() if "running" in name)


def test_still_batch_norms_use_their_batch_and_forget_it():
    net = nn.Sequential(nn.BatchNorm2d(1))
    net(torch.randn(8, 1, 4, 4) + 5)
    mean = net[0].running_mean.clone()
    with still_norms(net):
        out = net(torch.randn(8, 1, 4, 4) + 50)
    assert out.mean().abs() < 1e-4
    assert torch.equal(net[0].running_mean, mean)
    assert net[0].momentum == 0.1
    with still_norms(net, wanted=False):
        net(torch.randn(8, 1, 4, 4) + 50)
    assert net[0].running_mean > mean


def test_the_state_of_a_student_brings_it_back():
    one, other = student(), student()
    with torch.no_grad():
        for p in one.parameters():
            if p.requires_grad:
                p.add_(0.1 * torch.randn_like(p))
    other.load_trainable_state(one.trainable_state())
    x = torch.randn(1, 1, 32, 32)
    assert torch.equal(one.eval()(x).logits, other.eval()(x).logits)
    assert torch.equal(one(x).auxiliary, other(x).auxiliary)


BASE = TrainRequest(layers=(LayerRef("a.tif"),), target_layers=(LayerRef("b.tif"),))


@pytest.mark.parametrize("stabiliser", list(STABILISERS))
def test_the_stabiliser_chooses_the_adapter(stabiliser):
    adapter = "lora" if "lora" in stabiliser else "full"
    assert checked(replace(BASE, stabiliser=stabiliser)).adapter == adapter


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"stabiliser": "momentum"}, "--stabiliser"),
        ({"target_values": "mine"}, "--target-values"),
        ({"round_start": "zero"}, "--round-start"),
        ({"discriminator": "both"}, "--discriminator"),
        ({"rounds": -1}, "--rounds"),
        ({"class_shares": "equal"}, "--class-shares"),
        ({"min_confidence": 1.0}, "--min-confidence"),
        ({"adversarial_weight": math.nan}, "--adversarial-weight"),
        ({"patience": 3}, "--patience"),
        ({"preset": "lora-nir"}, "--preset"),
        ({"adapter": "frozen"}, "--adapter"),
        ({"stabiliser": "lora", "adapter": "full"}, "--adapter"),
        ({"target_layers": (LayerRef("./a.tif"),)}, "both a source and a target"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(change, word):
    with pytest.raises(OptionError, match=word):
        checked(replace(BASE, **change))


def test_the_preset_is_the_published_protocol():
    made = apply_preset(checked(replace(BASE, preset="transda", stabiliser="ema")))
    recipe = make_recipe(made, patch=32, width=768, stride=8)
    assert (made.adapter, made.head, made.batch, made.rounds) == ("full", "uper", 8, 3)
    assert made.epochs * made.steps_per_epoch == 10_000
    assert (made.round_start, made.class_shares, made.min_confidence) == ("pretrained", "trained", 0.0)
    assert made.adversarial_weight == 0.001
    assert (recipe.head_rate, recipe.backbone_rate, recipe.weight_decay) == (6e-5, 6e-5, 0.01)
    assert (recipe.dice_weight, recipe.balance, recipe.clip_norm) == (0, 0, 0)
    assert (recipe.schedule, recipe.backbone_warmup) == ("transda", 0.0)
    assert (recipe.chip_px, recipe.zoom) == (768, 1.0)
    with pytest.raises(OptionError, match="needs that field"):
        apply_preset(replace(BASE, preset="transda", target_layers=()))
