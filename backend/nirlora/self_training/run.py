"""A model carried to an unlabelled field, from request to model file and report."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nirlora.errors import JobCancelled
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.metrics import summarise
from nirlora.models.bundle import ModelCard, write_bundle
from nirlora.models.segmenter import Segmenter, build_segmenter
from nirlora.protocol import Progress, TrainRequest, TrainResult
from nirlora.self_training import auxiliary
from nirlora.self_training.draws import Pairs, SourceSampler, TargetSampler
from nirlora.self_training.loop import AdaptConfig, Material, adapt
from nirlora.self_training.options import STABILISERS, as_published, checked
from nirlora.self_training.players import Cast, Rates, build_players
from nirlora.self_training.scenes import Scene, choose_scenes
from nirlora.self_training.scores import doubts, judged
from nirlora.self_training.state import AdaptState
from nirlora.self_training.step import StepConfig
from nirlora.self_training.target import Target, open_target, score
from nirlora.training.accelerator import describe_computing, make_accelerator
from nirlora.training.augment import AugmentConfig
from nirlora.training.checkpoint import load_state
from nirlora.training.chips import ChipSpec
from nirlora.training.config import Recipe, class_weights, recipe_of, steps_per_epoch
from nirlora.training.paths import Paths, output_paths
from nirlora.training.run import (
    ProgressCallback,
    Setup,
    chip_spec,
    enough_memory,
    fingerprint_of,
    make_card,
    place_of,
    prepare,
)
from nirlora.training.validation import validation_batches
from nirlora.versions import versions

PROBE_CHIPS = 16  # of the target
REFERENCE_CHIPS = 24  # of the source
_BLIND = (
    "The scores are of held-out labels of the source; nothing is known of the target. If it has labels, give "
    "them with --target-labels: they are used for scores alone."
)


@dataclass(frozen=True)
class Field:
    """The target as a run sees it: open rasters, the parts looked at, and of how many."""

    target: Target
    scenes: list[Scene]
    num_parts: int


def self_train(request: TrainRequest, progress: ProgressCallback | None = None) -> TrainResult:
    """Train on the labelled layers, carry the model to the target layers, write it and its report.

    Args:
        request: With ``target_layers``.
        progress: Called at every step and for every part of the target that is labelled; may raise
            JobCancelled, which keeps the result of the last whole stage, if it says so.

    Returns:
        As :func:`nirlora.training.run.train`; the scores are the target's where it has labels, else those of
        held-out labels of the source, and ``metrics["of"]`` says which.

    Raises:
        NirLoraError: The request cannot be carried out; nothing was written.
        JobCancelled: Cancelled before the first step, or with nothing to be kept.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    request = checked(request)
    device = resolve_device(request.device)
    paths = output_paths(request)
    with ExitStack() as stack:
        say(Progress("prepare", 0.0, "opening rasters and labels"))
        setup = prepare(request, stack)
        target = open_target(setup.request, setup.transform, setup.data.classes, stack)
        say(Progress("prepare", 0.0, f"loading backbone {setup.config.backbone}"))
        model = build_segmenter(setup.config)
        recipe = recipe_of(setup.request, model.backbone)
        say(Progress("prepare", 0.0, "looking at the target"))
        field = Field(target, *choose_scenes(target.readers, recipe.chip_px, request.seed))
        notes = _notes(request, paths, field)
        state, stopped = _adapt(setup, field, model, recipe, device, paths, say)
        seconds = time.monotonic() - started
        notes += doubts(setup, state)
        setup = replace(setup, data=replace(setup.data, warnings=(*setup.data.warnings, *notes)))
        metrics = judged(setup, target, state)
        card = _card(
            setup, field, model, recipe, metrics, state, seconds, describe_computing(device), stopped
        )
        write_bundle(paths.model, card, model.trainable_state())
        warnings = (*setup.data.warnings, *state.warnings)
        report = ""
        if request.report:
            from nirlora.self_training.report import write_adaptation_report

            try:
                say(Progress("report", 1.0, "writing the report"))
                write_adaptation_report(paths.report, setup, field, model, recipe, card, state, device)
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


def _notes(request: TrainRequest, paths: Paths, field: Field) -> list[str]:
    """What the user should know beside the warnings of the source."""
    notes = list(field.target.warnings)
    if not field.target.scored:
        notes.append(_BLIND)
    if len(field.scenes) < field.num_parts:
        notes.append(
            f"The target is large: {len(field.scenes)} of its {field.num_parts} parts were learnt from."
        )
    if request.resume and not paths.checkpoint.exists():
        notes.append(f"There is no {paths.checkpoint.name} to resume from; the training started anew.")
    return notes


