"""Carrying a model to a field without polygons, by the buttons of the dock."""

from __future__ import annotations

import shutil

import pytest
from cards import card
from flow_tools import (
    LONG_MS,
    click,
    files_in,
    not_running,
    open_field,
    plugin,
    press_segment,
    same_grid,
    scratch_folders,
    write_labels,
)
from osgeo import gdal
from qgis.core import QgsProject
from qgis.PyQt.QtCore import Qt


@pytest.fixture
def two_fields(iface, dock, field, tmp_path, qtbot):
    """A field with polygons, chosen, and another one without, in another folder."""
    (tmp_path / "there").mkdir()
    other = tmp_path / "there" / "neighbour.tif"
    shutil.copy(field, other)
    iface.addRasterLayer(str(other), "neighbour")
    write_labels(field, field.with_name("orchard_training.gpkg"))
    open_field(iface, field, qtbot)
    click(dock.training_panel.make_button, qtbot)
    assert plugin().flow.session.training is not None
    return field, other


@pytest.fixture
def card_open(dock, two_fields, qtbot):
    """The card, open, with the neighbour ticked and a small network in expert mode."""
    view = dock.train_panel.settings_view
    view.set_mode("expert")
    view.set_backbone("vit-demo")
    view.pretrained_check.setChecked(False)
    view.minutes_spin.setValue(0.15)
    if not dock.carry_card.is_open():
        qtbot.mouseClick(dock.carry_card.header, Qt.MouseButton.LeftButton)
    panel = dock.carry_panel
    qtbot.waitUntil(lambda: panel.rasters.list.count() == 1)
    panel.rasters.list.item(0).setCheckState(Qt.CheckState.Checked)
    return panel


def test_a_carried_model_maps_the_other_field(
    iface, dock, card_open, two_fields, qtbot, screenshot, opened_reports
):
    _, other = two_fields
    assert card_open.rasters.list.item(0).text() == "neighbour"
    qtbot.waitUntil(lambda: "rounds: 0" in card_open.estimate_label.text(), timeout=LONG_MS)
    card_open.rounds_spin.setValue(1)
    qtbot.waitUntil(lambda: "rounds: 1" in card_open.estimate_label.text(), timeout=LONG_MS)
    assert card_open.stabiliser_combo.isVisible()
    screenshot("10-carry")
    train, seen = dock.train_panel, set()
    click(card_open.carry_button, qtbot)
    assert plugin().flow.session.running == "train"
    assert not card_open.carry_button.isEnabled()
    assert not dock.carry_card.is_open()
    plugin().flow.train.job.progressed.connect(lambda record: seen.add(train.job_view.stage_label.text()))
    qtbot.waitUntil(lambda: bool(train.plot.loss.points), timeout=LONG_MS)
    screenshot("11-carrying")
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    for stage in ("from the polygons", "own map, round 1", "for round 1"):
        assert any(stage in words for words in seen), (stage, seen)
    model = other.with_name("orchard_to_neighbour.nirlora")
    assert model.exists(), train.result_notice.text()
    assert opened_reports == [str(other.with_name("orchard_to_neighbour_report.html"))]
    assert "neighbour is ready" in train.result_notice.text()
    assert card(model)["training"]["request"]["target_layers"][0]["path"] == str(other)
    screenshot("12-carried")

    click(train.target_button, qtbot)
    flow, segment = plugin().flow, dock.segment_panel
    assert flow.session.layer.name() == "neighbour"
    qtbot.waitUntil(
        lambda: flow.session.model is not None and flow.session.model.path == str(model), timeout=LONG_MS
    )
    qtbot.waitUntil(segment.segment_button.isEnabled, timeout=LONG_MS)
    before = set(QgsProject.instance().mapLayers())
    press_segment(qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    added = [v for k, v in QgsProject.instance().mapLayers().items() if k not in before]
    (made,) = [layer for layer in added if layer.name() == "neighbour_orchard_to_neighbour"]
    same_grid(made.source(), other)
    assert set(gdal.Open(made.source()).ReadAsArray().ravel().tolist()) <= {0, 1, 2, 255}
    flow.layer.choose(QgsProject.instance().mapLayersByName("orchard")[0])
    dock.open_more(dock.carry_card)
    qtbot.waitUntil(lambda: card_open.rasters.list.count() == 1)  # the map is no field to carry to


def test_cancelling_leaves_nothing(dock, card_open, two_fields, qtbot):
    field, other = two_fields
    files, there, scratch = files_in(field.parent), files_in(other.parent), scratch_folders()
    dock.train_panel.settings_view.minutes_spin.setValue(5)
    click(card_open.carry_button, qtbot)
    qtbot.waitUntil(lambda: len(dock.train_panel.plot.loss.points) >= 2, timeout=LONG_MS)
    click(dock.train_panel.job_view.cancel_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "cancelled" in dock.train_panel.result_notice.text()
    assert files_in(field.parent) == files
    assert files_in(other.parent) == there
    qtbot.waitUntil(lambda: scratch_folders() == scratch, timeout=LONG_MS)
    assert dock.train_panel.train_button.isVisible()


def test_without_a_field_the_card_says_what_is_missing(iface, dock, field, qtbot):
    panel = dock.carry_panel
    if not dock.carry_card.is_open():
        qtbot.mouseClick(dock.carry_card.header, Qt.MouseButton.LeftButton)
    assert "layer above" in panel.missing_label.text()
    write_labels(field, field.with_name("orchard_training.gpkg"))
    open_field(iface, field, qtbot)
    assert "polygons" in panel.missing_label.text()
    click(dock.training_panel.make_button, qtbot)
    qtbot.waitUntil(lambda: "Tick" in panel.missing_label.text())
    assert panel.rasters.empty_label.isVisible()
    assert not panel.carry_button.isEnabled()
