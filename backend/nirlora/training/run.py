"""A training from request to model file and report."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from nirlora.bands import ChannelReader, InputTransform
from nirlora.errors import DeviceError, JobCancelled
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.metrics import summarise
from nirlora.models.backbones import backbone_spec
from nirlora.models.bundle import ModelCard, write_bundle
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_segmenter
from nirlora.models.stem import normalisation
from nirlora.models.weights import backbone_input, resolve_backbone
from nirlora.protocol import Progress, TrainRequest, TrainResult, to_dict
from nirlora.raster.source import RasterSource
from nirlora.training.accelerator import describe_computing, make_accelerator
from nirlora.training.checkpoint import RunState, TrainState, load_checkpoint
from nirlora.training.chips import ChipSampler, ChipSpec
from nirlora.training.config import Recipe, apply_preset, class_weights, recipe_of, steps_per_epoch
from nirlora.training.dataset import TrainingSet, fit_input, flat_channels, open_readers, open_training_set
from nirlora.training.limits import check_limits
from nirlora.training.loop import LoopConfig, fit
from nirlora.training.paths import Paths, output_paths
from nirlora.training.validation import validation_batches
from nirlora.training.verdict import verdict
from nirlora.versions import versions

DEFAULT_BACKBONE = "nirlora-tiny-16"
ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class Setup:
    """Everything that is decided before the first step."""

    request: TrainRequest
    data: TrainingSet
    transform: InputTransform
    readers: tuple[ChannelReader, ...]
    config: ModelConfig
    backbone_history: tuple[dict[str, Any], ...] = ()  # of an adapted backbone


def prepare(request: TrainRequest, stack: ExitStack) -> Setup:
    """Open the data and decide what model it gets; reads no weights and writes nothing.

    Raises:
        NirLoraError: The data or an option cannot be used.
    """
    request = apply_preset(request)
    check_limits(request)
    name, source = resolve_backbone(request.backbone or DEFAULT_BACKBONE)
    spec = backbone_spec(name)
    data = open_training_set(request, stack)
    transform = fit_input(data, request)
    stem = request.stem
    if request.preset == "lora-nir" and stem == "auto" and len(transform.channels) == 3:
        stem = "positional"
    known = backbone_input(name, source)
    mean, std = normalisation(stem, transform.roles, known.mean, known.std, known.roles)
    unseen = known.unseen(transform.roles)
    notes = [_not_adapted_to(source, known.roles, unseen)] if unseen else []
    notes += flat_channels(transform)
    data = replace(data, warnings=(*data.warnings, *notes))
    if request.normalisation == "backbone":
        transform = transform.with_normalisation(mean, std)
    config = ModelConfig(
        backbone=name,
        backbone_source=str(Path(source).resolve()) if source else "",
        backbone_roles=known.adapted_roles,
        pretrained=request.pretrained and (spec.pretrained or bool(source)),
        stem=stem,
        num_channels=len(transform.channels),
        channel_roles=transform.roles,
        adapter=request.adapter,
        rank=request.rank,
        alpha=request.alpha,
        blocks=request.blocks,
        adapter_options=dict(request.adapter_options),
        head=request.head,
        aspp_rates=request.aspp_rates,
        num_classes=1 if request.positive_class else len(data.classes),
        final_norm=request.preset != "lora-nir",
        seed=request.seed,
    )
    readers = open_readers(data, request, transform)
    return Setup(request, data, transform, readers, config, known.history)


def _not_adapted_to(source: str, roles: tuple[str, ...], unseen: tuple[str, ...]) -> str:
    named = [", ".join(r or "a band of unknown role" for r in x) for x in (roles, unseen)]
    return f"The backbone {Path(source).name} was adapted to {named[0]}; {named[1]} is new to it."


def train(request: TrainRequest, progress: ProgressCallback | None = None) -> TrainResult:
    """Train on the request's labels; write the model file and, unless declined, the report.

    Args:
        request: What to train on and how.
        progress: Called at every step; may raise JobCancelled, which ends the training cleanly and
            keeps the best model so far, if it says so. Once the model is written, it leaves out the report.

    Returns:
        Paths, scores on the held-out labels, counts and times.

    Raises:
        NirLoraError: The request cannot be carried out; nothing was written.
        JobCancelled: Cancelled before the first step, or with nothing to be kept.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    device = resolve_device(request.device)
    paths = output_paths(request)
    with ExitStack() as stack:
        say(Progress("prepare", 0.0, "opening rasters and labels"))
        setup = prepare(request, stack)
        say(Progress("prepare", 0.0, f"loading backbone {setup.config.backbone}"))
        model = build_segmenter(setup.config)
        recipe = recipe_of(setup.request, model.backbone)
        notes: tuple[str, ...] = ()
        if request.resume and not paths.checkpoint.exists():
            notes = (f"There is no {paths.checkpoint.name} to resume from; the training started anew.",)
        state, stopped = _fit(setup, model, recipe, device, paths, say)
        warnings = (*setup.data.warnings, *notes, *state.warnings)
        metrics = _metrics(setup, state)
        seconds = time.monotonic() - started
        card = make_card(setup, model, recipe, metrics, state, seconds, describe_computing(device), stopped)
        write_bundle(paths.model, card, model.trainable_state())
        report = ""
        if request.report:
            from nirlora.training.summary import write_training_report

            try:
                say(Progress("report", 1.0, "writing the report"))
                write_training_report(paths.report, setup, model, recipe, card, state, device)
                report = str(paths.report)
            except JobCancelled as wish:  # the model is there: the job is done, less its report
                if not wish.keep:
                    raise
                warnings += ("Stopped before the report was written.",)
    if stopped != "cancelled":
        paths.checkpoint.unlink(missing_ok=True)
    counts = model.num_parameters()
    return TrainResult(
        model=str(paths.model),
        report=report,
        classes=setup.data.classes,
        metrics=metrics,
        seconds=seconds,
        device=describe_device(device),
        trainable_parameters=counts["trainable"],
        total_parameters=counts["total"],
        stopped=stopped,
        warnings=warnings,
        versions=versions(),
    )


