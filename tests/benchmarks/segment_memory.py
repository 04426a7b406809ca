"""Peak memory of segmenting beyond the loaded model, at two raster sizes.

    python tests/benchmarks/segment_memory.py

Each size runs in a process of its own with a cheap convolutional model. The base is the resident
memory after imports and loading; the peak is the highest resident memory until the last file is
whole, model activations and GDAL's block cache included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from machine import print_table, save
from segment_speed import CLASSES, end_to_end, make_field
from torch import nn

from nirlora.bands import fit_transform
from nirlora.inference.torch_engine import TorchEngine
from nirlora.raster.source import open_raster

GOAL = 1.15
_MB = 2**20
_COLUMNS = ("raster_mb", "tiles", "seconds", "peak_mb", "beyond_mb")


class Peak:
    """Highest resident memory of this process while the ``with`` block runs, in bytes."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self.base = self.bytes = self._process.memory_info().rss
        self._mark = Path("/proc/self/clear_refs")
        if self._mark.exists():
            self._mark.write_text("5")  # the kernel's own high-water mark starts again
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        status = Path("/proc/self/status")
        if self._mark.exists():
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            self.bytes = int(lines["VmHWM"].split()[0]) * 1024

    def _sample(self) -> None:
        while not self._stop.wait(0.01):
            self.bytes = max(self.bytes, self._process.memory_info().rss)


def child(path: Path, tile: int) -> dict[str, float]:
    """Segment the raster in this process."""
    with open_raster(path) as source:
        side = source.width
        transform = fit_transform([source], "nir")
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, len(CLASSES), 3, padding=1))
    engine = TorchEngine(model, len(CLASSES), "cpu")
    start = time.perf_counter()
    with Peak() as peak:
        tiles = end_to_end(path, path.with_name("map.tif"), transform, engine, tile)
    return {
        "side": side,
        "tiles": tiles,
        "seconds": time.perf_counter() - start,
        "base_mb": peak.base / _MB,
        "peak_mb": peak.bytes / _MB,
        "beyond_mb": (peak.bytes - peak.base) / _MB,
        "raster_mb": 2 * side**2 / _MB,
    }


def measure(side: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run one size several times, each in a process of its own; the run with the median peak."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        path = make_field(Path(folder) / "field.tif", side)
        for _ in range(options.rounds):
            command = [sys.executable, __file__, "--child", str(path), "--tile", str(options.tile)]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            runs.append(json.loads(out.splitlines()[-1]))
            print(f"{side} px: {runs[-1]['beyond_mb']:.0f} MB in {runs[-1]['seconds']:.0f} s", flush=True)
    runs.sort(key=lambda r: r["beyond_mb"])
    return runs[len(runs) // 2] | {"rounds_beyond_mb": [r["beyond_mb"] for r in runs]}


def main() -> None:
    """Run each size in a subprocess, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[4096, 16384])
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each size; the median counts")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(Path(options.child), options.tile)))
        return
    rows = [measure(side, options) for side in options.sides]
    ratio = rows[-1]["beyond_mb"] / rows[0]["beyond_mb"]
    print_table(
        ["raster", "raster MB", "tiles", "seconds", "with model MB", "beyond the model MB"],
        [[f"{r['side']}²", *(f"{r[k]:.0f}" for k in _COLUMNS)] for r in rows],
    )
    print(f"ratio {ratio:.3f}, goal <= {GOAL:.2f}")
    result = {
        "benchmark": "segment_memory",
        "tile_px": options.tile,
        "sizes": rows,
        "ratio": ratio,
        "goal": GOAL,
    }
    save("segment_memory_cpu", {**result, "torch_threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
