"""A training of a classifier from request to model file, split and report."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from nirlora.bands import InputTransform
from nirlora.classification.config import Sizes, check_request, learning_rates, steps_per_epoch
from nirlora.classification.data import ClassifyData, open_data
from nirlora.classification.loop import ClassifyLoop, ClassifyState, Validation, fit
from nirlora.classification.paths import TrainPaths, train_paths
from nirlora.classification.samples import Draws, Samples, ViewSpec
from nirlora.classification.scores import summarise_classes
from nirlora.classification.split import write_split
from nirlora.errors import DeviceError, JobCancelled
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.backbones import backbone_spec
from nirlora.models.bundle import ModelCard, write_bundle
from nirlora.models.card import CLASSIFICATION
from nirlora.models.classifier import POOLED, Classifier, build_classifier
from nirlora.models.config import ModelConfig
from nirlora.models.stem import normalisation
from nirlora.models.weights import backbone_input, resolve_backbone
from nirlora.protocol import ClassifyTrainRequest, ClassifyTrainResult, Progress, to_dict
from nirlora.training.accelerator import describe_computing, make_accelerator
from nirlora.training.checkpoint import load_state
from nirlora.training.config import class_weights
from nirlora.training.run import DEFAULT_BACKBONE
from nirlora.versions import versions

ProgressCallback = Callable[[Progress], None]
_BALANCE = 0.5  # power of the inverse class frequency that weighs the loss
_MOST_THREADS = 8
_SCALED_BY = 256  # training samples that the features are standardised by, at least where there are more


@dataclass(frozen=True)
class Setup:
    """Everything that is decided before the weights are loaded."""

    request: ClassifyTrainRequest
    data: ClassifyData
    transform: InputTransform
    config: ModelConfig
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A network with what it is trained on."""

    setup: Setup
    model: Classifier
    sizes: Sizes
    samples: Samples


def prepare(request: ClassifyTrainRequest, stack: ExitStack, say: ProgressCallback) -> Setup:
    """Open the data and decide what model it gets; reads no weights and writes nothing.

    Raises:
        NirLoraError: The data or an option cannot be used.
    """
    check_request(request)
    name, source = resolve_backbone(request.backbone or DEFAULT_BACKBONE)
    spec, known = backbone_spec(name), backbone_input(name, source)
    data = open_data(request, stack, lambda text: say(Progress("prepare", 0.0, text)))
    roles = data.transform.roles
    mean, std = normalisation(request.stem, roles, known.mean, known.std, known.roles)
    notes = [f"The backbone {Path(source).name} has not been adapted to {r}." for r in known.unseen(roles)]
    config = ModelConfig(
        backbone=name,
        backbone_source=str(Path(source).resolve()) if source else "",
        backbone_roles=known.adapted_roles,
        pretrained=request.pretrained and (spec.pretrained or bool(source)),
        stem=request.stem,
        num_channels=len(roles),
        channel_roles=roles,
        adapter=request.adapter,
        rank=request.rank,
        alpha=request.alpha,
        blocks=request.blocks,
        adapter_options=dict(request.adapter_options),
        head=POOLED,
        num_classes=len(data.classes),
        seed=request.seed,
    )
    transform = data.transform.with_normalisation(mean, std)
    return Setup(request, data, transform, config, (*data.warnings, *notes))


def view_spec(setup: Setup, sizes: Sizes, patch: int) -> ViewSpec:
    """Size and treatment of this run's views."""
    channels = setup.transform.channels
    return ViewSpec(sizes.input_px, patch, tuple(c.mean for c in channels), tuple(c.std for c in channels))


