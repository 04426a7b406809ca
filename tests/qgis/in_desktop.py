"""``qgis --code``: runs pytest inside the desktop once it is up, writes its exit code, and quits QGIS."""

import faulthandler
import os
import sys
import time
import traceback
from pathlib import Path

from qgis.core import QgsApplication, QgsProject
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QLabel
from qgis.utils import iface

FOLDER = Path(os.environ["NIRLORA_INNER_FOLDER"])
DIALOG_S = 8.0  # a modal dialog that nobody answers for so long is a failure
TASKS_S = 10.0
_seen = {}


def run_tests():
    """Run pytest with the arguments of the runner; the file ``code`` says how it ended."""
    code = 99
    try:
        import pytest

        arguments = os.environ["NIRLORA_INNER_ARGS"].split("\n")
        code = int(pytest.main([*arguments, f"--junitxml={FOLDER / 'junit.xml'}"]))
    except BaseException:  # noqa: BLE001 - nothing may get past: the runner waits for the file
        traceback.print_exc()
    (FOLDER / "code").write_text(str(code))
    sys.stdout.flush()
    stop_tasks()
    QgsProject.instance().clear()
    iface.actionExit().trigger()


def stop_tasks():
    """Cancel what a failed test left running: QGIS asks about it before it ends."""
    deadline = time.monotonic() + TASKS_S
    QgsApplication.taskManager().cancelAll()
    while QgsApplication.taskManager().activeTasks() and time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.01)


def close_forgotten_dialog():
    """Close a modal dialog that has stood there for long, and have the run fail with its text."""
    dialog = QApplication.activeModalWidget()
    count = _seen.get(id(dialog), 0) + 1 if dialog is not None else 0
    _seen.clear()
    if dialog is None or count < DIALOG_S:
        _seen[id(dialog)] = count
        return
    words = [label.text() for label in dialog.findChildren(QLabel) if label.text()]
    with (FOLDER / "errors").open("a", encoding="utf-8") as file:
        file.write(f"A modal dialog stood open: {dialog.windowTitle()!r} {words}\n")
    dialog.reject() if hasattr(dialog, "reject") else dialog.close()


faulthandler.enable()
iface.mainWindow().setGeometry(20, 40, 1500, 900)
iface.watchdog = QTimer(iface.mainWindow())
iface.watchdog.timeout.connect(close_forgotten_dialog)
iface.watchdog.start(1000)
QTimer.singleShot(200, run_tests)
