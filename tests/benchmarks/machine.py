"""What a benchmark ran on, its table, and its JSON: shared by every command in this folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from nirlora.versions import versions

RESULTS = Path(__file__).parent / "results"


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, accelerator, threads, load, and versions of what matters."""
    import rasterio

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": gpu,
        "torch_threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "date": time.strftime("%Y-%m-%d"),
        "versions": {**versions(), "gdal": rasterio.__gdal_version__},
    }


def wait_until_idle(limit_s: float, busy_percent: float = 15.0) -> float:
    """Wait, at most ``limit_s``, for others to leave the processor alone; return how busy it was last."""
    start = time.monotonic()
    while (busy := psutil.cpu_percent(interval=1.0)) > busy_percent and time.monotonic() - start < limit_s:
        pass
    return busy


def device_tag(device: str) -> str:
    """Suffix of a result's name: ``cpu``, or the accelerator's name."""
    if not device.startswith("cuda"):
        return device
    name = torch.cuda.get_device_name(torch.device(device)).lower()
    return "_".join(w for w in name.replace("-", " ").split() if w not in ("nvidia", "geforce"))


def save(name: str, result: Mapping[str, Any]) -> Path:
    """Write ``results/<name>.json`` with the machine beside the result, and say where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**result, "machine": describe_machine()}, indent=1) + "\n")
    print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return path


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A markdown table with aligned columns."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for number, row in enumerate(cells):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
