"""Measures the plugin inside QGIS; run by tests/benchmarks/qgis_speed.py, not collected as a test.

Writes what it measured, every round, to the file that NIRLORA_MEASURED names.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from pathlib import Path

from flow_tools import (
    LONG_MS,
    backend_processes,
    backend_python,
    click,
    make_field,
    make_large,
    manager,
    nirlora,
    plugin,
    start_training,
    write_labels,
)
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QTimer
from test_killed import kill_qgis

ROUNDS = int(os.environ.get("NIRLORA_ROUNDS", "5"))
FACTOR = int(os.environ.get("NIRLORA_FACTOR", "4"))  # of the orchard's 987 x 816 pixels, a side
HEARTBEAT_MS = 5
REST_MS = 10_000
STARTING = ("", "starting the process that computes")  # said before anything is done


class Blocks:
    """The longest time for which the event loop did not turn, by a heartbeat, within a ``with``."""

    def __init__(self):
        self._timer = QTimer()
        self._timer.setInterval(HEARTBEAT_MS)
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


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def bare_import():
    """Seconds that a fresh Python of the backend takes for the imports that the worker cannot do without."""
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH", "PYTHONHOME")}
    command = [backend_python(), "-I", "-W", "ignore", "-c", "import torch, timm, peft"]
    return seconds(lambda: subprocess.run(command, check=True, env=keep, stderr=subprocess.DEVNULL))


def processor_s():
    """Processor seconds that QGIS and its backend have used."""
    ticks = 0
    for pid in (os.getpid(), *backend_processes()):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Run:
    """One press of the button.

    Attributes:
        first_s: Until the dock shows the first progress that the worker itself tells.
        whole_s: Until the map is in the project.
        cpu_s: Processor time of QGIS and the backend meanwhile.
        longest_ms: The longest block of the event loop meanwhile.
    """

    def __init__(self, qtbot):
        flow = plugin().flow
        panel, seen = flow.dock.segment_panel, []
        before = set(QgsProject.instance().mapLayers())
        show = panel.show_record

        def look(record):
            show(record)
            progress = record.progress
            if record.state == "running" and (progress.fraction or progress.message not in STARTING):
                seen.append(time.perf_counter())

        panel.show_record = look
        with Blocks() as blocks:
            start, used = time.perf_counter(), processor_s()
            click(panel.segment_button, qtbot)
            qtbot.waitUntil(lambda: bool(flow.session.running), timeout=LONG_MS)
            qtbot.waitUntil(lambda: not flow.session.running, timeout=LONG_MS)
            self.whole_s, self.cpu_s = time.perf_counter() - start, processor_s() - used
            qtbot.wait(300)  # what is done when the map is there counts as a block too
        del panel.show_record
        added = [v for k, v in QgsProject.instance().mapLayers().items() if k not in before]
        assert added, panel.result_notice.text()
        self.first_s = seen[0] - start
        self.longest_ms = blocks.longest_ms
        QgsProject.instance().removeMapLayers([layer.id() for layer in added])
        qtbot.wait(1000)


def train_a_model(field, out):
    labels = field.with_name("labels.gpkg")
    write_labels(field, labels)
    nirlora("train", "--layer", field, "--labels", labels, "--out", out, "--backbone", "vit-demo",
            "--no-pretrained", "--max-seconds", 5)  # fmt: skip
    labels.unlink()


def command_line(large, model, folder):
    """(seconds by the clock, those that it says itself, processor seconds) of the same job in a terminal."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    told = nirlora("segment", "--layer", large, "--model", model, "--out", folder / "command.tif", "--json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, json.loads(told.stdout)["seconds"], used


def block_at_rest(qtbot):
    """The longest block of the event loop while nothing is asked of QGIS: the machine's own part."""
    with Blocks() as blocks:
        qtbot.wait(REST_MS)
    return blocks.longest_ms


def block_in_training(iface, dock, field, qtbot):
    """The longest block of the event loop while a training runs in the dock and its plot is drawn."""
    write_labels(field, field.with_name("orchard_training.gpkg"))
    flow = plugin().flow
    flow.layer.choose(iface.addRasterLayer(str(field), "orchard"))
    qtbot.waitUntil(dock.training_panel.make_button.isEnabled, timeout=LONG_MS)
    dock.open_step(1)
    click(dock.training_panel.make_button, qtbot)
    qtbot.wait(2000)
    with Blocks() as blocks:
        start_training(dock, 0.2, qtbot)
        qtbot.waitUntil(lambda: not flow.session.running, timeout=LONG_MS)
        qtbot.wait(300)
    return blocks.longest_ms


def test_measure(iface, qtbot, tmp_path, opened_reports):
    field = make_field(tmp_path)
    model = tmp_path / "model.nirlora"
    train_a_model(field, model)
    large = make_large(field, FACTOR)
    open_dock_ms = 1000 * seconds(plugin().show_dock)
    flow = plugin().flow
    dock = flow.dock
    dock.segment_panel.confidence_check.setChecked(False)
    dock.segment_panel.polygons_check.setChecked(False)
    layer = iface.addRasterLayer(str(large), "large")
    qtbot.waitUntil(dock.segment_panel.segment_button.isEnabled, timeout=LONG_MS)
    qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
    qtbot.waitUntil(lambda: flow.segment._checked is not None, timeout=LONG_MS)
    Run(qtbot)  # the first one reads the file from the disk
    cold, warm, commands, imports, rest = [], [], [], [], []
    for _ in range(ROUNDS):  # in turn, so that what else the machine does falls on all alike
        imports.append(bare_import())
        commands.append(command_line(large, model, tmp_path))
        manager().stop()
        qtbot.wait(1500)
        cold.append(Run(qtbot))
        qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
        qtbot.waitUntil(lambda: flow.segment._checked is not None, timeout=LONG_MS)
        rest.append(block_at_rest(qtbot))
        warm.append(Run(qtbot))
    measured = {
        "megapixels": layer.width() * layer.height() / 1e6,
        "open_dock_ms": open_dock_ms,
        "import_torch_timm_peft_s": imports,
        "cold_first_progress_s": [run.first_s for run in cold],
        "warm_first_progress_s": [run.first_s for run in warm],
        "cold_click_to_layer_s": [run.whole_s for run in cold],
        "warm_click_to_layer_s": [run.whole_s for run in warm],
        "command_line_s": [wall for wall, _, _ in commands],
        "command_line_own_s": [own for _, own, _ in commands],
        "cold_cpu_s": [run.cpu_s for run in cold],
        "command_line_cpu_s": [used for _, _, used in commands],
        "block_at_rest_ms": rest,
        "block_segment_ms": [run.longest_ms for run in warm],
        "block_cold_ms": [run.longest_ms for run in cold],
        "block_train_ms": [block_in_training(iface, dock, field, qtbot)],
        "gone_after_kill_s": [],
    }
    target = Path(os.environ["NIRLORA_MEASURED"])
    target.write_text(json.dumps(measured))
    for i in range(2):
        folder = tmp_path / f"victim{i}"
        folder.mkdir()
        (folder / "field.tif").symlink_to(large)
        (folder / "model.nirlora").write_bytes(model.read_bytes())
        measured["gone_after_kill_s"].append(kill_qgis(folder, "segment"))
    target.write_text(json.dumps(measured))
