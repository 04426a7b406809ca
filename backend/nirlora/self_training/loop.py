"""The loop of self-training, whole and visible: a warm-up, then rounds that learn from pseudo-labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from nirlora.errors import JobCancelled, OutputError
from nirlora.protocol import Progress
from nirlora.self_training.draws import Batch, Pairs
from nirlora.self_training.players import Players, Rates, make_optimizers, set_rates
from nirlora.self_training.probe import look_at, share_of_flips
from nirlora.self_training.pseudo import predict_scene, relabel, threshold
from nirlora.self_training.scenes import Scene
from nirlora.self_training.schedule import ema_rate
from nirlora.self_training.shares import (
    add_biases,
    agreed_biases,
    keeping_biases,
    labelled_logits,
    seen_logits,
    shares_said,
)
from nirlora.self_training.state import (
    AdaptState,
    pack_moments,
    pack_scenes,
    pack_weights,
    unpack_players,
    unpack_scenes,
)
from nirlora.self_training.step import StepConfig, iteration
from nirlora.self_training.student import below, copy_norms, estimate_norms
from nirlora.training.checkpoint import save_checkpoint
from nirlora.training.chips import Chips, prefetch
from nirlora.training.loop import ShownLoss, validate
from nirlora.training.schedule import run_fraction

ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class AdaptConfig:
    """How long and how fast to train, and what a stage starts from."""

    rounds: int
    epochs: int
    steps_per_epoch: int
    rates: Rates
    step: StepConfig  # the teacher's rate follows from the length of a stage
    min_confidence: float = 0.0
    class_shares: tuple[float, ...] = ()  # of what is said on source labels; empty: as training leaves it
    restart: bool = True  # each round starts from the weights that the warm-up started from
    max_seconds: float = 0.0
    seed: int = 0
    checkpoint: Path | None = None
    checkpoint_every_s: float = 30.0
    fingerprint: str = ""

    @property
    def stage_steps(self) -> int:
        """Optimiser steps of a stage that nothing cuts short."""
        return self.epochs * self.steps_per_epoch

    @property
    def stages(self) -> int:
        """Warm-up and rounds."""
        return self.rounds + 1


@dataclass(frozen=True)
class Material:
    """What is learnt from and looked at.

    Attributes:
        pairs: Batches of both fields.
        scenes: The target, with its pseudo-labels.
        probe: Some target chips that show after every epoch how steady the predictions are.
        reference: Some chips of the source, unchanged, for the shares of the classes.
        validation: Held-out chips of the source.
        num_classes: K.
        score: The confusion of the scenes' classes with the target's own labels; empty without any. The
            training never sees more of those labels than this function.
    """

    pairs: Pairs
    scenes: Sequence[Scene]
    probe: Sequence[Batch]
    reference: Sequence[Batch]
    validation: list[Chips]
    num_classes: int
    score: Callable[[], list[list[int]]]


def adapt(
    players: Players,
    material: Material,
    config: AdaptConfig,
    accelerator: Accelerator,
    state: AdaptState,
    progress: ProgressCallback,
) -> str:
    """Train from ``state`` (a fresh or a resumed one) and leave everything learnt in it.

    Args:
        players: The networks; their optimisers are made here.
        material: What is learnt from.
        config: Length, rates, budgets.
        accelerator: Device and precision.
        state: Updated in place; ``best_weights`` holds the result.
        progress: Called at every step; may raise JobCancelled.

    Returns:
        Why it ended: "" (all stages), "max-seconds" or "cancelled".

    Raises:
        JobCancelled: Cancelled before the first step, or with nothing to be kept.
    """
    scenes, spec = material.scenes, material.pairs.target.spec
    resumed_at, resumed = state.step, time.monotonic()
    started = resumed - state.elapsed_s
    saved = time.monotonic()
    losses: list[Tensor] = []
    shown = ShownLoss()
    stopped = ""
    total_steps = config.stages * config.stage_steps
    probe = [t.numpy() for _, t in sorted(below(state.weights, "probe/").items())]
    step_config = replace(config.step, ema_rate=ema_rate(config.stage_steps))

    def elapsed() -> float:  # of the whole run
        return time.monotonic() - started

    def deadline() -> float:  # of this stage; time is shared out evenly over the stages that are left
        left = config.max_seconds - state.stage_started_s
        return state.stage_started_s + left / max(config.stages - state.stage, 1)

    def overall(fraction: float) -> float:
        return min(1.0, (state.stage + fraction) / config.stages)

    def say(fraction: float, loss: float, pixels: int) -> None:
        share = max(overall(fraction), state.step / total_steps)
        metrics = {
            "loss": loss,
            "epoch": float(
                state.stage * config.epochs + (state.stage_step - 1) // config.steps_per_epoch + 1
            ),
            "px_per_s": pixels * (state.step - resumed_at) / max(time.monotonic() - resumed, 1e-6),
        }
        message = f"step {state.stage_step}/{config.stage_steps} on {accelerator.device}"
        eta = elapsed() * (1 - share) / share
        progress(Progress(stage_name(state.stage), share, message, eta, metrics))

    def save() -> None:
        nonlocal saved
        saved = time.monotonic()
        if config.checkpoint is None:
            return
        state.elapsed_s = elapsed()
        state.optimizer = pack_moments(players)
        state.weights = pack_weights(players) | pack_scenes(scenes)
        state.weights |= {f"probe/{i:03}": torch.from_numpy(look) for i, look in enumerate(probe)}
        try:
            save_checkpoint(config.checkpoint, state, config.fingerprint)
        except OutputError as error:  # no reason to lose the training
            if not state.warnings:
                state.warnings.append(f"{error.message} A killed training could not have been resumed.")

    def settle() -> None:
        """Make the result ready to predict: in batch norms with the statistics of one field.

        The source's, which the student keeps, are the better ones: it learns from chips in which rare classes
        are common, and the target's are those of another mixture. (Measured: docs/results.md.)
        """
        if config.step.source_norms:
            if players.teacher is not None:
                copy_norms(players.teacher, players.student)
        elif players.teacher is None:
            with accelerator.autocast():
                images = (torch.from_numpy(b.images).to(accelerator.device) for b in material.probe)
                estimate_norms(players.student, images)

    def share_out() -> dict[str, list[float]]:
        """Give every class its share, in the rounds the one it had, and score the source anew if need be."""
        target = seen_logits(players.result, material.probe, accelerator)
        if state.stage == 0:
            logits, labels = labelled_logits(players.result, material.reference, accelerator)
            biases = agreed_biases(logits, labels, target, config.class_shares)
        else:
            biases = keeping_biases(target, state.rounds[-1]["said"])
        if biases.any():
            add_biases(players.result.segmenter.head, biases)
            net = players.result.segmenter
            scores = validate(net, material.num_classes, material.validation, accelerator)
            state.confusion, state.history[-1]["miou"] = scores["confusion"], scores["miou"]
        return {"biases": [round(float(b), 4) for b in biases], "said": shares_said(target, biases)}

    def keep_weights() -> None:
        weights = players.result.segmenter.trainable_state()
        state.best_weights = {k: v.detach().cpu().clone() for k, v in weights.items()}
        state.best_epoch = len(state.history) - 1

    def look() -> None:
        """Score and record what there is now."""
        nonlocal probe
        settle()
        scores = validate(players.result.segmenter, material.num_classes, material.validation, accelerator)
        looks = look_at(players.result, material.probe, accelerator)
        state.confusion = scores["confusion"]
        state.history.append(
            {
                "epoch": len(state.history),  # 0: before the first step
                "stage": state.stage,
                "step": state.step,
                "loss": float(torch.stack(losses).mean()) if losses else None,
                "lr": float(players.optimizer.param_groups[0]["lr"]),
                "miou": scores["miou"],
                "flips": share_of_flips(probe, looks),
                "seconds": elapsed(),
            }
        )
        probe = looks
        losses.clear()

    def end_epoch() -> None:
        look()
        save()

    def begin_stage() -> None:
        state.stage_started_s = elapsed()
        if config.restart and state.stage:
            unpack_players(players, start, {})
        make_optimizers(players, config.rates, accelerator)

    def end_stage() -> None:
        """Label the target anew with what this stage has learnt, score that, and step on."""
        settle()
        shared = share_out() if config.class_shares else {}
        keep_weights()
        new: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        for i, scene in enumerate(scenes):
            message = f"part {i + 1} of {len(scenes)}"
            progress(Progress(labels_name(state.stage, config.rounds), overall(1.0), message))
            classes, confidence = predict_scene(players.result, scene, spec, accelerator)
            new.append((classes, threshold(classes, confidence, config.min_confidence)))
        labelled = relabel(scenes, new, material.num_classes)
        state.rounds.append(
            {
                "name": stage_name(state.stage),
                "steps": state.stage_step,
                "seconds": round(elapsed() - state.stage_started_s, 1),
                **asdict(labelled),
                "epoch_flips": [h["flips"] for h in state.history if h["stage"] == state.stage],
                "source_miou": state.history[-1]["miou"] if state.history else None,
                **shared,
                "confusion": material.score(),
            }
        )
        state.stage, state.stage_step = state.stage + 1, 0

    start = {k: v.detach().cpu().clone() for k, v in pack_weights(players).items()}
    make_optimizers(players, config.rates, accelerator)
    if state.weights:
        unpack_players(players, state.weights, state.optimizer)
        unpack_scenes(scenes, state.weights)
    try:
        if state.step == 0:  # sanity: what is broken must show before hours of training
            look()
        while state.stage < config.stages:
            if state.stage_step == 0:
                begin_stage()
            first = state.stage * config.stage_steps
            players.student.train()
            steps = range(first + state.stage_step, first + config.stage_steps)
            with closing(prefetch(material.pairs, steps)) as batches:
                for source, target in batches:
                    used = elapsed() - state.stage_started_s
                    limit = deadline() - state.stage_started_s if config.max_seconds else 0.0
                    fraction = run_fraction(state.stage_step, config.stage_steps, used, limit)
                    set_rates(players, config.rates, fraction, state.stage_step)
                    torch.manual_seed(config.seed * 1_000_003 + state.step)  # the same after a resume
                    pseudo = state.stage > 0
                    loss = iteration(players, source, target, step_config, accelerator, pseudo=pseudo)
                    losses.append(loss.detach())
                    state.step, state.stage_step = state.step + 1, state.stage_step + 1
                    say(fraction, shown.value(loss), source.labels.size)
                    if config.max_seconds and elapsed() >= deadline():
                        stopped = "max-seconds"
                        break
                    if state.stage_step % config.steps_per_epoch == 0:
                        end_epoch()
                        players.student.train()
                    elif time.monotonic() - saved > config.checkpoint_every_s:
                        save()
            if state.history[-1]["step"] != state.step:  # cut short by time, or stopped before the look
                end_epoch()
            end_stage()
            save()
    except JobCancelled as wish:
        if state.step == 0 or not wish.keep:
            raise
        stopped = "cancelled"
        if not state.best_weights:  # in the warm-up: what there is
            settle()
            keep_weights()
        save()
    players.student.segmenter.load_trainable_state(state.best_weights)
    return stopped


def stage_name(stage: int) -> str:
    """For people."""
    return f"round {stage}" if stage else "warm-up"


def labels_name(stage: int, rounds: int) -> str:
    """What the labelling after a stage is for."""
    return f"pseudo-labels {stage + 1}" if stage < rounds else "target map"
