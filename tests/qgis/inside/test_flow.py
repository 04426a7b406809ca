"""What a user does from a raster to a map, in the real desktop and with the real backend."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import qgis.utils
from flow_tools import (
    GALILEO,
    LONG_MS,
    child_processes,
    click,
    draw_polygon,
    make_field,
    make_large,
    nirlora,
    plugin,
    square,
)
from osgeo import gdal, ogr
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QObject, Qt, pyqtSlot
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QDockWidget, QPushButton

from nir_lora_plugin.backend_process.manager import manager
from nir_lora_plugin.ui.class_table import ClassTable

# Where the orchard shows what: (class, [(share of the width, share of the height from below)]).
DRAWN = (
    ("tree", ((0.100, 0.680), (0.260, 0.420), (0.330, 0.560))),
    ("crop", ((0.700, 0.660), (0.800, 0.500), (0.650, 0.370))),
    ("soil", ((0.475, 0.700), (0.490, 0.420), (0.505, 0.320))),
)
SIDE_M = 1.6


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


def write_labels(raster, labels):
    """Write the squares of DRAWN as training polygons."""
    data = ogr.GetDriverByName("GPKG").CreateDataSource(str(labels))
    source = gdal.Open(str(raster))
    spatial = source.GetSpatialRef()
    table = data.CreateLayer("training", spatial, ogr.wkbPolygon)
    table.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    left, step, _, top, _, down = source.GetGeoTransform()
    for name, places in DRAWN:
        for across, up in places:
            x = left + across * step * source.RasterXSize
            y = top + (1 - up) * down * source.RasterYSize
            ring = ogr.Geometry(ogr.wkbLinearRing)
            for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)):
                ring.AddPoint_2D(x + dx * SIDE_M, y + dy * SIDE_M)
            polygon = ogr.Geometry(ogr.wkbPolygon)
            polygon.AddGeometry(ring)
            feature = ogr.Feature(table.GetLayerDefn())
            feature.SetField("class", name)
            feature.SetGeometry(polygon)
            table.CreateFeature(feature)
    del table, data


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
        flow.segment.cancel()
        qtbot.waitUntil(lambda: not flow.session.running, timeout=LONG_MS)


def open_field(iface, dock, field, qtbot):
    """Open the raster in QGIS and wait until the dock has read it."""
    layer = iface.addRasterLayer(str(field), field.stem)
    flow = plugin().flow
    qtbot.waitUntil(lambda: flow.session.layer == layer and bool(flow.session.inspected), timeout=LONG_MS)
    iface.mapCanvas().setExtent(layer.extent())
    iface.mapCanvas().refresh()
    qtbot.wait(500)
    return layer


def use_model(dock, model, folder, qtbot):
    """Have the trained model lie beside the raster, as one that was handed over."""
    target = folder / model.name
    target.write_bytes(model.read_bytes())
    flow = plugin().flow
    flow.models.refresh(str(target))
    qtbot.waitUntil(
        lambda: flow.session.model is not None and flow.session.model.path == str(target), timeout=LONG_MS
    )
    qtbot.waitUntil(dock.segment_panel.segment_button.isEnabled, timeout=LONG_MS)


def press_segment(qtbot):
    """Press the button; the job starts once the model is known to fit."""
    flow = plugin().flow
    click(flow.dock.segment_panel.segment_button, qtbot)
    qtbot.waitUntil(lambda: flow.session.running == "segment", timeout=LONG_MS)


def message_texts(iface):
    return [item.text() for item in iface.messageBar().items()]


def files_in(folder):
    """Names in ``folder``, without the statistics that QGIS writes beside rasters."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".aux.xml"))


def same_grid(one, other):
    a, b = gdal.Open(str(one)), gdal.Open(str(other))
    assert a.GetGeoTransform() == pytest.approx(b.GetGeoTransform(), abs=1e-9)
    assert (a.RasterXSize, a.RasterYSize) == (b.RasterXSize, b.RasterYSize)
    assert a.GetSpatialRef().IsSame(b.GetSpatialRef())


