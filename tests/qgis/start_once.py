"""Starts QGIS's desktop once and measures how long that takes, with and without the plugin."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from desktop import HERE, display, make_profile, qgis_environment
from installations import Installation


@dataclass(frozen=True)
class Start:
    """Seconds until QGIS was ready; of these the plugin's, by the clock and of the processor (None: none)."""

    ready_s: float
    plugin_s: float | None
    plugin_cpu_s: float | None


def start_times(qgis: Installation, linked: bool, rounds: int) -> list[Start]:
    """Start QGIS ``rounds`` times in one profile, after a first start that does not count."""
    with tempfile.TemporaryDirectory(prefix="nirlora-qgis-") as name, display(Path(name)) as screen:
        folder = make_profile(Path(name), linked)
        return [_start(qgis, folder, screen) for _ in range(rounds + 1)][1:]


def _start(qgis: Installation, folder: Path, screen: str) -> Start:
    told = folder / "started.json"
    told.unlink(missing_ok=True)
    startup = {"PYQGIS_STARTUP": str(HERE / "startup_timed.py"), "NIRLORA_INNER_FOLDER": str(folder)}
    environment = qgis_environment(qgis, folder, {"DISPLAY": screen, **startup})
    command = [qgis.desktop, "--nologo", "--noversioncheck", "--nocustomization"]
    command += ["--profiles-path", str(folder), "--profile", "test"]
    with (folder / "log").open("wb") as log:
        before = time.time()
        subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=120
        )
    found = json.loads(told.read_text())
    return Start(found["ready"] - before, found["plugin_s"], found["plugin_cpu_s"])
