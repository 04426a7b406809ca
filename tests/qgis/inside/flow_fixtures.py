"""Fixtures of the tests of the whole flow; conftest.py hands them on."""

from __future__ import annotations

import pytest
from flow_tools import LONG_MS, make_field, nirlora, open_field, plugin, write_labels
from qgis.PyQt.QtCore import QObject, Qt, pyqtSlot
from qgis.PyQt.QtGui import QDesktopServices


@pytest.fixture
def opened_reports():
    """Files that the plugin asked the system to open."""

    class Handler(QObject):
        def __init__(self):
            super().__init__()
            self.paths = []

        @pyqtSlot("QUrl")
        def see(self, url):
            self.paths.append(url.toLocalFile())

    handler = Handler()
    QDesktopServices.setUrlHandler("file", handler, "see")
    yield handler.paths
    QDesktopServices.unsetUrlHandler("file")


@pytest.fixture
def field(tmp_path):
    return make_field(tmp_path)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small model that was trained before, on another copy of the field."""
    folder = tmp_path_factory.mktemp("model")
    raster, labels = make_field(folder), folder / "orchard_training.gpkg"
    write_labels(raster, labels)
    out = folder / "before.nirlora"
    nirlora("train", "--layer", raster, "--labels", labels, "--out", out, "--backbone", "vit-demo",
            "--no-pretrained", "--max-seconds", 3)  # fmt: skip
    return out


@pytest.fixture
def dock(iface, qtbot):
    """The plugin's dock, opened by its toolbar button, with a backend that answers."""
    action = plugin().dock_action
    if not action.isChecked():
        action.trigger()
    dock = plugin().flow.dock
    qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
    yield dock
    flow = plugin().flow
    if flow is not None:
        flow.train.cancel()
        flow.adapt.cancel()
        flow.segment.cancel()
        qtbot.waitUntil(lambda: not flow.session.running, timeout=LONG_MS)


@pytest.fixture
def adapt_panel(iface, dock, field, qtbot):
    """The card, open, set to adapt a small network to the field for a few seconds."""
    open_field(iface, field, qtbot)
    if not dock.adapt_card.is_open():
        qtbot.mouseClick(dock.adapt_card.header, Qt.MouseButton.LeftButton)
    panel = dock.adapt_panel
    panel.show_setup()
    panel.backbone_combo.choose("vit-demo")
    panel.minutes_spin.setValue(0.1)
    return panel
