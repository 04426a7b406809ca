"""PYQGIS_STARTUP of the start-up benchmark: what :mod:`startup` does, and the time that our plugin takes.

The file ``started.json`` in NIRLORA_INNER_FOLDER gets the seconds of importing and starting the plugin, by
the clock and of the processor (None when it is not installed), the moment at which QGIS was ready, and the
processor time that it has taken until then.
"""

import json
import os
import time
from pathlib import Path

import qgis.utils
from qgis.core import QgsApplication, QgsProject
from qgis.PyQt.QtCore import QTimer

PLUGIN = "nir_lora_plugin"
_spent = []


def _timed(function):
    def run(name, *arguments, **options):
        wall, cpu = time.perf_counter(), time.thread_time()
        result = function(name, *arguments, **options)
        if name == PLUGIN:
            _spent.append((time.perf_counter() - wall, time.thread_time() - cpu))
        return result

    return run


def _write():
    wall, cpu = (sum(s[i] for s in _spent) if _spent else None for i in (0, 1))
    told = {"plugin_s": wall, "plugin_cpu_s": cpu, "cpu_s": time.process_time(), "ready": time.time()}
    (Path(os.environ["NIRLORA_INNER_FOLDER"]) / "started.json").write_text(json.dumps(told))
    QgsApplication.taskManager().cancelAll()
    QgsProject.instance().clear()
    QTimer.singleShot(0, qgis.utils.iface.actionExit().trigger)


def _watch():
    if qgis.utils.iface is None:
        QTimer.singleShot(20, _watch)
    else:
        qgis.utils.iface.initializationCompleted.connect(_write)


if not hasattr(qgis.utils, "nirlora_timed"):  # 3.22 runs this twice
    qgis.utils.nirlora_timed = True
    qgis.utils.loadPlugin = _timed(qgis.utils.loadPlugin)
    qgis.utils.startPlugin = _timed(qgis.utils.startPlugin)
    qgis.utils.startProcessingPlugin = _timed(qgis.utils.startProcessingPlugin)
    _watch()
