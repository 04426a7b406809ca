"""Starts QGIS's desktop and measures how long that takes, with and without the plugin."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from desktop import HERE, display, make_profile, qgis_environment
from installations import Installation


@dataclass(frozen=True)
class Start:
    """Seconds until QGIS was ready, by the clock and of the processor; of these the plugin's (None: none)."""

    ready_s: float
    cpu_s: float
    plugin_s: float | None
    plugin_cpu_s: float | None


def start_times(qgis: Installation, rounds: int) -> dict[str, list[dict[str, float | None]]]:
    """Start QGIS ``rounds`` times ``without`` and ``with`` the plugin, in turn; first starts do not count."""
    with ExitStack() as stack:
        folders = {}
        for linked in (False, True):
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="nirlora-qgis-"))
            folders["with" if linked else "without"] = make_profile(Path(name), linked)
        screen = stack.enter_context(display(folders["with"]))
        found: dict[str, list[dict[str, float | None]]] = {which: [] for which in folders}
        for number in range(rounds + 1):
            for which, folder in folders.items():
                start = _start(qgis, folder, screen)
                if number:
                    found[which].append(asdict(start))
    return found


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
    return Start(found["ready"] - before, found["cpu_s"], found["plugin_s"], found["plugin_cpu_s"])
