"""An adaptation from request to backbone file and report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from nirlora.adaptation import explora
from nirlora.adaptation.features import FeatureLook, feature_picture, read_looks
from nirlora.adaptation.limits import with_smaller_batch
from nirlora.adaptation.loop import LoopConfig, pretrain
from nirlora.adaptation.objective import Objective
from nirlora.adaptation.paths import Paths, output_paths
from nirlora.adaptation.rasters import RasterPool
from nirlora.adaptation.record import count_parameters, ends_of, make_card
from nirlora.adaptation.setup import Setup, build_objective, fingerprint, make_batches, prepare
from nirlora.errors import DeviceError, JobCancelled
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.backbone_card import BackboneCard
from nirlora.models.backbone_file import write_backbone
from nirlora.models.backbones import Backbone
from nirlora.protocol import AdaptRequest, AdaptResult, Progress
from nirlora.training.accelerator import describe_computing, make_accelerator
from nirlora.training.checkpoint import RunState, load_state
from nirlora.versions import versions

ProgressCallback = Callable[[Progress], None]


def adapt(request: AdaptRequest, progress: ProgressCallback | None = None) -> AdaptResult:
    """Go on pretraining a backbone on unlabelled rasters; write it and, unless declined, a report.

    Args:
        request: On what and how.
        progress: Called at every step; may raise JobCancelled, which ends the run cleanly and keeps what
            has been learnt so far, if it says so.

    Returns:
        Paths, losses, counts and times.

    Raises:
        NirLoraError: The request cannot be carried out; nothing was written.
        JobCancelled: Cancelled before the first step, or with nothing to be kept.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    device = resolve_device(request.device)
    paths = output_paths(request)
    say(Progress("prepare", 0.0, "looking at the rasters"))
    setup = prepare(request)
    say(Progress("prepare", 0.0, f"loading backbone {setup.backbone}"))
    objective, loaded = build_objective(setup)
    counts = count_parameters(objective.backbone)
    looks = _looks(setup, objective.backbone) if request.report else ()
    key = fingerprint(setup, loaded.sha256)
    state, notes = _start(request, paths, key)
    stopped = _pretrain(setup, objective, paths, key, device, state, say)
    warnings = (*setup.warnings, *notes, *state.warnings)
    seconds = time.monotonic() - started
    result = objective.result.cpu().eval()
    explora.merge(result)
    card = make_card(setup, loaded, state, counts, seconds, describe_computing(device), stopped)
    write_backbone(paths.backbone, card, result.net.state_dict())
    report, late = _report(setup, result, looks, card, state, paths, say) if request.report else ("", ())
    if stopped != "cancelled":
        paths.checkpoint.unlink(missing_ok=True)
    return AdaptResult(
        backbone=str(paths.backbone),
        report=report,
        objective=request.objective,
        channels=setup.data.transform.names,
        steps=state.step,
        losses=ends_of(state.history),
        seconds=seconds,
        device=describe_device(device),
        trainable_parameters=counts["trainable"],
        total_parameters=counts["total"],
        stopped=stopped,
        warnings=(*warnings, *late),
        versions=versions(),
    )


def _start(request: AdaptRequest, paths: Paths, key: str) -> tuple[RunState, tuple[str, ...]]:
    """The state to go on from, and what the user should know about it."""
    if not request.resume:
        return RunState(), ()
    if paths.checkpoint.exists():
        return load_state(paths.checkpoint, key, RunState), ()
    return RunState(), (f"There is no {paths.checkpoint.name} to resume from; the run started anew.",)


def _pretrain(
    setup: Setup,
    objective: Objective,
    paths: Paths,
    key: str,
    device: torch.device,
    state: RunState,
    say: ProgressCallback,
) -> str:
    request, pool = setup.request, RasterPool(setup.data, setup.request)
    config = LoopConfig(
        recipe=setup.recipe,
        accumulate=request.accumulate,
        max_seconds=request.max_seconds,
        seed=request.seed,
        checkpoint=paths.checkpoint,
        fingerprint=key,
    )
    batches = make_batches(setup, pool, objective.backbone.patch)
    try:
        return pretrain(objective, batches, config, make_accelerator(device), state, say)
    except torch.OutOfMemoryError as error:
        less = with_smaller_batch(request)
        option = f"--batch {less.batch} --accumulate {less.accumulate}, " if less != request else ""
        raise DeviceError(
            f"{describe_device(device)} ran out of memory with batches of {request.batch} chips of "
            f"{setup.recipe.input_px} px.",
            hint=f"Use {option}a smaller --chip-px, or --device cpu.",
        ) from error
    finally:
        pool.close()


def _looks(setup: Setup, backbone: Backbone) -> tuple[FeatureLook, ...]:
    pool = RasterPool(setup.data, setup.request)
    try:
        inputs = read_looks(pool, setup.recipe.chip_px, setup.recipe.input_px)
    finally:
        pool.close()
    return tuple(FeatureLook(title, x, feature_picture(backbone, x)) for title, x in inputs)


def _report(
    setup: Setup,
    result: Backbone,
    looks: tuple[FeatureLook, ...],
    card: BackboneCard,
    state: RunState,
    paths: Paths,
    say: ProgressCallback,
) -> tuple[str, tuple[str, ...]]:
    """Path of the report, and a warning if it was not written."""
    from nirlora.adaptation.report import write_adaptation_report

    try:
        say(Progress("report", 1.0, "writing the report"))
        done = tuple(replace(look, after=feature_picture(result, look.image)) for look in looks)
        write_adaptation_report(paths.report, setup, done, card, state)
    except JobCancelled as wish:  # the backbone is there: the job is done, less its report
        if not wish.keep:
            raise
        return "", ("Stopped before the report was written.",)
    return str(paths.report), ()