def chip_spec(setup: Setup, recipe: Recipe) -> ChipSpec:
    """Size and treatment of this run's chips."""
    channels = setup.transform.channels
    return ChipSpec(
        chip_px=recipe.chip_px,
        input_px=recipe.input_px,
        batch=setup.request.batch,
        seed=setup.request.seed,
        augment=recipe.augment,
        mean=tuple(c.mean for c in channels),
        std=tuple(c.std for c in channels),
    )


@contextmanager
def enough_memory(device: torch.device, batch: int, input_px: int) -> Iterator[None]:
    """Say what to do when the device's memory is too small for what is done inside.

    Raises:
        DeviceError: It was.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{describe_device(device)} ran out of memory with batches of {batch} chips of {input_px} px.",
            hint=f"Use --batch {max(1, batch // 2)}, a smaller backbone, or --device cpu.",
        ) from error


def _fit(
    setup: Setup,
    model: Segmenter,
    recipe: Recipe,
    device: torch.device,
    paths: Paths,
    say: ProgressCallback,
) -> tuple[TrainState, str]:
    request, data = setup.request, setup.data
    spec = chip_spec(setup, recipe)
    classes = len(data.classes)
    train_layers = data.layers([r.reopen() for r in setup.readers], held_out=False)
    say(Progress("prepare", 0.0, "reading held-out chips"))
    validation = validation_batches(data.layers(setup.readers, held_out=True), spec)
    fingerprint = fingerprint_of(setup, recipe)
    state = TrainState()
    if request.resume and paths.checkpoint.exists():
        state = load_checkpoint(paths.checkpoint, fingerprint)
    elif request.resume:
        say(Progress("prepare", 0.0, f"no checkpoint {paths.checkpoint.name}: starting from the beginning"))
    config = LoopConfig(
        epochs=request.epochs,
        steps_per_epoch=steps_per_epoch(request, data.labelled_px(), recipe.chip_px),
        head_rate=recipe.head_rate,
        backbone_rate=recipe.backbone_rate,
        weight_decay=recipe.weight_decay,
        schedule=recipe.schedule,
        dice_weight=recipe.dice_weight,
        clip_norm=recipe.clip_norm,
        backbone_warmup=recipe.backbone_warmup,
        class_weights=class_weights([c.train_pixels for c in data.split.counts], recipe.balance),
        max_seconds=request.max_seconds,
        patience=request.patience,
        seed=request.seed,
        checkpoint=paths.checkpoint,
        fingerprint=fingerprint,
        keep_last=request.preset == "lora-nir",
    )
    sampler = ChipSampler(train_layers, spec, classes)
    try:
        with enough_memory(device, request.batch, recipe.input_px):
            stopped = fit(model, sampler, validation, config, make_accelerator(device), state, say)
    finally:
        for layer in train_layers:
            layer.reader.source.close()
    return state, stopped


def fingerprint_of(setup: Setup, recipe: Recipe) -> str:
    """Hash of everything that a resumed run must share with the run it goes on with."""
    request = replace(
        setup.request, resume=False, device="", report=True, overwrite=True, max_seconds=0.0, patience=0
    )
    content = {
        "request": to_dict(request),
        "model": to_dict(replace(setup.config, backbone_revision="")),
        "transform": setup.transform.to_dict(),
        "chip_px": recipe.chip_px,
        "pixels": [[i.pixels for i in labels.items] for labels in setup.data.labels],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _metrics(setup: Setup, state: TrainState) -> dict[str, Any]:
    if not state.confusion or state.best_miou is None:
        return {}
    import numpy as np

    metrics = summarise(np.asarray(state.confusion, np.int64), tuple(c.name for c in setup.data.classes))
    held_out = {c.name: c.val_items for c in setup.data.split.counts}
    return metrics | {"verdict": verdict(metrics, held_out, dense=setup.data.dense)}


def make_card(
    setup: Setup,
    model: Segmenter,
    recipe: Recipe,
    metrics: dict[str, Any],
    state: RunState,
    seconds: float,
    device: str,
    stopped: str,
) -> ModelCard:
    """What a model file tells of a finished run."""
    training = {
        "layers": [
            {
                "path": source.path,
                "labels": labels,
                **place_of(source),
            }
            for source, labels in zip(setup.data.sources, setup.data.label_paths, strict=True)
        ],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "request": to_dict(setup.request),
        "parameters": model.num_parameters(),
        "steps": state.step,
        "best_epoch": state.best_epoch,
        "seconds": round(seconds, 1),
        "device": device,
        "stopped": stopped,
        "warnings": [*setup.data.warnings, *state.warnings],
    }
    if setup.backbone_history:
        training["backbone_history"] = list(setup.backbone_history)
    return ModelCard(
        classes=setup.data.classes,
        model=model.config,
        transform=setup.transform.to_dict(),
        zoom=recipe.zoom,
        chip_px=recipe.chip_px,
        positive_class=setup.request.positive_class,
        backbone_sha256=model.backbone_sha256,
        metrics=metrics,
        training=training,
        versions=versions(),
    )


def place_of(source: RasterSource) -> dict[str, Any]:
    """``bounds`` (left, bottom, right, top in CRS units, of rotated rasters too) and ``crs``."""
    t = source.transform
    corners = [(col, row) for col in (0, source.width) for row in (0, source.height)]
    xs = [t.a * col + t.b * row + t.c for col, row in corners]
    ys = [t.d * col + t.e * row + t.f for col, row in corners]
    bounds = [min(xs), min(ys), max(xs), max(ys)]
    return {"bounds": bounds, "crs": source.crs.to_string() if source.crs else ""}
