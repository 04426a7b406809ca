"""Measures the plugin inside QGIS; run by tests/benchmarks/qgis_speed.py, not collected as a test.

Writes what it measured to the file that NIRLORA_MEASURED names.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import qgis.utils
from flow_tools import LONG_MS, backend_python, click, make_field, make_large, nirlora, plugin
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QTimer

from nir_lora_plugin.backend_process.manager import manager

ROUNDS = int(os.environ.get("NIRLORA_ROUNDS", "5"))
FACTOR = int(os.environ.get("NIRLORA_FACTOR", "4"))  # of the orchard's 987 x 816 pixels, a side


class Blocks:
    """The longest time for which the event loop did not turn, by a timer of 5 ms, within a ``with``."""

    def __init__(self):
        self._timer = QTimer()
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._tick)
        self.gaps = []

    def _tick(self):
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now

    def __enter__(self):
        self._last = time.perf_counter()
        self._timer.start()
        return self

    def __exit__(self, *error):
        self._timer.stop()

    @property
    def longest_ms(self):
        return 1000 * max(self.gaps)


def milliseconds(function):
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def load_cost():
    """Time to import the plugin and have it add itself, as QGIS does at its start (byte code is cached)."""
    qgis.utils.unloadPlugin("nir_lora_plugin")
    for name in [n for n in sys.modules if n.split(".")[0] == "nir_lora_plugin" and n not in KEEP]:
        del sys.modules[name]

    def load():
        assert qgis.utils.loadPlugin("nir_lora_plugin")
        assert qgis.utils.startPlugin("nir_lora_plugin")

    return milliseconds(load)


KEEP = ()


def import_torch():
    """Seconds that a fresh Python of the backend takes for ``import torch``."""
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH", "PYTHONHOME")}
    start = time.perf_counter()
    subprocess.run([backend_python(), "-I", "-c", "import torch"], check=True, env=keep)
    return time.perf_counter() - start


class Run:
    """One press of the button: seconds to the first progress, to the layers, and the longest block."""

    def __init__(self, qtbot):
        flow = plugin().flow
        panel, seen = flow.dock.segment_panel, []
        before = set(QgsProject.instance().mapLayers())

        def on_record(record):
            if record.state == "running":
                seen.append(time.perf_counter())

        show = panel.show_record
        panel.show_record = lambda record: (on_record(record), show(record))
        with Blocks() as blocks:
            start = time.perf_counter()
            click(panel.segment_button, qtbot)
            qtbot.waitUntil(lambda: not flow.session.running, timeout=LONG_MS)
            self.whole_s = time.perf_counter() - start
        del panel.show_record
        added = [v for k, v in QgsProject.instance().mapLayers().items() if k not in before]
        assert added, panel.result_notice.text()
        self.first_s = seen[0] - start
        self.longest_ms = blocks.longest_ms
        QgsProject.instance().removeMapLayers([layer.id() for layer in added])


def test_measure(iface, qtbot, tmp_path):
    measured = {"load_ms": statistics.median(load_cost() for _ in range(ROUNDS))}
    field = make_field(tmp_path)
    model = tmp_path / "model.nirlora"
    from test_flow import write_labels

    write_labels(field, tmp_path / "labels.gpkg")
    nirlora("train", "--layer", field, "--labels", tmp_path / "labels.gpkg", "--out", model, "--backbone",
            "vit-demo", "--no-pretrained", "--max-seconds", 5)  # fmt: skip
    large = make_large(field, FACTOR)
    torch_s = [import_torch() for _ in range(3)]
    measured["import_torch_s"] = statistics.median(torch_s)

    measured["open_dock_ms"] = milliseconds(plugin().show_dock)
    flow = plugin().flow
    flow.dock.segment_panel.confidence_check.setChecked(False)
    flow.dock.segment_panel.polygons_check.setChecked(False)
    layer = iface.addRasterLayer(str(large), "large")
    qtbot.waitUntil(flow.dock.segment_panel.segment_button.isEnabled, timeout=LONG_MS)
    qtbot.waitUntil(lambda: flow.dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
    qtbot.waitUntil(lambda: flow.segment._checked is not None, timeout=LONG_MS)
    qtbot.wait(2000)

    cold = []
    for _ in range(max(2, ROUNDS // 2)):
        manager().stop()
        qtbot.wait(500)
        cold.append(Run(qtbot).first_s)
        qtbot.wait(3000)
    measured["cold_first_progress_s"] = statistics.median(cold)
    Run(qtbot)
    warm = [Run(qtbot) for _ in range(ROUNDS)]
    measured["warm_first_progress_ms"] = 1000 * statistics.median(run.first_s for run in warm)
    measured["longest_block_ms"] = statistics.median(run.longest_ms for run in warm)
    measured["worst_block_ms"] = max(run.longest_ms for run in warm)
    command = []
    for _ in range(ROUNDS):
        out = tmp_path / "command.tif"
        start = time.perf_counter()
        nirlora("segment", "--layer", large, "--model", model, "--out", out)
        command.append(time.perf_counter() - start)
    measured["click_to_layer_s"] = statistics.median(run.whole_s for run in warm)
    measured["command_line_s"] = statistics.median(command)
    measured["ratio"] = measured["click_to_layer_s"] / measured["command_line_s"]
    measured["megapixels"] = layer.width() * layer.height() / 1e6
    Path(os.environ["NIRLORA_MEASURED"]).write_text(json.dumps(measured))