def train(request: ClassifyTrainRequest, progress: ProgressCallback | None = None) -> ClassifyTrainResult:
    """Train a classifier; write the model file, the split and, unless declined, the report.

    Args:
        request: What to train on and how.
        progress: Called at every step; may raise JobCancelled, which ends the training cleanly and keeps
            what was learnt, if it says so. Once the model is written, it leaves out the report.

    Raises:
        NirLoraError: The request cannot be carried out; nothing was written.
        JobCancelled: Cancelled before the first step, or with nothing to be kept.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    device = resolve_device(request.device)
    paths = train_paths(request)
    with ExitStack() as stack:
        setup = prepare(request, stack, say)
        say(Progress("prepare", 0.0, f"loading backbone {setup.config.backbone}"))
        model = build_classifier(setup.config)
        sizes = setup.data.sizes(model.backbone)
        samples = setup.data.make(setup.transform, sizes, view_spec(setup, sizes, model.patch))
        run = Run(setup, model, sizes, samples)
        state, stopped = _fit(run, device, paths, say)
        card = _card(run, state, time.monotonic() - started, describe_computing(device), stopped)
        write_bundle(paths.model, card, model.trainable_state())
        write_split(paths.split, setup.data.split, setup.data.names, _origin(request))
        report, notes = _report(run, card, state, paths, device, say)
    if stopped != "cancelled":
        paths.checkpoint.unlink(missing_ok=True)
    counts = model.num_parameters()
    return ClassifyTrainResult(
        model=str(paths.model),
        report=report,
        split=str(paths.split),
        classes=setup.data.classes,
        metrics=card.metrics,
        seconds=time.monotonic() - started,
        device=describe_device(device),
        trainable_parameters=counts["trainable"],
        total_parameters=counts["total"],
        stopped=stopped,
        warnings=(*setup.warnings, *state.warnings, *notes),
        versions=versions(),
    )


def loop_config(run: Run, paths: TrainPaths) -> ClassifyLoop:
    """How long and how fast this run trains."""
    request, data = run.setup.request, run.setup.data
    head_rate, backbone_rate = learning_rates(request, run.model.backbone.token_width)
    return ClassifyLoop(
        epochs=request.epochs,
        steps_per_epoch=steps_per_epoch(request, len(data.split.train)),
        head_rate=head_rate,
        backbone_rate=backbone_rate,
        backbone_warmup=0.2,
        class_weights=class_weights(data.counts(data.split.train), _BALANCE),
        max_seconds=request.max_seconds,
        patience=request.patience,
        seed=request.seed,
        checkpoint=paths.checkpoint,
        fingerprint=_fingerprint(run),
        keep_last=request.patience == 0,
        label_smoothing=request.label_smoothing,
    )


def fix_feature_scale(run: Run, accelerator: Accelerator) -> None:
    """Let the head standardise the features as training samples have them before the first step."""
    chosen = run.setup.data.split.train
    chosen = chosen[:: max(1, len(chosen) // _SCALED_BY)]
    network = run.model.to(accelerator.device).eval()
    views = (next(iter(run.samples.views(index))) for index in chosen)
    pooled = []
    with torch.inference_mode():
        while part := list(itertools.islice(views, run.setup.request.batch)):
            x, weight = (
                torch.from_numpy(np.stack(a)) for a in zip(*((v.x, v.weight) for v in part), strict=True)
            )
            features = network.stages(x.to(accelerator.device))[-1]
            pooled.append(network.head.pool(features, weight.to(accelerator.device)))
    network.head.fix_scale(torch.cat(pooled).clone())


def held_out(run: Run) -> Validation:
    """The held-out samples."""
    data = run.setup.data
    names = tuple(c.name for c in data.classes)
    return Validation(run.samples, data.split.val, data.values, names, run.setup.request.batch)


def _fit(
    run: Run, device: torch.device, paths: TrainPaths, say: ProgressCallback
) -> tuple[ClassifyState, str]:
    request, data = run.setup.request, run.setup.data
    config = loop_config(run, paths)
    state = ClassifyState()
    if request.resume and paths.checkpoint.exists():
        state = load_state(paths.checkpoint, config.fingerprint, ClassifyState)
    elif request.resume:
        say(Progress("prepare", 0.0, f"no checkpoint {paths.checkpoint.name}: starting from the beginning"))
        state.warnings.append(
            f"There is no {paths.checkpoint.name} to resume from; the training started anew."
        )
    accelerator = make_accelerator(device)
    if state.step == 0:
        say(Progress("prepare", 0.0, "looking at features"))
        fix_feature_scale(run, accelerator)
    drawn = run.samples.reopen()
    draws = Draws(
        drawn,
        data.split.train,
        data.values,
        batch=request.batch,
        seed=request.seed,
        threads=min(_MOST_THREADS, (os.cpu_count() or 1) // 2),
    )
    try:
        stopped = fit(run.model, draws, held_out(run), config, accelerator, state, say)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{describe_device(device)} ran out of memory with batches of {request.batch} views of "
            f"{run.sizes.input_px} px.",
            hint=f"Use --batch {max(1, request.batch // 2)}, a smaller backbone, or --device cpu.",
        ) from error
    finally:
        drawn.close()
    return state, stopped


def _origin(request: ClassifyTrainRequest) -> dict[str, Any]:
    """What made the split: a draw, or the file that it was taken from."""
    if request.split:
        return {"taken_from": str(Path(request.split).resolve())}
    return {"seed": request.seed, "val_fraction": request.val_fraction}


def _fingerprint(run: Run) -> str:
    """Hash of everything that a resumed run must share with the run it goes on with."""
    setup = run.setup
    request = replace(
        setup.request, resume=False, device="", report=True, overwrite=True, max_seconds=0.0, patience=0
    )
    content = {
        "request": to_dict(request),
        "model": to_dict(replace(setup.config, backbone_revision="")),
        "transform": setup.transform.to_dict(),
        "input_px": run.sizes.input_px,
        "names": setup.data.names,
        "train": setup.data.split.train,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _card(run: Run, state: ClassifyState, seconds: float, device: str, stopped: str) -> ModelCard:
    setup, data = run.setup, run.setup.data
    metrics: dict[str, Any] = {}
    if state.confusion and state.best_accuracy is not None:
        confusion = np.asarray(state.confusion, np.int64)
        metrics = summarise_classes(confusion, [c.name for c in data.classes])
    training = {
        "layers": list(data.layers),
        "what": data.what,
        "samples": {"train": len(data.split.train), "val": len(data.split.val)},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "request": to_dict(setup.request),
        "parameters": run.model.num_parameters(),
        "steps": state.step,
        "best_epoch": state.best_epoch,
        "seconds": round(seconds, 1),
        "device": device,
        "stopped": stopped,
        "warnings": [*setup.warnings, *state.warnings],
    }
    return ModelCard(
        classes=data.classes,
        model=run.model.config,
        transform=setup.transform.to_dict(),
        zoom=run.sizes.zoom,
        chip_px=run.sizes.chip_px,
        backbone_sha256=run.model.backbone_sha256,
        metrics=metrics,
        training=training,
        versions=versions(),
        task=CLASSIFICATION,
    )


def _report(
    run: Run,
    card: ModelCard,
    state: ClassifyState,
    paths: TrainPaths,
    device: torch.device,
    say: ProgressCallback,
) -> tuple[str, tuple[str, ...]]:
    """Path of the report, "" without one; and what is to be said of it."""
    if not run.setup.request.report:
        return "", ()
    from nirlora.classification.summary import write_training_report

    try:
        say(Progress("report", 1.0, "writing the report"))
        write_training_report(paths.report, run, card, state, device)
    except JobCancelled as wish:  # the model is there: the job is done, less its report
        if not wish.keep:
            raise
        return "", ("Stopped before the report was written.",)
    return str(paths.report), ()
