"""The losses and the teacher of DINOv2 against cases worked out by hand."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from nirlora.adaptation import explora
from nirlora.adaptation.batches import masked_places
from nirlora.adaptation.dino import DinoObjective, Teaching, follow
from nirlora.adaptation.dino_losses import (
    centred,
    cross_entropy,
    dino_loss,
    ibot_loss,
    koleo_loss,
    sinkhorn,
    teacher_momentum,
    teacher_temperature,
    weight_decay,
)
from nirlora.adaptation.heads import DinoHead
from nirlora.models.backbones import build_backbone


def test_sinkhorn_gives_every_sample_one_and_every_prototype_its_share():
    torch.manual_seed(0)
    q = sinkhorn(torch.rand(12, 4), 0.1, iterations=60)
    torch.testing.assert_close(q.sum(1), torch.ones(12), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(q.sum(0), torch.full((4,), 12 / 4), rtol=1e-3, atol=1e-3)


def test_sinkhorn_of_one_round_by_hand():
    # exp(scores) is [[1, 2], [1, 6]]; columns to 1/2: [[1/4, 1/8], [1/4, 3/8]]; then rows to 1
    scores = torch.tensor([[0.0, math.log(2)], [0.0, math.log(6)]])
    q = sinkhorn(scores, 1.0, iterations=1)
    torch.testing.assert_close(q, torch.tensor([[2 / 3, 1 / 3], [2 / 5, 3 / 5]]))


def test_sinkhorn_bears_scores_far_apart():
    q = sinkhorn(torch.tensor([[1000.0, 0.0], [-1000.0, 0.0]]), 0.04)
    assert torch.isfinite(q).all()
    torch.testing.assert_close(q.sum(1), torch.ones(2))


def test_centring_takes_the_mean_away():
    scores = torch.tensor([[2.0, 1.0, 0.0]])
    expected = torch.softmax(torch.tensor([[0.0, 10.0, 0.0]]), -1)
    torch.testing.assert_close(centred(scores, torch.tensor([2.0, 0.0, 0.0]), 0.1), expected)


def test_cross_entropy_by_hand():
    scores = torch.tensor([[0.1 * math.log(3), 0.0]])  # at temperature 0.1: softmax [3/4, 1/4]
    got = cross_entropy(scores, torch.tensor([[0.5, 0.5]]))
    assert float(got) == pytest.approx(-0.5 * math.log(3 / 4) - 0.5 * math.log(1 / 4))


def test_dino_crosses_the_global_views_and_shows_local_ones_to_both():
    def scores(p: float) -> torch.Tensor:
        return torch.tensor([[0.1 * math.log(p / (1 - p)), 0.0]])

    def entropy(target: float, p: float) -> float:
        return -target * math.log(p) - (1 - target) * math.log(1 - p)

    targets = [torch.tensor([[0.9, 0.1]]), torch.tensor([[0.2, 0.8]])]
    got = dino_loss([scores(0.6), scores(0.3)], [scores(0.5), scores(0.7)], targets)
    pairs = [(0.2, 0.6), (0.9, 0.3), (0.9, 0.5), (0.2, 0.5), (0.9, 0.7), (0.2, 0.7)]
    assert float(got) == pytest.approx(sum(entropy(t, p) for t, p in pairs) / 6, rel=1e-5)
    alone = dino_loss([scores(0.6), scores(0.3)], [], targets)
    assert float(alone) == pytest.approx((entropy(0.2, 0.6) + entropy(0.9, 0.3)) / 2, rel=1e-5)


def test_ibot_weighs_every_image_alike_however_much_of_it_is_masked():
    """Image 0 has one masked patch, image 1 three, image 2 none; the mean goes over all three."""
    places = masked_places(np.array([[1, 0, 0], [1, 1, 1], [0, 0, 0]], bool))
    assert places["masked_at"].tolist() == [0, 3, 4, 5]
    weights = torch.from_numpy(places["weights"])
    torch.testing.assert_close(weights, torch.tensor([1, 1 / 3, 1 / 3, 1 / 3]))
    targets = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    shares = (0.5, 0.25, 0.25, 0.25)
    scores = torch.stack([torch.tensor([0.1 * math.log(p / (1 - p)), 0.0]) for p in shares])
    expected = (-math.log(0.5) - math.log(0.25)) / 3
    assert float(ibot_loss(scores, targets, weights, 3)) == pytest.approx(expected, rel=1e-5)
    assert float(ibot_loss(scores[:0], targets[:0], weights[:0], 2)) == 0.0


def test_koleo_on_known_points():
    # Unit circle: 0 and 60 degrees are 1 apart, 180 degrees is sqrt(3) from 60 (its nearest).
    points = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(3) / 2], [-1.0, 0.0]])
    expected = -(math.log(1) + math.log(1) + math.log(math.sqrt(3))) / 3
    assert float(koleo_loss(points)) == pytest.approx(expected, abs=1e-5)
    assert float(koleo_loss(7 * points)) == pytest.approx(expected, abs=1e-5)  # lengths do not count
    assert float(koleo_loss(points[:1])) == 0.0


def test_koleo_finds_the_nearest_of_close_features_in_a_bf16_training_too():
    features = torch.nn.functional.normalize(1 + 0.02 * torch.randn(64, 32), dim=1)  # cosines around 0.9996
    expected = koleo_loss(features)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(koleo_loss(features), expected, rtol=0, atol=0)


def test_scores_of_the_head_are_not_rounded_to_bf16():
    head = DinoHead(16, 32, 8, 12)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = head(torch.randn(4, 16))
    assert scores.dtype == torch.float32


def test_koleo_drives_features_apart():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1]], requires_grad=True)
    koleo_loss(x).backward()
    assert x.grad[0, 1] > 0  # downhill, the first turns away from the second
    assert x.grad[1, 1] < 0


@pytest.mark.parametrize(
    ("schedule", "start", "middle", "end"),
    [
        (teacher_momentum, 0.992, 0.996, 1.0),
        (weight_decay, 0.04, 0.22, 0.4),
        (teacher_temperature, 0.04, 0.07, 0.07),
    ],
)
def test_schedules(schedule, start, middle, end):
    assert [schedule(f) for f in (0.0, 0.5, 1.0)] == pytest.approx([start, middle, end])
    assert teacher_temperature(0.15) == pytest.approx(0.055)


def objective(centering: str = "center", name: str = "vit-demo") -> DinoObjective:
    torch.manual_seed(0)
    backbone = build_backbone(name)
    explora.apply(backbone, explora.ExploraOptions("last", 4))
    return DinoObjective(backbone, DinoHead(128, 64, 32, 50), Teaching(centering))


def batch(n: int = 4, locals_: int = 2) -> dict[str, torch.Tensor]:
    masked = np.stack([np.arange(16) < k for k in range(2 * n)])  # the first image has none
    return {
        "globals": torch.rand(2 * n, 3, 32, 32),
        "locals": torch.rand(locals_ * n, 3, 16, 16),
        **hidden(masked),
    }


def hidden(masked: np.ndarray) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(v) for k, v in ({"masked": masked} | masked_places(masked)).items()}


def test_the_teacher_shares_what_does_not_train_and_owns_what_does():
    made = objective()
    student = dict(made.backbone.named_parameters())
    for name, parameter in made.teacher.named_parameters(remove_duplicate=False):
        assert not parameter.requires_grad or parameter is student[name]
        assert (parameter is student[name]) == (not student[name].requires_grad)
    assert all(not p.requires_grad for p in made.teacher_head.parameters())
    assert any("lora_A" in n for n in made.saved_names() if n.startswith("teacher."))


def test_the_teacher_neither_trains_nor_gets_gradients():
    made = objective()
    assert made.train() is made
    assert made.backbone.training
    assert made.head.training
    assert not any(m.training for part in (made.teacher, made.teacher_head) for m in part.modules())
    made(batch(), 0.5)["loss"].backward()
    followers = dict(made.teacher.named_parameters(remove_duplicate=False))
    trained = [n for n, p in made.backbone.named_parameters() if p.requires_grad]
    assert all(made.backbone.get_parameter(n).grad is not None for n in trained)
    assert all(followers[n].grad is None for n in trained)
    assert all(p.grad is None for p in made.teacher_head.parameters())


def test_the_teacher_is_the_running_mean_of_the_factors():
    made = objective()
    name = "net.blocks.0.attn.qkv.q.lora_B.default.weight"
    start = made.teacher.get_parameter(name).clone()
    with torch.no_grad():
        made.backbone.get_parameter(name).fill_(2.0)
    for _ in range(5):
        with torch.no_grad():
            follow(made.backbone, made.teacher, 0.9)
    expected = 0.9**5 * start + (1 - 0.9**5) * 2.0
    torch.testing.assert_close(made.teacher.get_parameter(name), expected)
    frozen = "net.blocks.0.mlp.fc1.weight"
    assert made.teacher.get_parameter(frozen) is made.backbone.get_parameter(frozen)


@pytest.mark.parametrize("centering", ["center", "sinkhorn"])
@pytest.mark.parametrize("name", ["vit-demo", "galileo-nano:p8"])
def test_a_step_moves_what_it_should(centering, name):
    made = objective(centering, name)
    before = copy.deepcopy(made.state_dict())
    optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], lr=1e-3)
    for step in range(3):
        losses = made(batch(), 0.5)
        optimizer.zero_grad()
        losses["loss"].backward()
        made.before_step(0.5)
        optimizer.step()
        made.after_step(0.5)
        assert torch.isfinite(losses["loss"])
        assert 0.01 < float(losses["entropy"]) < 0.999 * math.log(50), step
    total = losses["dino"] + losses["ibot"] + 0.1 * losses["koleo"]
    torch.testing.assert_close(losses["loss"].detach(), total)
    after = made.state_dict()
    moved = {n for n in after if not torch.equal(after[n], before[n])}
    assert moved <= made.saved_names()
    assert "teacher.net.norm.weight" in moved
    assert ("centres" in moved) == (centering == "center")
    assert made.result is made.teacher


def test_the_last_layer_is_held_still_at_first():
    made = objective()
    made(batch(), 0.0)["loss"].backward()
    made.before_step(0.0)
    assert made.head.direction.grad is None
    assert made.head.mlp[0].weight.grad is not None
    made(batch(), 0.5)["loss"].backward()
    made.before_step(0.5)
    assert made.head.direction.grad is not None


def test_a_run_without_local_views_or_masks():
    made = objective()
    views = batch(locals_=0)
    views |= hidden(np.zeros((8, 16), bool))
    losses = made(views, 0.5)
    assert float(losses["ibot"]) == 0.0
    losses["loss"].backward()


def test_in_twenty_steps_the_teacher_neither_settles_on_one_prototype_nor_on_all_alike():
    """Collapse either way: entropy 0, or ln K of every view."""
    torch.manual_seed(0)
    made = objective()
    optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], lr=1e-3)
    views = batch()
    views |= hidden(np.random.default_rng(0).random((8, 16)) < 0.4)
    entropies, losses = [], []
    for step in range(20):
        made.before_step(step / 20)
        found = made(views, step / 20)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        made.after_step(step / 20)
        losses.append(float(found["loss"].detach()))
        entropies.append(float(found["entropy"]))
    most = math.log(made.head.direction.shape[0])
    assert all(math.isfinite(v) for v in losses)
    assert all(0.05 * most < entropy < 0.999 * most for entropy in entropies)