def _adapt(
    setup: Setup,
    field: Field,
    model: Segmenter,
    recipe: Recipe,
    device: torch.device,
    paths: Paths,
    say: ProgressCallback,
) -> tuple[AdaptState, str]:
    request, fingerprint = setup.request, fingerprint_of(setup, recipe)
    published = as_published(request)
    state = AdaptState()
    if request.resume and paths.checkpoint.exists():
        state = load_state(paths.checkpoint, fingerprint, AdaptState)
    say(Progress("prepare", 0.0, "reading chips to look at"))
    config = AdaptConfig(
        rounds=request.rounds,
        epochs=request.epochs,
        steps_per_epoch=steps_per_epoch(request, setup.data.labelled_px(), recipe.chip_px),
        rates=Rates(
            recipe.head_rate,
            recipe.backbone_rate,
            weight_decay=recipe.weight_decay,
            schedule=recipe.schedule,
            backbone_warmup=recipe.backbone_warmup,
        ),
        step=StepConfig(
            adversarial_weight=request.adversarial_weight,
            clip_norm=recipe.clip_norm,
            dice_weight=recipe.dice_weight,
            auxiliary_weight=auxiliary.WEIGHT if published else 0.0,
            source_norms=not published,
            class_weights=class_weights([c.train_pixels for c in setup.data.split.counts], recipe.balance),
        ),
        min_confidence=request.min_confidence,
        class_shares=_shares(setup) if request.class_shares == "source" else (),
        restart=request.round_start == "pretrained",
        max_seconds=request.max_seconds,
        seed=request.seed,
        checkpoint=paths.checkpoint,
        fingerprint=fingerprint,
    )
    cast = Cast(
        num_classes=len(setup.data.classes),
        teacher=STABILISERS[request.stabiliser][1],
        adversary=request.adversarial_weight > 0,
        class_wise=request.discriminator == "class",
        seed=request.seed,
    )
    accelerator = make_accelerator(device)
    with enough_memory(device, request.batch, recipe.input_px):
        players = build_players(model, cast, accelerator)
        material = _material(setup, field, chip_spec(setup, recipe))
        stopped = adapt(players, material, config, accelerator, state, say)
    return state, stopped


def _shares(setup: Setup) -> tuple[float, ...]:
    """Labelled pixels of the source, class by class."""
    return tuple(float(count.train_pixels) for count in setup.data.split.counts)


def _material(setup: Setup, field: Field, spec: ChipSpec) -> Material:
    classes = len(setup.data.classes)
    layers = setup.data.layers(setup.readers, held_out=False)
    still = replace(spec, augment=AugmentConfig(orientation=False, gain=0.0, offset=0.0))
    unchanged = TargetSampler(field.scenes, still)
    known = SourceSampler(layers, still, classes)
    drawn = SourceSampler(layers, spec, classes, by_rarity=as_published(setup.request))

    def score_now() -> list[list[int]]:
        if not field.target.scored:
            return []
        confusion: list[list[int]] = score(field.scenes, field.target.labels, classes).tolist()
        return confusion

    return Material(
        pairs=Pairs(drawn, TargetSampler(field.scenes, spec)),
        scenes=field.scenes,
        probe=[unchanged.batch(step) for step in range(max(1, PROBE_CHIPS // spec.batch))],
        reference=[known.batch(step) for step in range(max(1, REFERENCE_CHIPS // spec.batch))],
        validation=validation_batches(setup.data.layers(setup.readers, held_out=True), spec),
        num_classes=classes,
        score=score_now,
    )


def _card(
    setup: Setup,
    field: Field,
    model: Segmenter,
    recipe: Recipe,
    metrics: dict[str, Any],
    state: AdaptState,
    seconds: float,
    device: str,
    stopped: str,
) -> ModelCard:
    """The card of a training, with the target's transform and what was done to get there."""
    carried = replace(setup, transform=field.target.transform)
    card = make_card(carried, model, recipe, metrics, state, seconds, device, stopped)
    request, names = setup.request, tuple(c.name for c in setup.data.classes)
    stages = [
        {k: v for k, v in record.items() if k != "confusion"}
        | {"target_miou": summarise(np.asarray(record["confusion"]), names)["miou"]}
        if record["confusion"]
        else {k: v for k, v in record.items() if k != "confusion"} | {"target_miou": None}
        for record in state.rounds
    ]
    adaptation = {
        "target": [
            {"path": layer.path, "labels": layer.labels, **place_of(reader.source)}
            for layer, reader in zip(request.target_layers, field.target.readers, strict=True)
        ],
        "stabiliser": request.stabiliser,
        "rounds": request.rounds,
        "target_values": field.target.values,
        "parts": len(field.scenes),
        "of_parts": field.num_parts,
        "stages": stages,
    }
    return replace(card, training=card.training | {"adaptation": adaptation})
