"""The learning rates of adapters, on the seeds that settings are chosen by: short trainings on the orchard.

    python tests/benchmarks/adapter_rates.py --seed 10 bitfit@8e-4 bitfit@3.2e-3 vpt-deep@8e-4 vpt-deep@3.2e-3

``NAME@RATE`` trains the adapter with that rate in place of its own (both for a token width of 768) on the
near-infrared band, and scores its maps of the tested half. A line is added for each.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from accuracy import Method, train_and_map
from machine import RESULTS
from splits import orchard

from nirlora import adapters
from nirlora.metrics import summarise


def main() -> None:
    """Train and score what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="NAME@RATE")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--out", type=Path, default=RESULTS / "adapter_rates.jsonl")
    parser.add_argument("--seed", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--head", default="linear")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for text in options.runs:
        name, rate = text.split("@")
        options.train = {"adapter": name}
        adapters._BY_NAME[name] = replace(adapters.adapter_spec(name), learning_rate=float(rate))
        with tempfile.TemporaryDirectory() as work:
            split = orchard(options.data, Path(work), options.seed)
            method = Method(name, head=options.head)
            confusion, seconds = train_and_map(method, split, options, options.seed)
        scores = summarise(confusion, split.classes)
        record = {
            "adapter": name,
            "rate": float(rate),
            "seed": options.seed,
            "head": options.head,
            "steps": options.steps,
            "miou": round(scores["miou"], 4),
            "iou": {k: round(v["iou"], 4) for k, v in scores["classes"].items()},
            "processor_seconds": round(seconds, 1),
        }
        with options.out.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
