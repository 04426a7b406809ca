"""A reproduction from recipe to table; goes on where an earlier one of the same folder stopped."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nirlora.comparison.records import append_record, read_records, revision
from nirlora.errors import InputError, OutputPathError
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.protocol import Progress, ReproduceRequest, ReproduceResult, to_dict
from nirlora.raster.outputs import write_text
from nirlora.recipes.classification import ClassificationRunner
from nirlora.recipes.domain import DomainRunner
from nirlora.recipes.patches import PatchesRunner
from nirlora.recipes.pretraining import PretrainingRunner
from nirlora.recipes.readers.base import Tick
from nirlora.recipes.recipe import Experiment, Recipe, experiments, load_recipe
from nirlora.recipes.runner import Context, ProgressCallback, Runner
from nirlora.recipes.table import make_rows, markdown
from nirlora.versions import versions

RUNNERS: dict[str, Callable[[Context, Tick], Runner]] = {
    "classification": ClassificationRunner,
    "pretraining": PretrainingRunner,
    "patches": PatchesRunner,
    "domain": DomainRunner,
}


@dataclass(frozen=True)
class Run:
    """One experiment with one seed."""

    experiment: Experiment
    seed: int
    content: dict[str, Any]
    key: str

    @property
    def words(self) -> str:
        """For messages."""
        labels = ", ".join(f"{axis} {label}" for axis, label in self.experiment.labels.items())
        return ", ".join(part for part in (labels, f"seed {self.seed}") if part)

    @property
    def stem(self) -> str:
        """For file names."""
        labels = "_".join([*self.experiment.labels.values(), str(self.seed)])
        return f"{re.sub(r'[^A-Za-z0-9.]+', '-', labels)[:80]}_{self.key[:8]}"


def reproduce(request: ReproduceRequest, progress: ProgressCallback | None = None) -> ReproduceResult:
    """Run a recipe's experiments and write records, table and JSON into the request's folder.

    Finished runs of an earlier reproduction in that folder are kept where settings and data are the same; one
    that was cut short goes on from its checkpoint.

    Args:
        request: The recipe, the data, and what is to be otherwise.
        progress: Called as the runs go; may raise JobCancelled, which ends the reproduction. What is
            finished stays.

    Raises:
        NirLoraError: The recipe or the data cannot be used, or a run cannot be carried out.
        JobCancelled: As wished.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    recipe = load_recipe(request.recipe)
    chosen = experiments(recipe, request.only)
    device = resolve_device(request.device)
    context = Context(recipe, request, _folder(request))
    runner = RUNNERS[recipe.kind](context, lambda text: say(Progress("prepare", 0.0, text)))
    runs = _runs(recipe, request, chosen, runner)
    log = context.folder / "records.jsonl"
    kept = {record["key"]: record for record in read_records(log)}
    already = sum(run.key in kept for run in runs)
    for number, run in enumerate(runs):
        if run.key not in kept:
            kept[run.key] = _carry_out(run, runner, context, _within(say, number, len(runs), run))
            append_record(log, kept[run.key])
        _write(context, chosen, [kept[r.key] for r in runs if r.key in kept], runner.notes)
    done = [kept[run.key] for run in runs]
    rows = make_rows(recipe, chosen, done)
    warnings = dict.fromkeys([*runner.notes, *(w for record in done for w in record["warnings"])])
    return ReproduceResult(
        title=recipe.title,
        rows=rows,
        records=str(log),
        table=str(context.folder / "table.md"),
        json=str(context.folder / "table.json"),
        seconds=time.monotonic() - started,
        runs_done=len(runs) - already,
        runs_kept=already,
        device=describe_device(device),
        warnings=tuple(warnings),
        versions=versions(),
    )


def _runs(
    recipe: Recipe, request: ReproduceRequest, chosen: tuple[Experiment, ...], runner: Runner
) -> list[Run]:
    """All runs, seed by seed, their settings checked."""
    if request.seeds < 0 or request.first_seed < 0:
        raise InputError(
            f"{request.seeds} seeds from {request.first_seed} on cannot be.", hint="Give --seeds 1."
        )
    seeds = recipe.seeds
    if request.seeds:
        seeds = tuple(range(request.first_seed, request.first_seed + request.seeds))
    runs = []
    for seed in seeds:
        for experiment in chosen:
            content = runner.content(experiment, seed)
            named = [experiment.labels, content]
            key = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
            runs.append(Run(experiment, seed, content, key))
    return runs


def _carry_out(run: Run, runner: Runner, context: Context, say: ProgressCallback) -> dict[str, Any]:
    models = context.folder / "models"
    models.mkdir(exist_ok=True)
    stem = models / run.stem
    outcome = runner.run(run.experiment, run.seed, stem, say)
    if not context.request.keep_models:
        for path in models.glob(f"{stem.name}*"):
            path.unlink()
    return {
        "key": run.key,
        "labels": run.experiment.labels,
        "seed": run.seed,
        "scores": outcome.scores,
        **outcome.facts,
        "warnings": list(outcome.warnings),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "revision": revision(),
        "versions": versions(),
        "config": run.content,
    }


def _write(
    context: Context, chosen: tuple[Experiment, ...], records: list[dict[str, Any]], notes: tuple[str, ...]
) -> None:
    """Write the table of what has been done so far."""
    recipe = context.recipe
    rows = make_rows(recipe, chosen, records)
    write_text(context.folder / "table.md", markdown(recipe, rows, notes))
    content = {
        "title": recipe.title,
        "paper": recipe.paper,
        "rows": [to_dict(row) for row in rows],
        "protocol": [to_dict(fact) for fact in recipe.protocol],
        "differences": list(recipe.differences),
        "notes": list(notes),
    }
    write_text(context.folder / "table.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _within(say: ProgressCallback, number: int, total: int, run: Run) -> ProgressCallback:
    """Messages of run ``number`` as those of the whole reproduction."""

    def report(p: Progress) -> None:
        text = f"run {number + 1} of {total}, {run.words}: {p.message or p.stage}"
        say(Progress("reproduce", (number + min(p.fraction, 0.999)) / total, text))

    return report


def _folder(request: ReproduceRequest) -> Path:
    folder = Path(request.out) if request.out else Path(f"{Path(request.recipe).stem}_results")
    if not Path(request.data).is_dir():
        raise InputError(
            f"There is no folder {request.data}.", hint="Give the folder of the data with --data."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputPathError(
            f"The folder {folder} cannot be made: {error.strerror}.", hint="Choose another with --out."
        ) from error
    return folder