def test_from_a_raster_to_a_map(iface, dock, field, qtbot, screenshot, opened_reports):
    panel, steps = dock.training_panel, dock.steps
    assert not panel.make_button.isEnabled()
    assert steps[0].state == "current"
    layer = open_field(iface, dock, field, qtbot)
    assert steps[0].state == "done"
    assert steps[1].state == "current"
    assert "nir" in steps[0].header.summary
    screenshot("1-layer")

    click(panel.make_button, qtbot)
    training = plugin().flow.session.training
    assert training is not None, message_texts(iface)
    assert Path(training.layer.source().split("|")[0]).name == "orchard_training.gpkg"
    assert "two classes" in dock.train_panel.missing_label.text()
    table = panel.findChild(ClassTable)
    for name, _ in DRAWN:
        qtbot.keyClicks(table.name_edit, name)
        click(table.add_button, qtbot)
    extent = layer.extent()
    for name, places in DRAWN:
        qtbot.waitUntil(lambda: len(table.names()) == len(DRAWN))
        place = table.table.visualRect(table.table.model().index(table.names().index(name), 1)).center()
        qtbot.mouseClick(table.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        if not panel.draw_button.isChecked():
            click(panel.draw_button, qtbot)
        qtbot.waitUntil(lambda name=name: panel.draw_button.text() == f"Drawing {name}")
        for across, up in places:
            draw_polygon(iface.mapCanvas(), square(extent, across, up, 2 * SIDE_M), qtbot)
    drawn = {name: 3 for name, _ in DRAWN}
    qtbot.waitUntil(lambda: {c.name: c.count for c in training.classes()} == drawn)
    screenshot("2-training-polygons")
    draw_polygon(iface.mapCanvas(), square(extent, 0.3, 0.3, SIDE_M), qtbot)
    qtbot.waitUntil(lambda: sum(c.count for c in training.classes()) == 10)
    click(panel.undo_button, qtbot)
    qtbot.waitUntil(lambda: sum(c.count for c in training.classes()) == 9)

    train = dock.train_panel
    qtbot.waitUntil(lambda: "polygons" in train.estimate_label.text(), timeout=LONG_MS)
    train.settings_view.set_mode("expert")
    if GALILEO.exists():
        train.settings_view.set_backbone(f"galileo-nano:p8={GALILEO}")
    else:
        train.settings_view.set_backbone("vit-demo")
        train.settings_view.pretrained_check.setChecked(False)
    train.settings_view.minutes_spin.setValue(float(os.environ.get("NIRLORA_MINUTES", "0.3")))
    qtbot.waitUntil(lambda: "less than a minute" in train.estimate_label.text(), timeout=LONG_MS)
    screenshot("3-train-settings")
    click(train.train_button, qtbot)
    assert plugin().flow.session.running == "train"
    qtbot.waitUntil(lambda: len(train.plot.loss.points) >= 3, timeout=LONG_MS)
    assert train.job_view.keep_button.isVisible()
    assert "loss" in train.job_view.numbers_label.text()
    screenshot("4-training")
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
    model_path = field.with_name("orchard.nirlora")
    assert model_path.exists()
    assert opened_reports == [str(field.with_name("orchard_report.html"))]
    assert "ready" in train.result_notice.text()
    assert train.again_button.isVisible()

    segment = dock.segment_panel
    qtbot.waitUntil(lambda: plugin().flow.session.model is not None, timeout=LONG_MS)
    assert segment.model_list.current().path == str(model_path)
    qtbot.waitUntil(segment.segment_button.isEnabled, timeout=LONG_MS)
    segment.confidence_check.setChecked(True)
    segment.polygons_check.setChecked(True)
    segment.min_area_spin.setValue(0.5)
    screenshot("5-segment")
    before = set(QgsProject.instance().mapLayers())
    press_segment(qtbot)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
    added = {k: v for k, v in QgsProject.instance().mapLayers().items() if k not in before}
    names = [node.name() for node in QgsProject.instance().layerTreeRoot().findLayers()]
    maps = [v for v in added.values() if v.source().endswith("orchard_orchard.tif")]
    assert len(maps) == 1
    assert len(added) == 3, names
    order = [node.layerId() for node in QgsProject.instance().layerTreeRoot().findLayers()]
    assert order.index(maps[0].id()) < order.index(layer.id()), "the map lies above its source"
    same_grid(maps[0].source(), field)
    raster = gdal.Open(maps[0].source()).ReadAsArray()
    assert set(raster.ravel().tolist()) <= {0, 1, 2, 255}
    assert gdal.Open(maps[0].source()).GetRasterBand(1).GetNoDataValue() == 255
    source = gdal.Open(str(field)).ReadAsArray()
    assert ((raster == 255) == (source == 0).any(axis=0)).mean() > 0.999
    assert QgsProject.instance().layerTreeRoot().findLayer(maps[0].id()).isExpanded()
    legend = {label for label, _ in maps[0].renderer().legendSymbologyItems()}
    assert {name for name, _ in DRAWN} <= legend
    table = segment.area_table.table
    assert table.isVisible()
    assert {table.item(i, 0).text() for i in range(table.rowCount())} == {name for name, _ in DRAWN}
    qtbot.wait(1500)  # until the map is painted
    screenshot("6-map")


def test_the_visible_part_only(iface, dock, field, model, qtbot):
    layer = open_field(iface, dock, field, qtbot)
    use_model(dock, model, field.parent, qtbot)
    canvas, panel = iface.mapCanvas(), dock.segment_panel
    canvas.zoomByFactor(0.4)
    qtbot.wait(300)
    panel.set_area("extent")
    panel.confidence_check.setChecked(False)
    panel.polygons_check.setChecked(False)
    before = set(QgsProject.instance().mapLayers())
    press_segment(qtbot)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
    panel.set_area("layer")
    (made,) = (v for k, v in QgsProject.instance().mapLayers().items() if k not in before)
    values = gdal.Open(made.source()).ReadAsArray()
    same_grid(made.source(), field)
    shown = canvas.extent().intersect(layer.extent())
    share = shown.width() * shown.height() / (layer.extent().width() * layer.extent().height())
    assert 0.3 * share < (values != 255).mean() < 1.1 * share


def test_a_model_that_does_not_fit_is_named_before_the_run(iface, dock, field, model, qtbot, screenshot):
    other = field.with_name("scaled.tif")
    gdal.Translate(str(other), str(field), scaleParams=[[0, 10000, 0, 1]] * 4, outputType=gdal.GDT_Float32)
    source, target = gdal.Open(str(field)), gdal.Open(str(other), gdal.GA_Update)
    for band in range(1, 5):
        target.GetRasterBand(band).SetDescription(source.GetRasterBand(band).GetDescription())
    del target
    open_field(iface, dock, other, qtbot)
    (other.parent / model.name).write_bytes(model.read_bytes())
    plugin().flow.models.refresh(str(other.parent / model.name))
    panel = dock.segment_panel
    qtbot.waitUntil(lambda: bool(panel.check_notices.texts()), timeout=LONG_MS)
    screenshot("7-misfit")
    assert "nir" in panel.check_notices.texts()[0]
    assert not panel.segment_button.isEnabled()
    panel.allow_check.setChecked(True)
    assert panel.segment_button.isEnabled()
    panel.allow_check.setChecked(False)


def test_the_context_menu_segments_at_once(iface, dock, field, model, qtbot):
    layer = open_field(iface, dock, field, qtbot)
    use_model(dock, model, field.parent, qtbot)
    iface.setActiveLayer(layer)
    before = set(QgsProject.instance().mapLayers())
    plugin().segment_action.trigger()
    qtbot.waitUntil(lambda: set(QgsProject.instance().mapLayers()) > before, timeout=LONG_MS)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)


