"""The training loop of a classifier, whole and visible: views in, trained weights out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nirlora.classification.samples import Batch, Draws, Samples
from nirlora.classification.scores import confusion_matrix, summarise_classes
from nirlora.errors import JobCancelled, OutputError
from nirlora.models.classifier import Classifier
from nirlora.protocol import Progress
from nirlora.training.checkpoint import RunState, pack_optimizer, save_checkpoint, unpack_optimizer
from nirlora.training.chips import prefetch
from nirlora.training.loop import LoopConfig, ProgressCallback, ShownLoss, make_optimizer
from nirlora.training.schedule import backbone_share, run_fraction, warmup_cosine


@dataclass
class ClassifyState(RunState):
    """What a run has learnt so far; ``best_accuracy`` is that of the kept weights on the held-out samples."""

    best_accuracy: float | None = None
    confusion: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True)
class ClassifyLoop(LoopConfig):
    """How long and how fast to train."""

    label_smoothing: float = 0.0


@dataclass(frozen=True)
class Validation:
    """Held-out samples, none or more of them, with all their class values."""

    samples: Samples
    chosen: Sequence[int]
    values: NDArray[np.int64]
    names: tuple[str, ...]
    batch: int


def fit(
    model: Classifier,
    draws: Draws,
    validation: Validation,
    config: ClassifyLoop,
    accelerator: Accelerator,
    state: ClassifyState,
    progress: ProgressCallback,
) -> str:
    """Train ``model`` from ``state`` (a fresh or a resumed one) and leave everything learnt in ``state``.

    The last weights are the result, so that the held-out samples decide nothing and the accuracy on them
    is an honest one; with patience the best weights are.

    Returns:
        Why it ended: "" (all epochs), "max-seconds", "patience" or "cancelled".

    Raises:
        JobCancelled: Cancelled before the first step, or nothing is to be kept.
    """
    names = {id(p): n for n, p in model.named_parameters() if p.requires_grad}
    raw_optimizer = make_optimizer(model, config)
    if state.weights:
        model.load_trainable_state(state.weights)
        unpack_optimizer(raw_optimizer, names, state.optimizer)
    base_rates = [float(group["lr"]) for group in raw_optimizer.param_groups]
    net, optimizer = accelerator.prepare(model, raw_optimizer)
    started = time.monotonic() - state.elapsed_s
    saved = time.monotonic()
    losses: list[Tensor] = []
    shown = ShownLoss()
    stopped = ""

    def elapsed() -> float:  # of the whole run
        return time.monotonic() - started

    def say(fraction: float, loss: float) -> None:
        share = max(state.step / config.total_steps, fraction)
        metrics = {"loss": loss, "epoch": float((state.step - 1) // config.steps_per_epoch + 1)}
        if state.history and state.history[-1]["accuracy"] is not None:
            metrics["accuracy"] = float(state.history[-1]["accuracy"])
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

    def look(epoch: int) -> float | None:
        """Validate, and note it in the history."""
        loss = float(torch.stack(losses).mean()) if losses else None
        losses.clear()
        accuracy, confusion = validate(net, validation, accelerator)
        rate = float(raw_optimizer.param_groups[0]["lr"]) if state.step else 0.0
        state.history.append(
            {
                "epoch": epoch,
                "step": state.step,
                "loss": loss,
                "lr": rate,
                "accuracy": accuracy,
                "seconds": elapsed(),
            }
        )
        better = accuracy is None or state.best_accuracy is None or accuracy > state.best_accuracy
        if epoch and (config.keep_last or better):
            state.best_accuracy, state.best_epoch, state.confusion = accuracy, epoch, confusion
            keep_weights()
        return accuracy

    try:
        if state.step == 0 and validation.chosen:  # a broken validation must show before hours of training
            look(0)
        net.train()
        for batch in prefetch(draws, range(state.step, config.total_steps)):
            step = state.step
            fraction = run_fraction(step, config.total_steps, elapsed(), config.max_seconds)
            factor = warmup_cosine(fraction, step)
            late = backbone_share(fraction, config.backbone_warmup)
            for group, rate, share in zip(raw_optimizer.param_groups, base_rates, (1.0, late), strict=False):
                group["lr"] = rate * factor * share
            torch.manual_seed(config.seed * 1_000_003 + step)  # dropout: the same after a resume
            loss = training_step(net, optimizer, accelerator, batch, config)
            losses.append(loss.detach())
            state.step += 1
            say(fraction, shown.value(loss))
            if config.max_seconds and elapsed() >= config.max_seconds:
                stopped = "max-seconds"
                break
            if state.step % config.steps_per_epoch == 0:
                epoch = state.step // config.steps_per_epoch
                accuracy = look(epoch)
                save()
                if config.patience and accuracy is not None and epoch - state.best_epoch >= config.patience:
                    stopped = "patience"
                    break
                net.train()
            elif time.monotonic() - saved > config.checkpoint_every_s:
                save()
        if losses:
            look(state.step // config.steps_per_epoch + 1)
    except JobCancelled as wish:
        if state.step == 0 or not wish.keep:
            raise
        stopped = "cancelled"
        if config.keep_last or not validation.chosen:
            keep_weights()
            state.best_accuracy, state.confusion = None, []  # of weights that nobody has scored
        save()
    if not state.best_weights:
        keep_weights()
    model.load_trainable_state(state.best_weights)
    return stopped


def training_step(
    net: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    batch: Batch,
    config: ClassifyLoop,
) -> Tensor:
    """One optimiser step on views ``(N, C, S, S)``, token weights ``(N, h, w)``, classes ``(N,)``."""
    x, weight, y = (torch.from_numpy(a).to(accelerator.device, non_blocking=True) for a in batch)
    with accelerator.autocast():
        logits = net(x, weight)
    balance = logits.new_tensor(config.class_weights).float() if config.class_weights else None
    loss = functional.cross_entropy(logits.float(), y, balance, label_smoothing=config.label_smoothing)
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    if config.clip_norm:
        accelerator.clip_grad_norm_(net.parameters(), config.clip_norm)
    optimizer.step()
    return loss


def validate(
    net: torch.nn.Module, held_out: Validation, accelerator: Accelerator
) -> tuple[float | None, list[list[int]]]:
    """Top-1 accuracy and confusion on the held-out samples; None and nothing without any."""
    if not held_out.chosen:
        return None, []
    predicted = np.full(len(held_out.values), -1, np.int64)
    for index, probability in predict(net, held_out.samples, held_out.chosen, held_out.batch, accelerator):
        predicted[index] = int(probability.argmax())
    confusion = confusion_matrix(held_out.values, predicted, len(held_out.names))
    accuracy: float | None = summarise_classes(confusion, held_out.names)["accuracy"]
    return accuracy, confusion.tolist()


def predict(
    net: torch.nn.Module, samples: Samples, chosen: Sequence[int], batch: int, accelerator: Accelerator
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(number, class probabilities ``(K,)``) of every chosen sample, in order.

    Several views of one sample are averaged, each by the pixels of the sample that it shows.
    """
    net.eval()
    waiting: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]] = []
    sums: dict[int, NDArray[np.float64]] = {}

    def flush() -> None:
        x, weight = (np.stack([row[i] for row in waiting]) for i in (1, 2))
        for (index, _, own), p in zip(waiting, _probabilities(net, x, weight, accelerator), strict=True):
            sums[index] = sums.get(index, 0.0) + p * max(float(own.sum()), 1e-6)
        waiting.clear()

    done: list[int] = []
    for index in chosen:
        for view in samples.views(index):
            waiting.append((index, view.x, view.weight))
            if len(waiting) == batch:
                flush()
        done.append(index)
        yield from _finished(done, sums, {row[0] for row in waiting})
    if waiting:
        flush()
    yield from _finished(done, sums, set())


def _finished(
    done: list[int], sums: dict[int, NDArray[np.float64]], open_: set[int]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Take out the samples all of whose views have been seen."""
    while done and done[0] not in open_:
        index = done.pop(0)
        total = sums.pop(index)
        yield index, total / total.sum()


@torch.inference_mode()
def _probabilities(
    net: torch.nn.Module, x: NDArray[np.float32], weight: NDArray[np.float32], accelerator: Accelerator
) -> NDArray[np.float64]:
    """Class probabilities ``(N, K)``."""
    with accelerator.autocast():
        logits = net(*(torch.from_numpy(a).to(accelerator.device) for a in (x, weight)))
    result: NDArray[np.float64] = logits.double().softmax(1).cpu().numpy()
    return result
