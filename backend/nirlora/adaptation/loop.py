"""The loop of an adaptation, whole and visible: views in, a moved backbone out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from nirlora.adaptation.batches import Batch
from nirlora.adaptation.config import AdaptRecipe
from nirlora.adaptation.dino_losses import weight_decay
from nirlora.adaptation.objective import Objective
from nirlora.errors import JobCancelled, NirLoraError, OutputError
from nirlora.protocol import Progress
from nirlora.training.checkpoint import RunState, pack_optimizer, save_checkpoint, unpack_optimizer
from nirlora.training.chips import Batches, prefetch
from nirlora.training.schedule import backbone_share, run_fraction, warmup_cosine

ProgressCallback = Callable[[Progress], None]
_ENTRIES = 200  # of the history of a whole run, about


@dataclass(frozen=True)
class LoopConfig:
    """How long, from where, and under which name to keep the state."""

    recipe: AdaptRecipe
    accumulate: int = 1
    max_seconds: float = 0.0
    seed: int = 0
    checkpoint: Path | None = None
    checkpoint_every_s: float = 30.0
    fingerprint: str = ""


def pretrain(
    objective: Objective,
    batches: Batches[Batch],
    config: LoopConfig,
    accelerator: Accelerator,
    state: RunState,
    progress: ProgressCallback,
) -> str:
    """Train ``objective`` from ``state`` (a fresh or a resumed one); its weights are the result.

    Args:
        objective: Whose trainable parameters are trained.
        batches: Where batches come from, ``accumulate`` of them for each step.
        config: Rates, length, budget.
        accelerator: Device and precision.
        state: Updated in place; ``history`` holds means of the losses.
        progress: Called at every step; may raise JobCancelled.

    Returns:
        Why it ended: "" (all steps), "max-seconds" or "cancelled".

    Raises:
        JobCancelled: Cancelled before the first step, or with nothing to be kept.
        NirLoraError: The loss or its gradient is no number any more; the last checkpoint stays.
    """
    recipe, total = config.recipe, config.recipe.steps
    held = recipe.backbone_warmup if objective.fresh else 0.0
    names = {id(p): n for n, p in objective.named_parameters() if p.requires_grad}
    raw_optimizer = make_optimizer(objective, recipe)
    if state.weights:
        objective.load_saved_state(state.weights)
        unpack_optimizer(raw_optimizer, names, state.optimizer)
    net, optimizer = accelerator.prepare(objective, raw_optimizer)
    resumed_at, resumed = state.step, time.monotonic()
    started = resumed - state.elapsed_s
    saved = shown_at = time.monotonic()
    period = max(1, total // _ENTRIES)
    gathered: list[dict[str, Tensor]] = []  # of the steps since the last note, like norms
    norms: list[Tensor] = []  # of gradients
    shown = float("nan")

    def elapsed() -> float:  # of the whole run
        return time.monotonic() - started

    def say(fraction: float, losses: dict[str, Tensor], pixels: int) -> None:
        nonlocal shown, shown_at
        if state.step == resumed_at + 1 or time.monotonic() - shown_at > 0.5:  # fetching it makes a GPU wait
            shown, shown_at = float(losses["loss"]), time.monotonic()
        share = max(state.step / total, fraction)
        spent = max(time.monotonic() - resumed, 1e-6)
        speed = pixels * (state.step - resumed_at) / spent
        message = f"step {state.step}/{total} on {accelerator.device}"
        metrics = {"loss": shown, "px_per_s": speed}
        progress(Progress("adapt", share, message, elapsed() * (1 - share) / share, metrics))

    def note() -> None:
        """Put the mean of the losses since the last note into the history; nothing is saved without it."""
        if not gathered:
            return
        means = {k: float(torch.stack([g[k] for g in gathered]).mean()) for k in gathered[0]}
        lost = "" if all(math.isfinite(v) for v in means.values()) else "loss"
        if not lost and not torch.stack(norms).isfinite().all():
            lost = "gradient"
        gathered.clear()
        norms.clear()
        if lost:
            raise NirLoraError(
                f"The {lost} is no number any more at step {state.step}.",
                hint="Use a smaller --learning-rate; --resume goes on from the last checkpoint.",
                code="diverged",
            )
        rate = max(float(group["lr"]) for group in raw_optimizer.param_groups)
        state.history.append({"step": state.step, **means, "lr": rate, "seconds": elapsed()})

    def save() -> None:
        nonlocal saved
        note()
        saved = time.monotonic()
        if config.checkpoint is None:
            return
        state.weights, state.elapsed_s = objective.saved_state(), elapsed()
        state.optimizer = pack_optimizer(raw_optimizer, names)
        try:
            save_checkpoint(config.checkpoint, state, config.fingerprint)
        except OutputError as error:  # no reason to lose the run
            if not state.warnings:
                state.warnings.append(f"{error.message} A killed run could not have been resumed.")

    stopped = ""
    net.train()
    wanted = range(state.step * config.accumulate, total * config.accumulate)
    supply = prefetch(batches, wanted)
    try:
        while state.step < total:
            step = state.step
            fraction = run_fraction(step, total, elapsed(), config.max_seconds)
            factor = warmup_cosine(fraction, step, warmup_steps=min(200, max(20, total // 20)))
            late = backbone_share(fraction, held)
            for group in raw_optimizer.param_groups:
                group["lr"] = group["peak"] * factor * (late if group["backbone"] else 1.0)
                group["weight_decay"] = group["decays"] * weight_decay(fraction, *recipe.weight_decay)
            torch.manual_seed(config.seed * 1_000_003 + step)  # drop path and the like: the same on resuming
            optimizer.zero_grad(set_to_none=True)
            pixels = 0
            for _ in range(config.accumulate):
                batch = {k: torch.from_numpy(v).to(accelerator.device) for k, v in next(supply).items()}
                with accelerator.autocast():
                    losses = net(batch, fraction)
                accelerator.backward(losses["loss"] / config.accumulate)
                latest = {k: v.detach() for k, v in losses.items()}
                gathered.append(latest)
                pixels += sum(v.shape[0] * v.shape[-1] ** 2 for v in batch.values() if v.ndim == 4)
            objective.before_step(fraction)
            norms.append(accelerator.clip_grad_norm_(objective.parameters(), recipe.clip_norm))
            optimizer.step()
            objective.after_step(fraction)
            state.step += 1
            if state.step % period == 0 or state.step == total:
                note()
            say(fraction, latest, pixels)
            if config.max_seconds and elapsed() >= config.max_seconds:
                stopped = "max-seconds"
                break
            if time.monotonic() - saved > config.checkpoint_every_s:
                save()
        save()
    except JobCancelled as wish:
        if state.step == 0 or not wish.keep:
            raise
        stopped = "cancelled"
        save()
    finally:
        supply.close()
    return stopped


def make_optimizer(objective: Objective, recipe: AdaptRecipe) -> torch.optim.AdamW:
    """AdamW; biases, norms and single vectors do not decay, deep blocks move more than shallow ones."""
    groups: dict[tuple[bool, float, bool], list[torch.nn.Parameter]] = {}
    depth = len(list(objective.backbone.net.blocks))
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and not name.endswith(("token", "pos_embed", "gain"))
            inside = name.startswith("backbone.")
            scale = recipe.layer_decay ** _levels_below_top(name, depth)
            peak = recipe.rate * scale if inside else recipe.new_rate
            groups.setdefault((inside, peak, decays), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "backbone": inside, "peak": peak, "decays": decays}
            for (inside, peak, decays), parameters in groups.items()
        ],
        lr=recipe.rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay[0],
    )


def _levels_below_top(name: str, depth: int) -> int:
    """Of a backbone's parameter: 0 for the last norm, 1 for the last block, depth + 1 for the embeddings."""
    if not name.startswith("backbone.net.") or name.startswith("backbone.net.norm."):
        return 0
    words = name.split(".")
    return depth - int(words[3]) if words[2] == "blocks" else depth + 1