def test_cancelling_leaves_nothing_behind(iface, dock, field, model, qtbot, screenshot):
    large = make_large(field, 6)
    open_field(iface, dock, large, qtbot)
    use_model(dock, model, field.parent, qtbot)
    files, layers = files_in(field.parent), set(QgsProject.instance().mapLayers())
    panel = dock.segment_panel
    press_segment(qtbot)
    qtbot.waitUntil(lambda: "px/s" in panel.job_view.numbers_label.text(), timeout=LONG_MS)
    screenshot("8-segmenting")
    click(panel.job_view.cancel_button, qtbot)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
    assert "Cancelled" in panel.result_notice.text()
    assert set(QgsProject.instance().mapLayers()) == layers
    assert files_in(field.parent) == files


def test_the_dock_recovers_when_the_backend_dies(iface, dock, field, model, qtbot, screenshot):
    large = make_large(field, 6)
    open_field(iface, dock, large, qtbot)
    use_model(dock, model, field.parent, qtbot)
    panel = dock.segment_panel
    press_segment(qtbot)
    qtbot.waitUntil(lambda: "px/s" in panel.job_view.numbers_label.text(), timeout=LONG_MS)
    (killed,) = (pid for pid, words in child_processes().items() if "nirlora" in words)
    os.kill(killed, signal.SIGKILL)
    qtbot.waitUntil(lambda: any("backend" in text for text in message_texts(iface)), timeout=LONG_MS)
    qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
    assert "ended during the run" in panel.result_notice.text()
    screenshot("9-backend-died")
    (now,) = (pid for pid, words in child_processes().items() if "nirlora" in words)
    assert now != killed
    iface.messageBar().clearWidgets()
    plugin().flow.layer.choose(open_field(iface, dock, field, qtbot))
    qtbot.waitUntil(panel.segment_button.isEnabled, timeout=LONG_MS)
    before = set(QgsProject.instance().mapLayers())
    press_segment(qtbot)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
    assert set(QgsProject.instance().mapLayers()) > before


