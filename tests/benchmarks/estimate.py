"""What a dry run promises against what the training then takes.

    python tests/benchmarks/estimate.py

Each case runs in a process of its own: first the plan, then the same training. Seconds are those of the whole
training, with loading, validation and report; on a CPU processor seconds per thread, for the plan's own test
of speed takes the best of many short runs, as if the machine were idle. Memory is the highest resident memory
less that before the training. Parameters and chips must be equal, seconds and memory within a factor of 2.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from machine import device_tag, print_table, save
from segment_memory import Peak

from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.models.card import read_card
from nirlora.protocol import LayerRef, TrainRequest

FACTOR = 2.0
SIDE = 1024
_MB = 2**20
CASES: dict[str, dict[str, Any]] = {
    "vit-demo, lora, detail": {"backbone": "vit-demo", "epochs": 6, "steps_per_epoch": 20},
    "vit-tiny, lora, detail": {"backbone": "vit-tiny", "epochs": 3, "steps_per_epoch": 10},
    "vit-tiny, lora, detail, batch 1": {
        "backbone": "vit-tiny",
        "batch": 1,
        "epochs": 4,
        "steps_per_epoch": 20,
    },
    "vit-tiny, full, linear": {
        "backbone": "vit-tiny",
        "adapter": "full",
        "head": "linear",
        "epochs": 3,
        "steps_per_epoch": 10,
    },
    "vit-small, frozen, detail": {
        "backbone": "vit-small",
        "adapter": "frozen",
        "epochs": 3,
        "steps_per_epoch": 10,
    },
    "vit-small, lora, aspp": {"backbone": "vit-small", "head": "aspp", "epochs": 2, "steps_per_epoch": 8},
    "swin-tiny, lora, detail": {"backbone": "swin-tiny", "epochs": 2, "steps_per_epoch": 8},
    "vit-base, lora, detail": {"backbone": "vit-base", "epochs": 2, "steps_per_epoch": 4},
    "vit-base, full, detail": {"backbone": "vit-base", "adapter": "full", "epochs": 1, "steps_per_epoch": 4},
}


def make_field(folder: Path) -> LayerRef:
    """A raster with texture and 60 polygons of three classes."""
    rng = np.random.default_rng(0)
    data = rng.integers(500, 6000, (1, SIDE, SIDE)).astype("uint16")
    raster = make_raster(folder / "field.tif", data, descriptions=("NIR",))
    boxes = [
        (pixel_box(grid_transform(), c, r, 40, 40), {"class": f"class {i % 3}"})
        for i, (c, r) in enumerate(rng.integers(0, SIDE - 50, (60, 2)).tolist())
    ]
    return LayerRef(str(raster), str(make_polygons(folder / "field.gpkg", boxes)))


def child(name: str, device: str) -> dict[str, Any]:
    """Plan and train one case in this process."""
    import nirlora
    from nirlora.training import run as _loaded  # noqa: F401 - its imports belong to the base

    with tempfile.TemporaryDirectory() as folder:
        request = TrainRequest(
            layers=(make_field(Path(folder)),),
            out=str(Path(folder) / "m.nirlora"),
            pretrained=False,
            device=device,
            **CASES[name],
        )
        made = nirlora.plan(request)
        start = time.process_time()
        with Peak() as peak:
            result = nirlora.train(request)
        busy_s = (time.process_time() - start) / torch.get_num_threads()
        card = read_card(Path(result.model))
    counts = card.training["parameters"]
    return {
        "name": name,
        "estimated": {
            "seconds": made["estimated_seconds"],
            "memory_mb": made["estimated_memory_mb"],
            "parameters": [made[f"{k}_parameters"] for k in ("adapter", "head", "trainable", "total")],
            "chips": made["chips_per_epoch"] * request.epochs,
        },
        "real": {
            "seconds": round(busy_s if device == "cpu" else result.seconds, 1),
            "wall_seconds": round(result.seconds, 1),
            "memory_mb": round((peak.bytes - peak.base) / _MB),
            "parameters": [counts[k] for k in ("adapter", "head", "trainable", "total")],
            "chips": card.training["steps"] * request.batch,
        },
    }


def measure(name: str, device: str) -> dict[str, Any]:
    """One case in a process of its own, with the ratios."""
    command = [sys.executable, __file__, "--child", name, "--device", device]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    row: dict[str, Any] = json.loads(out.splitlines()[-1])
    for key in ("seconds", "memory_mb"):
        row[f"{key}_ratio"] = round(row["estimated"][key] / max(row["real"][key], 1e-9), 2)
    row["load_1min"] = round(os.getloadavg()[0], 1)
    return row


def is_right(row: dict[str, Any]) -> bool:
    """Whether the promise was kept."""
    near = all(1 / FACTOR <= row[f"{k}_ratio"] <= FACTOR for k in ("seconds", "memory_mb"))
    return near and all(row["estimated"][k] == row["real"][k] for k in ("parameters", "chips"))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.device)))
        return
    rows = []
    for name in CASES:
        if options.only in name:
            rows.append(measure(name, options.device))
            print(f"{name}: {rows[-1]}", flush=True)
    print_table(
        ["case", "s, estimated", "s", "ratio", "MB, estimated", "MB", "ratio", "parameters, chips", ""],
        [
            [
                r["name"],
                r["estimated"]["seconds"],
                r["real"]["seconds"],
                r["seconds_ratio"],
                r["estimated"]["memory_mb"],
                r["real"]["memory_mb"],
                r["memory_mb_ratio"],
                "equal" if all(r["estimated"][k] == r["real"][k] for k in ("parameters", "chips")) else "OFF",
                "ok" if is_right(r) else "OFF",
            ]
            for r in rows
        ],
    )
    save(f"estimate_{device_tag(options.device)}", {"benchmark": "estimate", "goal": FACTOR, "cases": rows})


if __name__ == "__main__":
    main()
