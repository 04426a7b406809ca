"""What the project's own weights are worth, against random ones, Galileo-nano and a random forest on pixels.

    python tests/benchmarks/own_weights.py --data ../shared/data --seeds 0,1,2 --threads 1
    python tests/benchmarks/own_weights.py --ours nirlora-tiny
    python tests/benchmarks/own_weights.py --seeds 10,11 --methods probe --ours FILE --out tried

Four data sets, near-infrared alone and, where a set has them, red, green and blue:

probe  a logistic regression on the frozen features of one token, every pixel the class of its token;
lora   the product's own training (LoRA, detail head), then its own maps;
full   the same with every weight of the backbone trained, in half the steps.

Same labels, same steps, same chips for every start. The two Landsat scenes are 107 to 186 px wide: they are
read four times enlarged, for a token of 8 px would cover 240 m, and get half the steps. Finished runs are
kept and not repeated. How to pretrain was chosen on seeds 10 and 11, as in the third line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from accuracy import RUNNERS, Method, train_and_map
from machine import describe_machine
from splits import SplitSet, elkton, orchard, urban_trees, yellowstone
from token_probe import Probe, probe

from nirlora.metrics import summarise
from nirlora.models.backbones import build_backbone
from nirlora.models.weights import load_backbone_weights, resolve_backbone

RGB = "red,green,blue"
OWN = "nirlora-tiny-16"
METHODS = ("probe", "lora", "full")
LENGTH = 200
CHIP_PX = 192  # before enlarging


@dataclass(frozen=True)
class Set:
    """A data set: its split, how often its pixels are enlarged, the bands tried, how long it is trained."""

    split: object
    zoom: int
    bands: tuple[str, ...]
    share: float = 1.0  # of the steps


SETS = {
    "orchard": Set(orchard, 1, ("nir", RGB)),
    "urban_trees": Set(urban_trees, 1, ("nir", RGB)),
    "elkton": Set(elkton, 4, ("nir", RGB), 0.5),
    "yellowstone": Set(yellowstone, 4, ("nir",), 0.5),
}
STARTS = ("ours", "random", "galileo")
FOREST = "forest, pixels"


def backbone_of(start: str, options: Namespace) -> tuple[str, bool]:
    """What to give as ``--backbone``, and whether its weights are used."""
    if start == "galileo":
        return f"galileo-nano:p8={options.data / 'galileo_nano_weights'}", True
    return (options.ours, True) if start == "ours" else (resolve_backbone(options.ours)[0], False)


def steps_of(name: str, method: str, options: Namespace) -> int:
    """Steps of a training on this set; full fine-tuning learns faster and gets half of them."""
    return round(options.steps * SETS[name].share * {"lora": 1.0, "full": 0.5}.get(method, 0.0))


def measure(start: str, method: str, bands: str, name: str, split: SplitSet, options: Namespace, seed: int):
    """Confusion of one run."""
    if start == FOREST:
        return RUNNERS[FOREST](Method(FOREST, bands), split, options, seed)[0]
    zoom, (backbone, pretrained) = SETS[name].zoom * options.finer, backbone_of(start, options)
    if method == "probe":
        return probe(Probe(backbone, bands, zoom, pretrained), split, seed)
    chosen = {"backbone": backbone, "pretrained": pretrained, "zoom": float(zoom)}
    chosen["chip_px"] = CHIP_PX // SETS[name].zoom
    run = Namespace(data=options.data, steps=steps_of(name, method, options), train=chosen)
    return train_and_map(Method(method, bands, adapter=method), split, run, seed)[0]


def wanted(options: Namespace) -> list[tuple[str, str, str, str, int]]:
    """(set, bands, start, method, seed) of every run, the quick ones first."""
    plan = [
        (name, bands, FOREST, "forest", seed)
        for name in options.sets
        for bands in SETS[name].bands
        for seed in options.seeds
    ]
    for method in (name for name in options.methods if name != "forest"):
        plan += [
            (name, bands, start, method, seed)
            for seed in options.seeds
            for name in options.sets
            for bands in SETS[name].bands
            for start in options.starts
        ]
    return [p for p in plan if p[1] in options.bands and (p[3] != "forest" or "forest" in options.methods)]


def run_all(options: Namespace) -> None:
    """Everything that is missing."""
    for name, bands, start, method, seed in wanted(options):
        key = {"set": name, "bands": bands, "start": start, "method": method, "seed": seed}
        key |= {"steps": steps_of(name, method, options)}
        key |= {"weights": options.weights if start == "ours" else "", "finer": options.finer}
        if any(_is_of(run, key) for run in options.runs):
            continue
        with tempfile.TemporaryDirectory() as work:
            split = SETS[name].split(options.data, Path(work), seed)
            began = time.process_time()
            confusion = measure(start, method, bands, name, split, options, seed)
        scores = summarise(confusion, split.classes)
        iou = {k: round(v["iou"], 4) for k, v in scores["classes"].items() if v["iou"] is not None}
        record = {**key, "miou": round(scores["miou"], 4), "iou": iou}
        record["seconds"] = round(time.process_time() - began, 1)
        options.runs.append(record)
        with options.log.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(json.dumps(record), flush=True)


def write_table(options: Namespace) -> None:
    """Mean and deviation over the seeds; and in how many pairs of runs on one split ours is better."""
    columns = [(name, bands) for name, data in SETS.items() for bands in data.bands if bands in options.bands]
    titles = [f"{name}, {'NIR' if bands == 'nir' else 'RGB'}" for name, bands in columns]
    lines = ["| method | start | " + " | ".join(titles) + " |", "|---|---|" + "---|" * len(columns)]
    rows = []
    for method in ("forest", *METHODS):
        for start in STARTS if method != "forest" else (FOREST,):
            cells = []
            for name, bands in columns:
                found = _of(options, name, bands, start, method)
                ours = _of(options, name, bands, "ours", method)
                pairs = [ours[s] > found[s] for s in found if s in ours and start != "ours"]
                text = (
                    f"{np.mean(list(found.values())):.3f} ± {np.std(list(found.values())):.3f}"
                    if found
                    else "–"
                )
                cells.append(text + (f" (ours better {sum(pairs)}/{len(pairs)})" if pairs else ""))
                rows.append({"method": method, "start": start, "set": name, "bands": bands, "miou": found})
            if set(cells) != {"–"}:
                lines.append(f"| {method} | {start} | " + " | ".join(cells) + " |")
    told = [
        f"Steps of *{method}*: "
        + ", ".join(f"{name} {steps_of(name, method, options)}" for name in options.sets)
        for method in options.methods
        if method in ("lora", "full")
    ]
    table = "\n".join([*lines, "", *(f"{line}." for line in told)])
    print(table)
    stem = "own_weights" if options.steps == LENGTH else f"own_weights_{options.steps}"
    (options.out / f"{stem}.md").write_text(table + "\n")
    result = {"rows": rows, "steps": options.steps, "weights": options.weights, "machine": describe_machine()}
    (options.out / f"{stem}.json").write_text(json.dumps(result, indent=1) + "\n")


def _of(options: Namespace, name: str, bands: str, start: str, method: str) -> dict[int, float]:
    """mIoU of every seed that was run with these weights and steps."""
    key = {"set": name, "bands": bands, "start": start, "method": method}
    key |= {"weights": options.weights if start == "ours" else "", "finer": options.finer}
    runs = [r for r in options.runs if _is_of(r, key)]
    return {
        r["seed"]: r["miou"]
        for r in runs
        if r["seed"] in options.seeds and r["steps"] == steps_of(name, method, options)
    }


def _is_of(run: dict[str, object], key: dict[str, object]) -> bool:
    """Whether a record has these values; the first ones were written before ``finer`` could be given."""
    return all({"finer": 1, **run}.get(k) == v for k, v in key.items())


def weights_key(ours: str) -> str:
    """The first digits of the hash of the weights, so that runs of other weights are not taken for these."""
    name, source = resolve_backbone(ours)
    return load_backbone_weights(build_backbone(name), source).sha256[:12]


def main() -> None:
    """Run what is missing, then print and write the table."""
    here = Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=here.parents[3] / "shared" / "data")
    parser.add_argument("--out", type=Path, help="by default results/NAME, of the weights' backbone")
    parser.add_argument("--ours", default=OWN, help="a backbone file in place of those shipped")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--sets", default="|".join(SETS), help="| separated, as the next three")
    parser.add_argument("--bands", default=f"nir|{RGB}")
    parser.add_argument("--starts", default="|".join(STARTS))
    parser.add_argument("--methods", default="|".join(("forest", *METHODS)))
    parser.add_argument("--steps", type=int, default=LENGTH, help="of LoRA and full fine-tuning")
    parser.add_argument("--finer", type=int, default=1, help="enlarge rasters this much more")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    for name in ("sets", "bands", "starts", "methods"):
        setattr(options, name, getattr(options, name).split("|"))
    options.weights = weights_key(options.ours) if "ours" in options.starts else ""
    options.out = options.out or here.parent / "results" / backbone_of("random", options)[0]
    options.out.mkdir(parents=True, exist_ok=True)
    options.log = options.out / "own_weights_runs.jsonl"
    lines = options.log.read_text().splitlines() if options.log.exists() else []
    options.runs = [json.loads(line) for line in lines]
    run_all(options)
    write_table(options)


if __name__ == "__main__":
    main()
