"""How steady pseudo-labels are with each of the four stabilisers, and what becomes of the maps.

    python tests/benchmarks/self_training_stability.py --data ../shared/data

One pair of cities, near-infrared alone, two rounds after the warm-up; all else is the default of the product.
Finished runs are kept in a file of JSON lines and not repeated. The plot goes to docs/images.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

sys.path.insert(0, str(Path(__file__).resolve().parent))

from self_training_accuracy import layers_of, places
from self_training_accuracy import request as shared_request

import nirlora
from nirlora.models.card import read_card
from nirlora.self_training.options import STABILISERS

ROOT = Path(__file__).resolve().parents[2]
PAIR = "chico to palm_springs"
ROUNDS, EPOCHS = 2, 4
COLORS = {"none": "#7a7a7a", "ema": "#2b7bba", "lora": "#d95f0e", "lora+ema": "#31a354"}


def measured(stabiliser: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run: pixels that change class and target mIoU, stage by stage."""
    run = {"pair": PAIR, "bands": "nir", "steps": options.steps, "seed": options.seed}
    source, target = places(options, run, folder)
    request = replace(
        shared_request(source, options, run, folder),
        target_layers=layers_of(target),
        epochs=EPOCHS,
        steps_per_epoch=options.steps // EPOCHS,
        stabiliser=stabiliser,
        rounds=ROUNDS,
    )
    started = time.process_time()
    stages = read_card(nirlora.train(request).model).training["adaptation"]["stages"]
    return {
        "stabiliser": stabiliser,
        "pair": PAIR,
        "seed": options.seed,
        "steps": options.steps,
        "miou": [round(stage["target_miou"], 4) for stage in stages],
        "flips": [round(stage["flips"], 4) for stage in stages[1:]],
        "epoch_flips": [
            [None if f is None else round(f, 4) for f in stage["epoch_flips"]] for stage in stages
        ],
        "processor_seconds": round(time.process_time() - started, 1),
    }


def plot(runs: list[dict[str, Any]], out: Path) -> None:
    """Changes from epoch to epoch, from stage to stage, and the maps' scores."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    epochs, stages, scores = figure.subplots(1, 3)
    for run in runs:
        color = COLORS[run["stabiliser"]]
        flips = [f for stage in run["epoch_flips"] for f in stage]
        points = [(i + 1, 100 * f) for i, f in enumerate(flips) if f is not None]
        epochs.plot(*zip(*points, strict=True), color=color, label=run["stabiliser"], marker=".")
        stages.plot(range(1, ROUNDS + 1), [100 * f for f in run["flips"]], color=color, marker="o")
        scores.plot(range(ROUNDS + 1), run["miou"], color=color, marker="o")
    for end in range(1, ROUNDS + 1):
        epochs.axvline(len(runs[0]["epoch_flips"][0]) * end + 0.5, color="#cccccc", linewidth=0.8)
    epochs.set(title="Target pixels that change class, %", xlabel="epoch, of all stages", ylim=(0, None))
    epochs.xaxis.set_major_locator(MaxNLocator(integer=True))
    stages.set(
        title="Pseudo-labels that change, %", xlabel="round", xticks=range(1, ROUNDS + 1), ylim=(0, None)
    )
    scores.set(title="mIoU of the target", xlabel="0: warm-up; rounds", xticks=range(ROUNDS + 1))
    for axes in (epochs, stages, scores):
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    FigureCanvasAgg(figure).print_png(str(out))


def main() -> None:
    """Run what is missing, then plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "images" / "self_training_stability.png")
    parser.add_argument("--steps", type=int, default=60, help="of each stage")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    log = options.out / "self_training_stability.jsonl"
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    runs = [run for run in runs if (run["seed"], run["steps"]) == (options.seed, options.steps)]
    for stabiliser in STABILISERS:
        if any(run["stabiliser"] == stabiliser for run in runs):
            continue
        with tempfile.TemporaryDirectory() as folder:
            runs.append(measured(stabiliser, options, Path(folder)))
        with log.open("a") as file:
            file.write(json.dumps(runs[-1]) + "\n")
        print(json.dumps(runs[-1]), flush=True)
    plot(runs, options.plot)


if __name__ == "__main__":
    main()
