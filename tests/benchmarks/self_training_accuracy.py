"""What self-training gains on real rasters: from one city to another, in near-infrared alone.

    python tests/benchmarks/self_training_accuracy.py --data ../shared/data --seeds 0,1,2

NAIP tiles of Chico (the greenest of the six cities) carry the labels, those of Palm Springs (the driest) do
not; the pair was chosen before anything was run. The target's weak masks are used for scores alone: nothing
was tried on them, all settings are the product's defaults or follow from the time there was. *Before* is the
warm-up, *after* the last round; each stage starts from the pretrained weights and takes as many steps.
*Source only* is a plain training of a stage's length whose model maps the other city as it is.

Finished runs are kept in a file of JSON lines and not repeated, so that an interrupted table goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parent))

from machine import describe_machine
from splits import UNLABELLED, URBAN_CLASSES, LabelledRaster, city

import nirlora
from nirlora.metrics import summarise
from nirlora.models.card import read_card
from nirlora.protocol import LayerRef, SegmentRequest, TrainRequest
from nirlora.raster.source import open_raster
from nirlora.self_training.options import STABILISERS

SOURCE, TARGET = "chico", "palm_springs"
ROUNDS, EPOCHS = 2, 4
PLAIN = "source only"


def request(
    source: tuple[LabelledRaster, ...], options: argparse.Namespace, seed: int, out: str, **more: Any
) -> TrainRequest:
    """What all runs share."""
    return TrainRequest(
        layers=tuple(LayerRef(str(r.image), str(r.labels)) for r in source),
        out=out,
        classes=URBAN_CLASSES,
        bands="nir",
        backbone=f"galileo-nano:p8={options.data / 'galileo_nano_weights'}",
        batch=2,
        epochs=EPOCHS,
        steps_per_epoch=options.steps // EPOCHS,
        val_fraction=0.0,
        seed=seed,
        device="cpu",
        report=False,
        **more,
    )


def adapted(name: str, options: argparse.Namespace, seed: int, folder: Path) -> dict[str, Any]:
    """One run of self-training; its own scores of the target, stage by stage."""
    source, target = (city(options.data, folder, place) for place in (SOURCE, TARGET))
    result = nirlora.train(
        request(
            source,
            options,
            seed,
            str(folder / "model.nirlora"),
            target_layers=tuple(LayerRef(str(r.image), str(r.labels)) for r in target),
            stabiliser=name,
            rounds=ROUNDS,
        )
    )
    stages = read_card(result.model).training["adaptation"]["stages"]
    return {
        "stages": [round(stage["target_miou"], 4) for stage in stages],
        "flips": [round(stage["flips"], 4) for stage in stages[1:]],
        "epoch_flips": [[None if f is None else round(f, 4) for f in s["epoch_flips"]] for s in stages],
        "iou": {k: round(v["iou"], 4) for k, v in result.metrics["classes"].items()},
    }


def plain(options: argparse.Namespace, seed: int, folder: Path) -> dict[str, Any]:
    """A training on the source whose model maps the target."""
    source, target = (city(options.data, folder, place) for place in (SOURCE, TARGET))
    result = nirlora.train(request(source, options, seed, str(folder / "model.nirlora")))
    total = np.zeros((len(URBAN_CLASSES),) * 2, np.int64)
    for raster in target:
        drawn = nirlora.segment(
            SegmentRequest(
                layer=LayerRef(str(raster.image)),
                model=result.model,
                out=str(folder / "map.tif"),
                device="cpu",
                allow_mismatch=True,
            )
        )
        with open_raster(drawn.map) as file, open_raster(str(raster.labels)) as reference:
            said = file.read(file.window, [1])[0][0]
            truth = reference.read(reference.window, [1])[0][0]
        counted = (truth != UNLABELLED) & (said != UNLABELLED)
        k = len(URBAN_CLASSES)
        pairs = truth[counted].astype(np.int64) * k + said[counted]
        total += np.bincount(pairs, minlength=k * k).reshape(k, k)
    scores = summarise(total, URBAN_CLASSES)
    iou = {k: round(v["iou"], 4) for k, v in scores["classes"].items()}
    return {"stages": [round(scores["miou"], 4)], "flips": [], "iou": iou}


def main() -> None:
    """Run what is missing, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    parser.add_argument("--steps", type=int, default=120, help="of each stage")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default="|".join((PLAIN, *STABILISERS)), help="with | between")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    log = options.out / "self_training_runs.jsonl"
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for seed in map(int, options.seeds.split(",")):
        for name in options.methods.split("|"):
            key = {"method": name, "seed": seed, "steps": options.steps, "pair": f"{SOURCE} to {TARGET}"}
            if any(all(run.get(k) == v for k, v in key.items()) for run in runs):
                continue
            started = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                if name == PLAIN:
                    found = plain(options, seed, Path(folder))
                else:
                    found = adapted(name, options, seed, Path(folder))
            run = {**key, **found, "processor_seconds": round(time.process_time() - started, 1)}
            runs.append(run)
            with log.open("a") as file:
                file.write(json.dumps(run) + "\n")
            print(json.dumps(run), flush=True)
    write_table([run for run in runs if run["steps"] == options.steps], options)


