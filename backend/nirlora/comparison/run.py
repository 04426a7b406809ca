"""A comparison from request to table and plot; goes on where an earlier one of the same folder stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nirlora.comparison.plot import write_plot
from nirlora.comparison.process import run_in_process
from nirlora.comparison.records import append_record, make_record, read_records, run_key
from nirlora.comparison.references import check_references
from nirlora.comparison.table import clock_words, make_row, markdown
from nirlora.comparison.variants import Variant, choose
from nirlora.errors import OptionError, OutputPathError
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.backbones import backbone_spec
from nirlora.models.segmenter import parameter_counts
from nirlora.models.weights import resolve_backbone
from nirlora.protocol import (
    CompareRequest,
    CompareResult,
    EvaluateRequest,
    LayerRef,
    Progress,
    TrainRequest,
)
from nirlora.raster.outputs import named
from nirlora.training.paths import output_paths
from nirlora.training.run import DEFAULT_BACKBONE, prepare
from nirlora.versions import versions

ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class Run:
    """One training with what scores it."""

    variant: Variant
    train: TrainRequest
    tests: tuple[EvaluateRequest, ...]
    key: str


def compare(request: CompareRequest, progress: ProgressCallback | None = None) -> CompareResult:
    """Train every adapter with every seed and write records, table and plot into the request's folder.

    Finished runs of an earlier comparison in that folder are kept when their settings and files are the same;
    one that was cut short goes on from its checkpoint.

    Args:
        request: What to compare, and on what.
        progress: Called as the runs go; may raise JobCancelled, which ends the comparison. What is finished
            stays.

    Raises:
        NirLoraError: A run cannot be carried out.
        JobCancelled: As wished.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    name, _ = resolve_backbone(request.backbone or DEFAULT_BACKBONE)
    variants, notes = choose(request.adapters, backbone_spec(name).family)
    device = resolve_device(request.device)
    request = replace(request, device=str(device))  # "auto" may be another one when it goes on
    folder = _folder(request)
    runs = _runs(request, variants, folder)
    _check(runs)
    log = folder / "records.jsonl"
    kept = {record["key"]: record for record in read_records(log)}
    already = sum(run.key in kept for run in runs)
    for number, run in enumerate(runs):
        if run.key not in kept:
            kept[run.key] = _carry_out(run, _reporter(say, number, len(runs), run))
            append_record(log, kept[run.key])
            if not request.keep_models:
                Path(run.train.out).unlink(missing_ok=True)
    rows = tuple(make_row(v.label, [kept[run.key] for run in runs if run.variant is v]) for v in variants)
    clock = clock_words(str(device))
    table, plot = folder / "table.md", folder / "plot.png"
    table.write_text(markdown(rows, clock), encoding="utf-8")
    write_plot(plot, rows, f"{name.split(':')[0]}, {request.steps} steps, {request.seeds} seeds", clock)
    warnings = dict.fromkeys([*notes, *(w for run in runs for w in kept[run.key]["warnings"])])
    return CompareResult(
        rows=rows,
        records=str(log),
        table=str(table),
        plot=str(plot),
        seconds=time.monotonic() - started,
        runs_done=len(runs) - already,
        runs_kept=already,
        device=describe_device(device),
        warnings=tuple(warnings),
        versions=versions(),
    )


def _runs(request: CompareRequest, variants: tuple[Variant, ...], folder: Path) -> list[Run]:
    """All runs, seed by seed, so that an interrupted comparison has compared something."""
    if request.seeds < 1 or request.steps < 1:
        raise OptionError(f"{request.seeds} seeds of {request.steps} steps: expected at least one of each.")
    runs = []
    for seed in range(request.first_seed, request.first_seed + request.seeds):
        for variant in variants:
            train = _train_request(request, variant, seed)
            tests = [_test_request(request, layer) for layer in request.test_layers]
            key = run_key(train, tests)
            model = str(folder / "models" / f"{variant.adapter}_{seed}_{key[:8]}.nirlora")
            tests = [replace(test, model=model) for test in tests]
            runs.append(Run(variant, replace(train, out=model), tuple(tests), key))
    return runs


def _train_request(request: CompareRequest, variant: Variant, seed: int) -> TrainRequest:
    """One epoch of all the steps: the last weights, with no look at the labels that score."""
    return TrainRequest(
        layers=request.layers,
        class_field=request.class_field,
        classes=request.classes,
        bands=request.bands,
        backbone=request.backbone,
        pretrained=request.pretrained,
        stem=request.stem,
        adapter=variant.adapter,
        rank=variant.common.rank,
        alpha=variant.common.alpha,
        blocks=variant.common.blocks,
        adapter_options=dict(variant.options),
        head=request.head,
        zoom=request.zoom,
        chip_px=request.chip_px,
        batch=request.batch,
        epochs=1,
        steps_per_epoch=request.steps,
        val_fraction=0.0 if request.test_layers else request.val_fraction,
        seed=seed,
        device=request.device,
        resume=True,
        report=False,
    )


def _test_request(request: CompareRequest, layer: LayerRef) -> EvaluateRequest:
    return EvaluateRequest(
        layer=layer,
        model="",
        class_field=request.class_field,
        device=request.device,
        allow_mismatch=True,  # the user says what to score on
    )


def _check(runs: list[Run]) -> None:
    """Refuse now what would fail in the middle of the night: the data, and every variant's network."""
    checked: set[str] = set()
    for run in runs:
        if run.variant.label not in checked:
            checked.add(run.variant.label)
            with ExitStack() as stack:
                setup = prepare(run.train, stack)
                if run is runs[0]:
                    check_references(run.tests, setup)
                parameter_counts(setup.config)


def _carry_out(run: Run, say: Callable[[str, float, str], None]) -> dict[str, Any]:
    checkpoint = output_paths(run.train).checkpoint
    result = run_in_process(run.train, run.tests, say)
    checkpoint.unlink(missing_ok=True)
    return make_record(run.key, run.variant, run.train, run.tests, result)


def _reporter(say: ProgressCallback, number: int, total: int, run: Run) -> Callable[[str, float, str], None]:
    """Messages of run ``number`` as those of the whole comparison."""

    def report(stage: str, fraction: float, message: str) -> None:
        text = f"run {number + 1} of {total}, {run.variant.label}, seed {run.train.seed}: {message or stage}"
        say(Progress("compare", (number + fraction) / total, text))

    return report


def _folder(request: CompareRequest) -> Path:
    if not request.layers:
        raise OptionError("A comparison needs a raster.", hint="Give one with --layer.")
    first = named(request.layers[0].path)
    folder = Path(request.out) if request.out else first.with_name(f"{first.stem}_comparison")
    try:
        (folder / "models").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputPathError(
            f"The folder {folder} cannot be made: {error.strerror}.", hint="Choose another with --out."
        ) from error
    return folder
