"""Goes the user's way from a raster to a map and takes pictures; run by docs/make_screenshots.py, no test."""

from __future__ import annotations

import os
from pathlib import Path

import processing
import pytest
from flow_tools import (
    LONG_MS,
    click,
    draw_polygon,
    make_field,
    open_field,
    plugin,
    press_segment,
)
from qgis.core import QgsContrastEnhancement, QgsProject, QgsRasterMinMaxOrigin, QgsSingleBandGrayRenderer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QVBoxLayout, QWidget

from nir_lora_plugin.backend_process.manager import manager
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.ui.class_table import ClassTable
from nir_lora_plugin.ui.setup_panel import SetupPanel
from nir_lora_plugin.ui.style import stylesheet

SIZE = (1360, 900)
NIR = 4
MINUTES = float(os.environ.get("NIRLORA_MINUTES", "3"))
# Where the orchard shows what, as shares of its width and of its height from below.
PLACES = {
    "tree": ((0.153, 0.129), (0.190, 0.319), (0.102, 0.490), (0.171, 0.679), (0.417, 0.703), (0.456, 0.161)),
    "crop": (
        *((0.811, 0.700), (0.755, 0.516), (0.699, 0.390), (0.897, 0.412), (0.755, 0.205)),
        *((0.583, 0.672), (0.583, 0.435), (0.608, 0.844)),  # at the ends of the rows
    ),
    "soil": (
        *((0.505, 0.527), (0.161, 0.184), (0.332, 0.392), (0.455, 0.828), (0.543, 0.249), (0.262, 0.798)),
        *((0.648, 0.591), (0.811, 0.493), (0.699, 0.293)),  # between the rows
    ),
}
RADIUS_M = {"tree": 1.0, "crop": 0.9, "soil": 0.6}
CORNERS = ((1.0, 0.1), (0.6, 0.8), (-0.2, 1.0), (-0.9, 0.5), (-0.8, -0.6), (0.1, -1.0), (0.8, -0.7))


@pytest.fixture
def desktop(iface, qtbot):
    """The main window in a handy size, with the panels that matter."""
    window = iface.mainWindow()
    window.setGeometry(0, 0, *SIZE)
    for dock in window.findChildren(QDockWidget):
        if dock.objectName() == "Browser":
            dock.hide()
    layers = window.findChild(QDockWidget, "Layers")
    window.resizeDocks([layers], [260], Qt.Orientation.Horizontal)
    return iface


def show_band(layer, band):
    """Show one band in grey, as someone looks at it who works with it."""
    layer.setRenderer(QgsSingleBandGrayRenderer(layer.dataProvider(), band))
    layer.setContrastEnhancement(
        QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
        QgsRasterMinMaxOrigin.Limits.CumulativeCut,
    )
    layer.triggerRepaint()


def outline(extent, place, radius):
    """Corners, not too regular, of a polygon around a place of the raster."""
    x = extent.xMinimum() + place[0] * extent.width()
    y = extent.yMinimum() + place[1] * extent.height()
    return [(x + radius * dx, y + radius * dy) for dx, dy in CORNERS]