def write_table(runs: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Mean and spread over the seeds."""
    lines = [
        "| stabiliser | before | after | change, seed by seed | flips, round 2 | processor s |",
        "|---|---|---|---|---|---|",
    ]
    for name in (PLAIN, *STABILISERS):
        found = sorted((r for r in runs if r["method"] == name), key=lambda r: r["seed"])
        if not found:
            continue
        first, last = (np.array([r["stages"][i] for r in found]) for i in (0, -1))
        seconds = np.mean([r["processor_seconds"] for r in found])
        if name == PLAIN:
            lines.append(f"| {name} | {_spread(first)} | | | | {seconds:.0f} |")
            continue
        change = ", ".join(f"{v:+.3f}" for v in last - first)
        flips = 100 * np.mean([r["flips"][-1] for r in found])
        cells = (name, _spread(first), _spread(last), change, f"{flips:.1f} %", f"{seconds:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    table = "\n".join(lines)
    print(table)
    (options.out / "self_training_accuracy.md").write_text(table + "\n")
    draw(runs, options.out / "self_training_stability.png")
    result = {"runs": runs, "machine": describe_machine()}
    (options.out / "self_training_accuracy.json").write_text(json.dumps(result, indent=1) + "\n")


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """How many target pixels change class: from epoch to epoch, and from one set of labels to the next."""
    figure = Figure(figsize=(10, 3.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    epochs, rounds = figure.subplots(1, 2, width_ratios=(2, 1), sharey=True)
    for name, colour in zip(STABILISERS, ("#8a94a0", "#c8601a", "#1f6f9e", "#3d8b57"), strict=True):
        found = [r for r in runs if r["method"] == name]
        if not found:
            continue
        first = len(found[0]["epoch_flips"][0]) - EPOCHS  # a look before the first step
        looks = np.array([[f for stage in r["epoch_flips"] for f in stage] for r in found], float)[:, first:]
        x = np.arange(1, looks.shape[1] + 1)
        epochs.plot(x, 100 * looks.mean(0), "o-", color=colour, markersize=3.5, label=name)
        y = 100 * np.mean([r["flips"] for r in found], axis=0)
        rounds.plot(range(1, len(y) + 1), y, "o-", color=colour, label=name)
    for end in range(EPOCHS, EPOCHS * (ROUNDS + 1), EPOCHS):
        epochs.axvline(end + 0.5, color="#d3d8dd", linestyle="--", linewidth=0.9)
    epochs.set(xlabel="epoch (dashed: a new stage, from the start weights)", ylabel="pixels that change, %")
    epochs.set_ylim(bottom=0)
    rounds.set(xlabel="round", title="pseudo-labels, from round to round", xticks=range(1, ROUNDS + 1))
    epochs.set_title("predictions on fixed target chips, from epoch to epoch")
    epochs.legend(frameon=False)
    for axes in (epochs, rounds):
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(10)
    figure.savefig(path, format="png")


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f} ± {values.std():.3f}"


if __name__ == "__main__":
    main()
