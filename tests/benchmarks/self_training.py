"""What the four stabilisers of self-training cost: time of an iteration and peak memory, in one run.

    python tests/benchmarks/self_training.py --threads 1
    python tests/benchmarks/self_training.py --backbone vit-tiny --px 224 --batch 4

An iteration of a round (labels of both fields, the game, the teacher if there is one) on chips drawn before.
The stabilisers take turns in one process, and the ratio to the EMA teacher is taken within each turn. On a
CPU processor time is measured, so that other programs take nothing from it. Memory is the highest resident
memory beyond that after imports, of a process that builds the networks and does three iterations, one each.
Goal: LoRA without a teacher is faster and smaller than EMA (Filatov & Kindulov 2023: 11 % faster, on a GPU).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from machine import device_tag, print_table, save
from segment_memory import Peak

from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.self_training.draws import Batch
from nirlora.self_training.options import STABILISERS
from nirlora.self_training.players import Cast, Players, Rates, build_players, make_optimizers
from nirlora.self_training.step import StepConfig, iteration
from nirlora.training.accelerator import make_accelerator

CLASSES = 3
_MB = 2**20


def make(stabiliser: str, options: argparse.Namespace) -> tuple[Players, Any]:
    """The networks of a stabiliser with random weights."""
    lora, teacher = STABILISERS[stabiliser]
    config = ModelConfig(
        options.backbone,
        pretrained=False,
        adapter="lora" if lora else "full",
        rank=8,
        alpha=16.0,
        head=options.head,
        num_classes=CLASSES,
    )
    accelerator = make_accelerator(resolve_device(options.device))
    players = build_players(build_segmenter(config), Cast(CLASSES, teacher), accelerator)
    make_optimizers(players, Rates(1e-4, 1e-4), accelerator)
    players.student.train()
    return players, accelerator


def batches(options: argparse.Namespace) -> tuple[Batch, Batch]:
    """A batch of each field."""
    rng = np.random.default_rng(0)
    shape = (options.batch, options.px, options.px)

    def one() -> Batch:
        images = rng.standard_normal((options.batch, 1, options.px, options.px)).astype(np.float32)
        return Batch(images, rng.integers(0, CLASSES, shape).astype(np.uint8), np.ones(shape, bool))

    return one(), one()


def iterate(players: Players, accelerator: Any, data: tuple[Batch, Batch]) -> float:
    """Seconds of one iteration; of processor time on a CPU."""
    on_gpu = accelerator.device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    if on_gpu:
        torch.cuda.synchronize()
    started = clock()
    iteration(players, *data, StepConfig(), accelerator, pseudo=True)
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - started


def child(options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of one stabiliser in this process."""
    data = batches(options)
    device = resolve_device(options.device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        players, accelerator = make(options.child, options)
        for _ in range(3):
            iterate(players, accelerator, data)
        return {"beyond_mb": torch.cuda.max_memory_allocated() / _MB}
    with Peak() as peak:
        players, accelerator = make(options.child, options)
        for _ in range(3):
            iterate(players, accelerator, data)
    return {"beyond_mb": (peak.bytes - peak.base) / _MB}


def memory(stabiliser: str, options: argparse.Namespace) -> float:
    """The median of several processes."""
    words = [sys.executable, __file__, "--child", stabiliser]
    for name in ("backbone", "head", "px", "batch", "device", "threads"):
        words += [f"--{name}", str(getattr(options, name))]
    runs = []
    for _ in range(options.memory_rounds):
        out = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
        runs.append(json.loads(out.splitlines()[-1])["beyond_mb"])
    return float(np.median(runs))


def times(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of an iteration of every stabiliser, one per turn."""
    data = batches(options)
    built = {name: make(name, options) for name in STABILISERS}
    for players, accelerator in built.values():
        iterate(players, accelerator, data)  # what only the first costs
    seconds: dict[str, list[float]] = {name: [] for name in STABILISERS}
    for turn in range(options.rounds):
        order = list(STABILISERS)
        for name in order[turn % 4 :] + order[: turn % 4]:
            seconds[name].append(min(iterate(*built[name], data) for _ in range(options.tries)))
    return seconds


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="swin-tiny")
    parser.add_argument("--head", default="detail")
    parser.add_argument("--px", type=int, default=192)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8, help="turns of all four")
    parser.add_argument(
        "--tries", type=int, default=2, help="iterations a turn, of which the quickest counts"
    )
    parser.add_argument("--memory-rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        print(json.dumps(child(options)))
        return
    seconds = times(options)
    ema = np.array(seconds["ema"])
    rows = []
    for name in STABILISERS:
        ratio = float(np.median(np.array(seconds[name]) / ema))
        rows.append({"stabiliser": name, "seconds": float(np.median(seconds[name])), "time_over_ema": ratio})
    for row in rows:
        row["peak_mb"] = memory(row["stabiliser"], options)
    peak = {row["stabiliser"]: row["peak_mb"] for row in rows}
    for row in rows:
        row["memory_over_ema"] = row["peak_mb"] / peak["ema"]
    columns = (("seconds", 3), ("time_over_ema", 3), ("peak_mb", 0), ("memory_over_ema", 3))
    print_table(
        ["stabiliser", "s/iteration", "time / EMA", "peak MB", "memory / EMA"],
        [[r["stabiliser"], *(f"{r[k]:.{digits}f}" for k, digits in columns)] for r in rows],
    )
    lora = next(r for r in rows if r["stabiliser"] == "lora")
    met = lora["time_over_ema"] < 1 and lora["memory_over_ema"] < 1
    print(f"LoRA without a teacher faster and smaller than EMA: {'yes' if met else 'NO'}")
    device = resolve_device(options.device)
    settings = {k: v for k, v in vars(options).items() if k != "child"}
    result = {
        "benchmark": "self_training",
        "device": describe_device(device),
        "settings": settings,
        "rows": rows,
        "turns": seconds,
        "goal_met": met,
    }
    save(f"self_training_{options.backbone.replace(':', '_')}_{device_tag(str(device))}", result)


if __name__ == "__main__":
    main()
