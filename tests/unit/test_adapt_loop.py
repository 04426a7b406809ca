"""The loop of an adaptation: who waits for whom, and that weights without a value are never kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nirlora.adaptation import explora
from nirlora.adaptation.config import BackboneSize, make_recipe
from nirlora.adaptation.loop import LoopConfig, pretrain
from nirlora.adaptation.mae import MaeDecoder, MaeObjective
from nirlora.errors import JobCancelled, NirLoraError
from nirlora.models.backbones import build_backbone
from nirlora.protocol import AdaptRequest
from nirlora.training.accelerator import make_accelerator
from nirlora.training.checkpoint import RunState, load_state


class Noise:
    """Batches of two images of 16 patches, four of them seen."""

    def batch(self, step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(step)
        keep = np.stack([np.sort(rng.permutation(16)[:4]) for _ in range(2)])
        target = np.ones((2, 16), bool)
        np.put_along_axis(target, keep, False, axis=1)
        return {"images": rng.random((2, 3, 32, 32), np.float32), "keep": keep, "target": target}


class Breaking(MaeObjective):
    """From its third step on the loss is a number and its gradient none: the root of 0 times 0."""

    calls = 0

    def forward(self, batch: dict[str, Tensor], fraction: float) -> dict[str, Tensor]:
        losses = super().forward(batch, fraction)
        self.calls += 1
        if self.calls > 2:
            losses["loss"] = losses["loss"] + 0.0 * (0.0 * self.decoder.pred.bias).sqrt().sum()
        return losses


def made(kind: type[MaeObjective] = MaeObjective, *, fresh: bool = True) -> MaeObjective:
    torch.manual_seed(0)
    backbone = build_backbone("vit-demo")
    explora.apply(backbone, explora.ExploraOptions("last", 0))
    return kind(backbone, MaeDecoder(128, 64, 1, 2, 192), fresh=fresh)


def run(objective: nn.Module, state: RunState, *, steps: int = 8, progress=lambda _: None, **config) -> str:
    recipe = make_recipe(AdaptRequest(layers=(), steps=steps), BackboneSize(8, 128, 4), 10**6, True)
    accelerator = make_accelerator(torch.device("cpu"))
    return pretrain(objective, Noise(), LoopConfig(recipe, **config), accelerator, state, progress)


@pytest.mark.parametrize("fresh", [True, False])
def test_the_backbone_waits_for_a_decoder_that_starts_random(fresh):
    objective = made(fresh=fresh)
    before = objective.backbone.net.norm.bias.detach().clone()
    drawn = objective.decoder.pred.bias.detach().clone()
    run(objective, RunState(), steps=1)
    assert not torch.equal(objective.decoder.pred.bias, drawn)
    assert torch.equal(objective.backbone.net.norm.bias, before) == fresh


def test_a_gradient_that_is_no_number_leaves_the_last_good_checkpoint(tmp_path: Path):
    path = tmp_path / "checkpoint"
    with pytest.raises(NirLoraError, match="gradient is no number any more at step 3") as caught:
        run(made(Breaking), RunState(), checkpoint=path, checkpoint_every_s=0.0)
    assert caught.value.code == "diverged"
    kept = load_state(path, "", RunState)
    assert kept.step == 2
    assert all(torch.isfinite(t).all() for t in (kept.weights | kept.optimizer).values())


@pytest.mark.parametrize("ending", ["last step", "kept by the user", "time"])
def test_weights_that_are_no_numbers_are_no_result(ending):
    def progress(message):
        if ending == "kept by the user" and message.message.startswith("step 3/"):
            raise JobCancelled

    steps = 3 if ending == "last step" else 1000  # losses are looked at every fifth step
    state = RunState()
    objective = made(Breaking)
    limit = 1e-9 if ending == "time" else 0.0
    objective.calls = 2 if ending == "time" else 0
    with pytest.raises(NirLoraError, match="no number any more") as caught:
        run(objective, state, steps=steps, progress=progress, max_seconds=limit)
    assert caught.value.code == "diverged"
    assert not state.weights
