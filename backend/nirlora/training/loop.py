"""The training loop, whole and visible: chips in, the best trainable weights out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from nirlora.errors import JobCancelled, OutputError
from nirlora.metrics import Scores, summarise
from nirlora.models.logits import class_logits, to_raster
from nirlora.models.segmenter import Segmenter
from nirlora.protocol import Progress
from nirlora.training.checkpoint import TrainState, pack_optimizer, save_checkpoint, unpack_optimizer
from nirlora.training.chips import Batches, Chips, prefetch
from nirlora.training.losses import segmentation_loss
from nirlora.training.schedule import backbone_share, lora_nir_step, run_fraction, warmup_cosine

ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    epochs: int
    steps_per_epoch: int
    head_rate: float
    backbone_rate: float
    weight_decay: float = 0.01
    schedule: str = "cosine"  # cosine | lora-nir
    dice_weight: float = 1.0
    class_weights: tuple[float, ...] = ()  # of the cross-entropy; empty: all equal
    clip_norm: float = 1.0
    backbone_warmup: float = 0.0  # share of the run over which the backbone's rate rises; see schedule.py
    max_seconds: float = 0.0
    patience: int = 0
    seed: int = 0
    checkpoint: Path | None = None
    checkpoint_every_s: float = 30.0
    fingerprint: str = ""
    keep_last: bool = False  # the last weights are the result, not the best ones

    @property
    def total_steps(self) -> int:
        """Optimiser steps of a run that nothing cuts short."""
        return self.epochs * self.steps_per_epoch


class ChipBatches(Batches[Chips], Protocol):
    """Batches of chips with labels of ``num_classes`` classes."""

    num_classes: int


def fit(
    model: Segmenter,
    sampler: ChipBatches,
    validation: list[Chips],
    config: LoopConfig,
    accelerator: Accelerator,
    state: TrainState,
    progress: ProgressCallback,
) -> str:
    """Train ``model`` from ``state`` (a fresh or a resumed one) and leave everything learnt in ``state``.

    Args:
        model: Segmenter whose trainable parameters are trained.
        sampler: Source of batches; batch ``s`` depends on nothing but the seed and ``s``.
        validation: Held-out batches; empty when nothing could be held out, then the last weights count.
        config: Length, rates, budgets.
        accelerator: Device and precision.
        state: Updated in place; ``best_weights`` holds the result.
        progress: Called at every step; may raise JobCancelled.

    Returns:
        Why it ended: "" (all epochs), "max-seconds", "patience" or "cancelled".

    Raises:
        JobCancelled: Cancelled before the first step, when there is nothing to keep, or nothing is wanted.
    """
    names = {id(p): n for n, p in model.named_parameters() if p.requires_grad}
    raw_optimizer = make_optimizer(model, config)
    if state.weights:
        model.load_trainable_state(state.weights)
        unpack_optimizer(raw_optimizer, names, state.optimizer)
    base_rates = [float(group["lr"]) for group in raw_optimizer.param_groups]
    net, optimizer = accelerator.prepare(model, raw_optimizer)
    resumed_at, resumed = state.step, time.monotonic()
    started = resumed - state.elapsed_s
    saved = time.monotonic()
    losses: list[Tensor] = []
    shown = ShownLoss()
    stopped = ""

    def elapsed() -> float:  # of the whole run
        return time.monotonic() - started

    def spent() -> float:  # since this process took it up
        return max(time.monotonic() - resumed, 1e-6)

    def say(state: TrainState, fraction: float, loss: float, pixels: int) -> None:
        share = max(state.step / config.total_steps, fraction)
        epoch = (state.step - 1) // config.steps_per_epoch + 1
        metrics = {
            "loss": loss,
            "epoch": float(epoch),
            "px_per_s": pixels * (state.step - resumed_at) / spent(),
        }
        if state.best_miou is not None:
            metrics |= {"miou": float(state.history[-1]["miou"] or 0.0), "best_miou": state.best_miou}
        message = f"step {state.step}/{config.total_steps} on {accelerator.device}"
        progress(Progress("train", share, message, elapsed() * (1 - share) / share, metrics))

    def save() -> None:
        nonlocal saved
        saved = time.monotonic()
        if config.checkpoint is not None:
            state.weights, state.elapsed_s = model.trainable_state(), elapsed()
            state.optimizer = pack_optimizer(raw_optimizer, names)
            try:
                save_checkpoint(config.checkpoint, state, config.fingerprint)
            except OutputError as error:  # no reason to lose the training
                if not state.warnings:
                    state.warnings.append(f"{error.message} A killed training could not have been resumed.")

    def keep_weights() -> None:
        state.best_weights = {k: v.detach().cpu().clone() for k, v in model.trainable_state().items()}

    def end_epoch(epoch: int) -> bool:
        """Validate, keep the best, checkpoint; True when patience is over."""
        scores = validate(net, sampler.num_classes, validation, accelerator)
        miou = scores["miou"]
        loss = float(torch.stack(losses).mean()) if losses else None
        losses.clear()
        rate = float(raw_optimizer.param_groups[0]["lr"])
        state.history.append(
            {"epoch": epoch, "step": state.step, "loss": loss, "lr": rate, "miou": miou, "seconds": elapsed()}
        )
        if config.keep_last or miou is None or state.best_miou is None or miou > state.best_miou:
            state.best_miou, state.best_epoch = miou, epoch
            keep_weights()
            state.confusion = scores["confusion"]
        save()
        return config.patience > 0 and miou is not None and epoch - state.best_epoch >= config.patience

    try:
        if state.step == 0 and validation:  # sanity: a broken validation must show before hours of training
            scores = validate(net, sampler.num_classes, validation, accelerator)
            state.history.append(
                {"epoch": 0, "step": 0, "loss": None, "lr": 0.0, "miou": scores["miou"], "seconds": elapsed()}
            )
        net.train()
        for x, y in prefetch(sampler, range(state.step, config.total_steps)):
            step = state.step
            epoch = step // config.steps_per_epoch
            fraction = run_fraction(step, config.total_steps, elapsed(), config.max_seconds)
            factor = lora_nir_step(epoch) if config.schedule == "lora-nir" else warmup_cosine(fraction, step)
            late = backbone_share(fraction, config.backbone_warmup)
            for group, rate, share in zip(raw_optimizer.param_groups, base_rates, (1.0, late), strict=False):
                group["lr"] = rate * factor * share
            torch.manual_seed(config.seed * 1_000_003 + step)  # dropout: the same after a resume
            loss = training_step(net, optimizer, accelerator, x, y, config)
            losses.append(loss.detach())
            state.step += 1
            say(state, fraction, shown.value(loss), y.size)
            if config.max_seconds and elapsed() >= config.max_seconds:
                stopped = "max-seconds"
                break
            if state.step % config.steps_per_epoch == 0:
                if end_epoch(epoch + 1):
                    stopped = "patience"
                    break
                net.train()
            elif time.monotonic() - saved > config.checkpoint_every_s:
                save()
        if losses:
            end_epoch(state.step // config.steps_per_epoch + 1)
    except JobCancelled as wish:
        if state.step == 0 or not wish.keep:
            raise
        stopped = "cancelled"
        if not validation:  # nothing says that an earlier state was better
            keep_weights()
        save()
    if not state.best_weights:
        keep_weights()
    model.load_trainable_state(state.best_weights)
    return stopped


def training_step(
    net: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    x: np.ndarray,
    y: np.ndarray,
    config: LoopConfig,
) -> Tensor:
    """One optimiser step on chips ``(N, C, h, w)`` with labels ``(N, H, W)``; returns the loss."""
    images = torch.from_numpy(x).to(accelerator.device, non_blocking=True)
    labels = torch.from_numpy(y).to(accelerator.device, non_blocking=True)
    with accelerator.autocast():
        logits = net(images)
    logits = to_raster(class_logits(logits.float()), (y.shape[1], y.shape[2]))
    weights = logits.new_tensor(config.class_weights) if config.class_weights else None
    loss = segmentation_loss(logits, labels, config.dice_weight, weights)
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    if config.clip_norm:
        accelerator.clip_grad_norm_(net.parameters(), config.clip_norm)
    optimizer.step()
    return loss


@torch.inference_mode()
def validate(
    net: torch.nn.Module, num_classes: int, batches: list[Chips], accelerator: Accelerator
) -> dict[str, Any]:
    """Score ``net`` on held-out batches; see ``metrics.summarise`` for the keys."""
    scores = Scores(num_classes, accelerator.device)
    net.eval()
    for x, y in batches:
        labels = torch.from_numpy(y).to(accelerator.device)
        with accelerator.autocast():
            logits = net(torch.from_numpy(x).to(accelerator.device))
        logits = to_raster(class_logits(logits.float()), (y.shape[1], y.shape[2]))
        scores.update(logits.argmax(1), labels)
    return summarise(scores.confusion(), tuple(str(k) for k in range(num_classes)))


def make_optimizer(model: Segmenter, config: LoopConfig) -> torch.optim.Optimizer:
    """AdamW with one group for the head and one for everything trained inside the backbone."""
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    head = [p for n, p in trained if n.startswith("head.")]
    backbone = [p for n, p in trained if not n.startswith("head.")]
    groups = [{"params": head, "lr": config.head_rate}]
    if backbone:
        groups.append({"params": backbone, "lr": config.backbone_rate})
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


class ShownLoss:
    """The loss on display, fetched twice a second: fetching it at every step would make the GPU wait."""

    def __init__(self) -> None:
        self._value, self._at = float("nan"), float("-inf")

    def value(self, loss: Tensor) -> float:
        """What to show for ``loss``."""
        if time.monotonic() - self._at > 0.5:
            self._value, self._at = float(loss.detach()), time.monotonic()
        return self._value
