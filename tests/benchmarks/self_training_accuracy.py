"""What carrying a model to another city or year gains on real rasters.

    python tests/benchmarks/self_training_accuracy.py --data ../shared/data --seeds 0,1,2
    python tests/benchmarks/self_training_accuracy.py --pairs '2010 to 2018|2018 to 2010'

NAIP tiles of one city carry the labels, those of another do not; the target's weak masks are used for scores
alone. Of the fields in North Dakota there are two years and no labels: thresholds of NDVI stand in for them.
Settings were chosen on other pairs, with seeds 10 to 12; docs/results.md says what was seen of these all the
same.

* ``source only``: a plain training whose model maps the other city as it is.
* ``carried``: the product's defaults; with ``--rounds`` the table still shows the model before them.

A stage takes as many steps as the plain training. Finished runs are kept in a file of JSON lines and not
repeated, so that an interrupted table goes on.
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

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from accuracy import score_maps
from machine import describe_machine
from splits import Place, SplitSet, place

import nirlora
from nirlora.metrics import summarise
from nirlora.models.card import read_card
from nirlora.protocol import LayerRef, TrainRequest

PAIRS = ("chico to palm_springs", "palm_springs to claremont", "santa_monica to chico")
EPOCHS = 2
PLAIN, CARRIED = "source only", "carried"
KEYS = ("method", "pair", "bands", "seed", "steps")


def request(source: Place, options: argparse.Namespace, run: dict[str, Any], folder: Path) -> TrainRequest:
    """What all runs share."""
    return TrainRequest(
        layers=layers_of(source),
        out=str(folder / "model.nirlora"),
        classes=source.classes,
        bands=run["bands"],
        backbone=f"galileo-nano:p8={options.data / 'galileo_nano_weights'}",
        batch=2,
        epochs=EPOCHS,
        steps_per_epoch=run["steps"] // EPOCHS,
        val_fraction=0.0,
        seed=run["seed"],
        device="cpu",
        report=False,
    )


def layers_of(field: Place) -> tuple[LayerRef, ...]:
    """Rasters with their labels, as a request has them."""
    return tuple(LayerRef(str(r.image), str(r.labels)) for r in field.rasters)


def places(options: argparse.Namespace, run: dict[str, Any], folder: Path) -> tuple[Place, Place]:
    """Source and target."""
    source, target = run["pair"].split(" to ")
    return place(options.data, folder, source), place(options.data, folder, target)


def adapted(options: argparse.Namespace, run: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One model carried to the other field; its own scores of the target, stage by stage."""
    source, target = places(options, run, folder)
    shared = request(source, options, run, folder)
    result = nirlora.train(replace(shared, target_layers=layers_of(target), rounds=options.rounds))
    told = read_card(result.model).training["adaptation"]
    return {
        "miou": [round(stage["target_miou"], 4) for stage in told["stages"]],
        "flips": [round(stage["flips"], 4) for stage in told["stages"][1:]],
        "shares": [[round(share, 4) for share in stage["shares"]] for stage in told["stages"]],
        "biases": [stage.get("biases", []) for stage in told["stages"]],
        "target_values": told["target_values"],
        "iou": {k: round(v["iou"], 4) for k, v in result.metrics["classes"].items()},
        "warnings": list(result.warnings),
    }


def plain(options: argparse.Namespace, run: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A training on the source whose model maps the target."""
    source, target = places(options, run, folder)
    model = nirlora.train(request(source, options, run, folder)).model
    confusion = score_maps(
        SplitSet(run["pair"], source.classes, source.rasters, target.rasters), model, folder
    )
    scores = summarise(confusion, source.classes)
    iou = {k: round(v["iou"], 4) for k, v in scores["classes"].items()}
    return {"miou": [round(scores["miou"], 4)], "iou": iou}


def main() -> None:
    """Run what is missing, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    parser.add_argument("--steps", type=int, default=120, help="of each stage")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--pairs", default="|".join(PAIRS), help="with | between")
    parser.add_argument("--methods", default=f"{PLAIN}|{CARRIED}", help="with | between")
    parser.add_argument("--bands", default="nir")
    parser.add_argument("--rounds", type=int, default=0, help="after the warm-up")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    log = options.out / "self_training_runs.jsonl"
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for seed in map(int, options.seeds.split(",")):
        for pair in options.pairs.split("|"):
            for method in options.methods.split("|"):
                key = dict(zip(KEYS, (method, pair, options.bands, seed, options.steps), strict=True))
                stages = 1 if method == PLAIN else 1 + options.rounds
                if any(
                    all(run.get(k) == v for k, v in key.items()) and len(run["miou"]) >= stages
                    for run in runs
                ):
                    continue
                started = time.process_time()
                with tempfile.TemporaryDirectory() as folder:
                    found = (plain if method == PLAIN else adapted)(options, key, Path(folder))
                run = {**key, **found, "processor_seconds": round(time.process_time() - started, 1)}
                runs.append(run)
                with log.open("a") as file:
                    file.write(json.dumps(run) + "\n")
                print(json.dumps(run), flush=True)
    table = table_of(runs)
    print(table)
    (options.out / "self_training_accuracy.md").write_text(table + "\n")
    result = {"runs": runs, "machine": describe_machine()}
    (options.out / "self_training_accuracy.json").write_text(json.dumps(result, indent=1) + "\n")


def table_of(runs: list[dict[str, Any]]) -> str:
    """One row per pair, bands and steps, over the seeds that have both runs."""
    lines = [
        "| pair | bands | steps | seeds | source only | carried | gain, seed by seed |",
        "|---|---|---|---|---|---|---|",
    ]
    for group in dict.fromkeys((r["pair"], r["bands"], r["steps"]) for r in runs):
        found = [r for r in runs if (r["pair"], r["bands"], r["steps"]) == group]
        alone = {r["seed"]: r["miou"] for r in found if r["method"] == PLAIN}
        both = {r["seed"]: r["miou"] for r in found if r["method"] == CARRIED and r["seed"] in alone}
        if not both:
            continue
        mious = np.array([(alone[seed][0], both[seed][0]) for seed in sorted(both)])
        plain_, fitted = mious.T
        cells = (
            *group,
            len(mious),
            _spread(plain_),
            _spread(fitted),
            _gains(fitted - plain_),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _gains(values: np.ndarray) -> str:
    return ", ".join(f"{value:+.3f}" for value in values)


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f} ± {values.std():.3f}"


if __name__ == "__main__":
    main()