def draw_classes(iface, panel, layer, qtbot):
    table = panel.findChild(ClassTable)
    for name in PLACES:
        qtbot.keyClicks(table.name_edit, name)
        click(table.add_button, qtbot)
    for name, places in PLACES.items():
        qtbot.waitUntil(lambda: len(table.names()) == len(PLACES))
        place = table.table.visualRect(table.table.model().index(table.names().index(name), 1)).center()
        qtbot.mouseClick(table.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        if not panel.draw_button.isChecked():
            click(panel.draw_button, qtbot)
        qtbot.waitUntil(lambda name=name: panel.draw_button.text() == f"Drawing {name}")
        for one in places:
            draw_polygon(iface.mapCanvas(), outline(layer.extent(), one, RADIUS_M[name]), qtbot)


def settle(iface, qtbot):
    """Wait until the map is painted, and no message covers it."""
    qtbot.wait(700)
    qtbot.waitUntil(lambda: not iface.mapCanvas().isDrawing(), timeout=LONG_MS)
    iface.messageBar().clearWidgets()
    QApplication.processEvents()


def test_the_four_steps(desktop, dock, qtbot, screenshot, opened_reports):
    folder = Path(os.environ["NIRLORA_PICTURE_FOLDER"])
    field = make_field(folder)
    panel, train, segment = dock.training_panel, dock.train_panel, dock.segment_panel
    layer = open_field(desktop, field, qtbot)
    show_band(layer, NIR)
    desktop.mapCanvas().setExtent(layer.extent())
    dock.open_step(0)
    settle(desktop, qtbot)
    screenshot("1-layer", dock)

    dock.open_step(0, False)
    dock.open_step(1)
    click(panel.make_button, qtbot)
    draw_classes(desktop, panel, layer, qtbot)
    settle(desktop, qtbot)
    screenshot("2-polygons")

    dock.open_step(1, False)
    dock.open_step(2)
    qtbot.waitUntil(lambda: "polygons" in train.estimate_label.text(), timeout=LONG_MS)
    settle(desktop, qtbot)
    screenshot("3-train", dock)
    train.settings_view.set_mode("expert")
    train.settings_view.minutes_spin.setValue(MINUTES)
    click(train.train_button, qtbot)
    flow = plugin().flow
    qtbot.waitUntil(lambda: flow.session.running == "train", timeout=LONG_MS)
    share = train.plot.loss.points
    qtbot.waitUntil(lambda: bool(share) and share[-1][0] > 0.6, timeout=2 * LONG_MS)
    settle(desktop, qtbot)
    screenshot("4-training")
    qtbot.waitUntil(lambda: not flow.session.running, timeout=2 * LONG_MS)

    dock.open_step(2, False)
    dock.open_step(3)
    qtbot.waitUntil(segment.segment_button.isEnabled, timeout=LONG_MS)
    segment.confidence_check.setChecked(True)
    segment.polygons_check.setChecked(False)
    press_segment(qtbot)
    qtbot.waitUntil(lambda: not flow.session.running, timeout=LONG_MS)
    (made,) = (one for one in QgsProject.instance().mapLayers().values() if one.name() == "orchard_orchard")
    qtbot.wait(500)
    desktop.actionPan().trigger()
    root = QgsProject.instance().layerTreeRoot()
    root.findLayer(flow.session.training.layer.id()).setItemVisibilityChecked(False)
    root.findLayer(made.id()).setExpanded(True)
    root.findLayer(layer.id()).setExpanded(False)
    settle(desktop, qtbot)
    screenshot("5-map")
    settings = {"INPUT": layer.id(), "MODEL": str(field.with_name("orchard.nirlora"))}
    dialog = processing.createAlgorithmDialog("nirlora:segment", settings)
    dialog.resize(820, 560)
    dialog.show()
    qtbot.wait(500)
    screenshot("7-processing", dialog)
    dialog.close()
    dialog.deleteLater()


def test_the_set_up(dock, qtbot, screenshot, tmp_path, monkeypatch):
    manager().stop()
    for name in ("NIRLORA_PYTHON", "NIRLORA_STATE_DIR"):
        monkeypatch.delenv(name)
    Settings.HOME.set("/home/me/nir-lora")
    try:
        frame = QWidget()
        frame.setStyleSheet(stylesheet())
        layout = QVBoxLayout(frame)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(SetupPanel())
        frame.setFixedWidth(400)
        qtbot.addWidget(frame)
        frame.show()
        qtbot.wait(200)
        frame.resize(400, layout.heightForWidth(400))
        qtbot.wait(200)
        screenshot("6-set-up", frame)
    finally:
        Settings.HOME.reset()
