"""What the set-up panel has done in threads, and its words; the panel itself only shows."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from qgis.core import Qgis
from qgis.PyQt.QtCore import PYQT_VERSION_STR, QT_VERSION_STR

from nir_lora_plugin.backend_process.diagnostics import diagnostics
from nir_lora_plugin.backend_process.gpu import find_gpus
from nir_lora_plugin.backend_process.install import IsCancelled, bundled, install, remove
from nir_lora_plugin.backend_process.manager import manager
from nir_lora_plugin.backend_process.proxy import qgis_proxy
from nir_lora_plugin.backend_process.self_test import self_test
from nir_lora_plugin.backend_process.state import BackendState
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.tasks import Report, WorkTask
from nir_lora_plugin.translation import translate

_current: Optional[WorkTask] = None  # survives the panel: a closed dock does not stop an installation


def current_work() -> Optional[WorkTask]:
    """The installation, test or removal that runs now."""
    return _current


def start_work(title: str, function: Callable[[Report, IsCancelled], Any]) -> WorkTask:
    """Run ``function`` in a thread as the one work of the set-up."""
    global _current
    task = _current = WorkTask(title, function)
    task.done.connect(_forget)
    task.failed.connect(_forget)
    task.start()
    return task


def _forget(_: object) -> None:
    global _current
    _current = None


def install_work(fresh: bool = False) -> Callable[[Report, IsCancelled], str]:
    """Install, resume, repair or update; call on the main thread, for it reads QGIS's settings.

    Raises:
        SetupError: No wheel came with the plugin.
    """
    options = bundled(Settings.BUILD.get(), qgis_proxy(), fresh)
    home = manager().home

    def work(report: Report, is_cancelled: IsCancelled) -> str:
        manager().stop()  # its files are in use while it runs
        stamp = install(home, options, report, is_cancelled)
        return "\n".join([translate("Setup", "Ready on {}.").format(stamp.device), *stamp.warnings])

    return work


def test_work() -> Callable[[Report, IsCancelled], str]:
    """Test the Python that is used now.

    Raises:
        SetupError: There is none.
    """
    python, state_dir = manager().python(), manager().home.root / "self-test"

    def work(report: Report, is_cancelled: IsCancelled) -> str:
        gpus = find_gpus()
        passed = self_test(
            python,
            state_dir,
            on_line=lambda line: report(0.5, line),
            is_cancelled=is_cancelled,
            has_gpu=bool(gpus),
        )
        words = translate("Setup", "The backend works: version {}, {}.")
        return "\n".join([words.format(passed.identity.version, passed.device), *passed.warnings])

    return work


def adopt_work(python: Path) -> Callable[[Report, IsCancelled], str]:
    """Test a Python that the user named; when it passes, the panel remembers it."""
    state_dir = manager().home.root / "self-test"

    def work(report: Report, is_cancelled: IsCancelled) -> str:
        report(0.1, str(python))
        passed = self_test(
            python, state_dir, on_line=lambda line: report(0.5, line), is_cancelled=is_cancelled
        )
        words = translate("Setup", "{} is used now: version {}, {}.")
        return "\n".join([words.format(python, passed.identity.version, passed.device), *passed.warnings])

    return work


def remove_work() -> Callable[[Report, IsCancelled], str]:
    """Remove the installed backend."""
    home = manager().home

    def work(report: Report, is_cancelled: IsCancelled) -> str:
        report(0.1, str(home.root))
        manager().stop()
        remove(home)
        return translate("Setup", "The backend was removed.")

    return work


def diagnostics_work() -> Callable[[Report, IsCancelled], str]:
    """Gather the diagnostics report."""
    program: Dict[str, str] = {
        "QGIS": Qgis.QGIS_VERSION,
        "Qt": f"{QT_VERSION_STR}, PyQt {PYQT_VERSION_STR}",
        "QGIS's proxy": "set" if qgis_proxy() else "none",
        "build": Settings.BUILD.get(),
        "Python of QGIS": platform.python_version(),
    }
    return lambda report, is_cancelled: diagnostics(manager(), program)


def state_words(state: BackendState) -> Tuple[str, str, str]:
    """Of a state: the notice's level, its headline, and the word on the one button ("" for no button)."""
    table = {
        BackendState.NOT_INSTALLED: (
            "info",
            translate("Setup", "One thing before you start: the backend"),
            translate("Setup", "Install the backend"),
        ),
        BackendState.INSTALLING: ("info", translate("Setup", "The backend is being installed"), ""),
        BackendState.INCOMPLETE: (
            "warning",
            translate("Setup", "The installation is not finished"),
            translate("Setup", "Resume the installation"),
        ),
        BackendState.BROKEN: (
            "error",
            translate("Setup", "The backend is broken"),
            translate("Setup", "Repair the backend"),
        ),
        BackendState.OUTDATED: (
            "warning",
            translate("Setup", "The backend does not fit this plugin"),
            translate("Setup", "Update the backend"),
        ),
        BackendState.READY: ("good", translate("Setup", "The backend is installed"), ""),
        BackendState.RUNNING: ("good", translate("Setup", "The backend is running"), ""),
    }
    return table[state]
