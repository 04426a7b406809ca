"""What a user does from a raster to a map, in the real desktop and with the real backend."""

from __future__ import annotations

import os
from pathlib import Path

from flow_tools import (
    DRAWN,
    GALILEO,
    LONG_MS,
    SIDE_M,
    click,
    draw_polygon,
    message_texts,
    open_field,
    plugin,
    press_segment,
    same_grid,
    square,
    use_model,
)
from osgeo import gdal
from qgis.core import QgsProject
from qgis.PyQt.QtCore import Qt

from nir_lora_plugin.ui.class_table import ClassTable


def test_from_a_raster_to_a_map(iface, dock, field, qtbot, screenshot, opened_reports):
    panel, steps = dock.training_panel, dock.steps
    assert not panel.make_button.isEnabled()
    assert steps[0].state == "current"
    layer = open_field(iface, field, qtbot)
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
    qtbot.wait(1500)  # an estimate is made meanwhile, and must not save
    assert training.layer.isModified()
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
    layer = open_field(iface, field, qtbot)
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
    source = gdal.Open(str(field))
    scale = [[0, 10000, 0, 1]] * source.RasterCount
    gdal.Translate(str(other), source, scaleParams=scale, outputType=gdal.GDT_Float32)
    target = gdal.Open(str(other), gdal.GA_Update)
    for band in range(1, source.RasterCount + 1):
        target.GetRasterBand(band).SetDescription(source.GetRasterBand(band).GetDescription())
    del target
    open_field(iface, other, qtbot)
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
    layer = open_field(iface, field, qtbot)
    use_model(dock, model, field.parent, qtbot)
    iface.setActiveLayer(layer)
    before = set(QgsProject.instance().mapLayers())
    plugin().segment_action.trigger()
    qtbot.waitUntil(lambda: set(QgsProject.instance().mapLayers()) > before, timeout=LONG_MS)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
