"""Whether there is an NVIDIA GPU, asked of its driver, and which torch build fits."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from typing import List, Tuple

from .environment import scrubbed_environment
from .processes import run

BUILDS = ("auto", "cpu", "cuda")
ROOM_GB = {"cpu": 4.0, "cuda": 10.0}


def find_gpus() -> List[str]:
    """One line a GPU, "name, driver version, memory"; [] when there is none or no driver."""
    program = shutil.which("nvidia-smi") or _windows_smi()
    if not program:
        return []
    query = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    outcome = run(query, scrubbed_environment(), timeout_s=15)
    if outcome.code != 0:
        return []
    return [line.strip() for line in outcome.output.splitlines() if line.count(",") == 2]


def torch_sources(build: str, has_gpu: bool, has_own_index: bool, system: str = "") -> Tuple[str, ...]:
    """Values for uv's ``--torch-backend`` to be tried in order; "" is the index that everything comes from.

    uv's own choice fits the driver and spares a computer without a GPU the large CUDA libraries. Where the
    user has an index of their own, that comes first unless a build is asked for.
    """
    if (system or platform.system()) == "Darwin":
        return ("",)
    wanted = "auto" if build == "cuda" or (build == "auto" and has_gpu) else "cpu"
    return ("", wanted) if has_own_index and build == "auto" else (wanted, "")


def room_gb(build: str, has_gpu: bool) -> float:
    """Free disk that an installation needs."""
    return ROOM_GB["cuda" if build == "cuda" or (build == "auto" and has_gpu) else "cpu"]


def _windows_smi() -> str:
    """Where the driver puts it on Windows, which need not be on the PATH of QGIS."""
    if sys.platform != "win32":
        return ""
    path = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvidia-smi.exe"
    return str(path) if path.is_file() else ""