def test_loading_and_unloading_leaves_nothing(iface, qtbot):
    def counts():
        qtbot.wait(50)
        window = iface.mainWindow()
        actions = [a for a in window.findChildren(type(plugin().dock_action)) if "NirLora" in a.objectName()]
        docks = [d for d in window.findChildren(QDockWidget) if d.objectName() == "NirLoraDock"]
        from qgis.core import QgsApplication

        providers = [p.id() for p in QgsApplication.processingRegistry().providers()]
        buttons = [b for b in window.findChildren(QPushButton) if b.objectName() == "primary"]
        threads = len([*Path("/proc/self/task").iterdir()])
        return len(actions), len(docks), providers.count("nirlora"), len(buttons), threads

    def cycle():
        plugin().dock_action.trigger()
        dock = plugin().flow.dock
        qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
        (child,) = (pid for pid, words in child_processes().items() if "nirlora" in words)
        assert qgis.utils.unloadPlugin("nir_lora_plugin")
        qtbot.waitUntil(lambda: child not in child_processes(), timeout=LONG_MS)
        assert qgis.utils.loadPlugin("nir_lora_plugin")
        assert qgis.utils.startPlugin("nir_lora_plugin")

    if plugin().dock_action.isChecked():
        plugin().dock_action.trigger()
        assert qgis.utils.reloadPlugin("nir_lora_plugin") is None
    cycle()
    first = counts()
    assert first[:3] == (3, 0, 1)
    for _ in range(4):
        cycle()
    after = counts()
    assert after[:4] == first[:4]
    assert after[4] <= first[4] + 2, "threads are left behind"
    assert not [words for words in child_processes().values() if "nirlora" in words]
    assert not manager().is_running
