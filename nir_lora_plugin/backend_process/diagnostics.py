"""A report about the backend that a user can send: all that helps, no passwords, no user's name."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Tuple

from nir_lora_plugin import paths

from .environment import scrubbed_environment
from .gpu import find_gpus
from .home import Home
from .logs import tail
from .manager import BackendManager
from .pip_config import PipConfig, without_credentials
from .pythons import find_interpreters

_LOG_LINES = 60


def diagnostics(manager: BackendManager, program: Mapping[str, str]) -> str:
    """The report as plain text. Starts a few programs, so it is not for the main thread.

    Args:
        manager: Whose backend.
        program: Versions of what the plugin runs in: QGIS, Qt, ...
    """
    home = manager.home
    parts = [
        _section("NIR-LoRA", _about(manager, program)),
        _section("This computer", _computer(home)),
        _section("Pythons", _pythons()),
        _section("pip's configuration", PipConfig(scrubbed_environment()).describe().items()),
    ]
    for title, path in (
        ("installed.json", home.stamp),
        ("incomplete.json", home.marker),
        ("Installation log", home.install_log),
        ("Backend's stderr", manager.log_path),
        ("Backend's log", home.state / "backend.log"),
    ):
        text = tail(path, _LOG_LINES)
        parts.append(f"== {title}\n{text}" if text else f"== {title}\n(none)")
    return without_credentials(_anonymous("\n\n".join(parts))) + "\n"


def _section(title: str, facts: Iterable[Tuple[str, str]]) -> str:
    return "\n".join([f"== {title}", *(f"{name}: {value}" for name, value in facts)])


def _about(manager: BackendManager, program: Mapping[str, str]) -> Iterator[Tuple[str, str]]:
    state, detail = manager.state()
    yield "date", datetime.now(timezone.utc).isoformat(timespec="seconds")
    yield "plugin", paths.plugin_version()
    yield from program.items()
    yield "state", f"{state.value}; {detail}"
    yield "folder", str(manager.home.root)
    if manager.foreign_python:
        yield "chosen Python", str(manager.foreign_python)


def _computer(home: Home) -> Iterator[Tuple[str, str]]:
    yield "system", platform.platform()
    yield "processor", f"{platform.machine()}, {os.cpu_count()} cores"
    yield "QGIS's Python", f"{platform.python_version()} in {sys.base_prefix}"
    yield "GPUs", "; ".join(find_gpus()) or "none that nvidia-smi knows"
    there = next((folder for folder in (home.root, *home.root.parents) if folder.exists()), Path())
    yield "free disk", f"{shutil.disk_usage(there).free / 1e9:.1f} GB"
    dropped = sorted(set(os.environ) - set(scrubbed_environment()))
    yield "variables kept from the backend", ", ".join(dropped) or "none"


def _pythons() -> Iterator[Tuple[str, str]]:
    for one in find_interpreters(scrubbed_environment()):
        version = ".".join(map(str, one.version))
        yield one.path, f"{version}, pip {_yes(one.has_pip)}, venv {_yes(one.has_venv)}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _anonymous(text: str) -> str:
    """``text`` without the user's name in paths."""
    user = str(Path.home())
    return text if user in ("/", "") else text.replace(user, "~")
