"""What can go wrong in the middle of a run: the dock says so, is usable again, and leaves nothing behind."""

from __future__ import annotations

import os
import signal

import pytest
from flow_tools import (
    LONG_MS,
    backend_processes,
    click,
    draw_polygon,
    files_in,
    make_large,
    manager,
    message_texts,
    not_running,
    open_field,
    plugin,
    press_segment,
    same_grid,
    scratch_folders,
    square,
    start_training,
    use_model,
    write_labels,
)
from osgeo import ogr
from qgis.core import QgsProject
from qgis.PyQt.QtWidgets import QToolButton


@pytest.fixture
def large(iface, dock, field, model, qtbot):
    """A raster that takes a while, open, with a model that fits."""
    path = make_large(field, 3)
    open_field(iface, path, qtbot)
    use_model(dock, model, field.parent, qtbot)
    return path


@pytest.fixture
def labelled(iface, dock, field, qtbot):
    """The field with training polygons beside it, both open."""
    write_labels(field, field.with_name("orchard_training.gpkg"))
    open_field(iface, field, qtbot)
    click(dock.training_panel.make_button, qtbot)
    assert plugin().flow.session.training is not None
    return field


def wait_for_progress(panel, qtbot):
    qtbot.waitUntil(lambda: "px/s" in panel.job_view.numbers_label.text(), timeout=LONG_MS)


def notice_button(notice):
    return notice.findChild(QToolButton)


def layer_ids():
    return set(QgsProject.instance().mapLayers())


def count(layer):
    return len(list(layer.getFeatures()))


def segment_again(panel, qtbot):
    """Press the button once more; the new layers."""
    before = layer_ids()
    qtbot.waitUntil(panel.segment_button.isEnabled, timeout=LONG_MS)
    press_segment(qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    return layer_ids() - before


def test_cancelling_a_segmentation_leaves_nothing_behind(iface, dock, field, large, qtbot, screenshot):
    files, layers, scratch = files_in(field.parent), layer_ids(), scratch_folders()
    panel = dock.segment_panel
    press_segment(qtbot)
    wait_for_progress(panel, qtbot)
    screenshot("8-segmenting")
    click(panel.job_view.cancel_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "Cancelled" in panel.result_notice.text()
    assert layer_ids() == layers
    assert files_in(field.parent) == files
    assert scratch_folders() == scratch
    open_field(iface, field, qtbot)
    assert segment_again(panel, qtbot), "the dock is usable again"


def test_cancelling_a_training_leaves_nothing_behind(dock, labelled, qtbot):
    files, scratch = files_in(labelled.parent), scratch_folders()
    train = dock.train_panel
    start_training(dock, 5, qtbot)
    qtbot.waitUntil(lambda: len(train.plot.loss.points) >= 2, timeout=LONG_MS)
    checkpoint = labelled.with_name("orchard.nirlora.checkpoint")
    qtbot.waitUntil(checkpoint.exists, timeout=LONG_MS)
    click(train.job_view.cancel_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "cancelled" in train.result_notice.text()
    assert files_in(labelled.parent) == files
    assert scratch_folders() == scratch
    assert train.train_button.isVisible()
    assert train.train_button.isEnabled()


def test_polygons_that_are_drawn_during_a_training_are_safe(iface, dock, labelled, qtbot):
    training, train = plugin().flow.session.training, dock.train_panel
    click(dock.training_panel.draw_button, qtbot)
    corners = square(training.raster.extent(), 0.5, 0.2, 3)
    draw_polygon(iface.mapCanvas(), corners, qtbot)
    start_training(dock, 5, qtbot)
    qtbot.waitUntil(lambda: len(train.plot.loss.points) >= 2, timeout=LONG_MS)
    assert count(training.layer) == 10
    draw_polygon(iface.mapCanvas(), [(x + 8, y) for x, y in corners], qtbot)
    training.save()
    assert count(training.layer) == 11
    click(train.job_view.cancel_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert count(training.layer) == 11
    assert training.layer.commitChanges()
    assert len(ogr.Open(str(labelled.with_name("orchard_training.gpkg"))).GetLayer()) == 11


def test_a_training_that_is_stopped_keeps_its_best_model(dock, labelled, qtbot, opened_reports):
    train = dock.train_panel
    start_training(dock, 5, qtbot)
    qtbot.waitUntil(lambda: bool(train.plot.iou.points), timeout=LONG_MS)
    click(train.job_view.keep_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "ready" in train.result_notice.text()
    model = str(labelled.with_name("orchard.nirlora"))
    qtbot.waitUntil(lambda: [m.path for m in dock.segment_panel.model_list.models()] == [model])
    assert opened_reports == [str(labelled.with_name("orchard_report.html"))]
    assert files_in(labelled.parent) == [
        "orchard.nirlora",
        "orchard.nirlora.checkpoint",  # to go on from one day
        "orchard.tif",
        "orchard_report.html",
        "orchard_training.gpkg",
    ]


def test_the_dock_recovers_when_the_backend_dies(iface, dock, field, large, qtbot, screenshot):
    panel = dock.segment_panel
    press_segment(qtbot)
    wait_for_progress(panel, qtbot)
    (killed,) = backend_processes("nirlora.server")
    os.kill(killed, signal.SIGKILL)
    qtbot.waitUntil(lambda: any("backend" in text for text in message_texts(iface)), timeout=LONG_MS)
    qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
    qtbot.waitUntil(lambda: "ended during the run" in panel.result_notice.text(), timeout=LONG_MS)
    screenshot("9-backend-died")
    assert backend_processes("nirlora.server") != [killed]
    iface.messageBar().clearWidgets()
    assert not [name for name in files_in(field.parent) if "before" in name and name != "before.nirlora"]
    open_field(iface, field, qtbot)
    assert segment_again(panel, qtbot)


def test_a_worker_that_dies_is_a_failed_job(iface, dock, field, large, qtbot):
    panel = dock.segment_panel
    press_segment(qtbot)
    wait_for_progress(panel, qtbot)
    server = backend_processes("nirlora.server")
    (worker,) = backend_processes("nirlora.jobs.worker")
    os.kill(worker, signal.SIGKILL)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "killed by signal 9" in panel.result_notice.text()
    assert backend_processes("nirlora.server") == server
    iface.messageBar().clearWidgets()
    open_field(iface, field, qtbot)
    assert segment_again(panel, qtbot)


def test_a_training_goes_on_after_the_backend_died(iface, dock, labelled, qtbot, opened_reports):
    train = dock.train_panel
    start_training(dock, 5, qtbot)
    checkpoint = labelled.with_name("orchard.nirlora.checkpoint")
    qtbot.waitUntil(checkpoint.exists, timeout=LONG_MS)
    (killed,) = backend_processes("nirlora.server")
    os.kill(killed, signal.SIGKILL)
    qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
    qtbot.waitUntil(lambda: "was started again" in train.result_notice.text(), timeout=LONG_MS)
    iface.messageBar().clearWidgets()
    resume = notice_button(train.result_notice)
    assert resume.text() == "Go on with it"
    click(resume, qtbot)
    assert plugin().flow.session.running == "train"
    qtbot.waitUntil(lambda: bool(train.plot.loss.points), timeout=LONG_MS)
    assert train.plot.loss.points[0][0] > 0, "it does not start from the beginning"
    click(train.job_view.keep_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "ready" in train.result_notice.text()
    assert labelled.with_name("orchard.nirlora").exists()


def test_a_layer_that_is_removed_during_the_run_gets_its_map_all_the_same(dock, large, qtbot):
    panel = dock.segment_panel
    press_segment(qtbot)
    wait_for_progress(panel, qtbot)
    QgsProject.instance().removeAllMapLayers()
    assert plugin().flow.session.layer is None
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    maps = [v for v in QgsProject.instance().mapLayers().values() if v.source().endswith("_before.tif")]
    assert len(maps) == 1
    same_grid(maps[0].source(), large)
    assert panel.area_table.table.rowCount() == 3


def test_a_project_that_is_closed_during_the_run_is_not_given_the_map_unasked(iface, dock, large, qtbot):
    panel = dock.segment_panel
    press_segment(qtbot)
    wait_for_progress(panel, qtbot)
    iface.newProject()
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert not QgsProject.instance().mapLayers()
    assert any("is ready" in text for text in message_texts(iface))
    add = notice_button(panel.result_notice)
    assert add.text() == "Add the map to this project"
    dock.open_step(3)
    click(add, qtbot)
    sources = [layer.source() for layer in QgsProject.instance().mapLayers().values()]
    assert str(large.with_name(f"{large.stem}_before.tif")) in sources
    assert not add.isVisible()


def test_a_project_that_is_closed_during_a_training_does_not_lose_the_model(
    iface, dock, labelled, qtbot, opened_reports
):
    start_training(dock, 0.2, qtbot)
    qtbot.waitUntil(lambda: bool(dock.train_panel.plot.loss.points), timeout=LONG_MS)
    iface.newProject()
    assert plugin().flow.session.training is None
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "ready" in dock.train_panel.result_notice.text()
    model = str(labelled.with_name("orchard.nirlora"))
    open_field(iface, labelled, qtbot)
    qtbot.waitUntil(lambda: model in [m.path for m in dock.segment_panel.model_list.models()])


def test_a_cancel_that_comes_at_once(dock, field, model, large, qtbot):
    """Before the backend has given the job a number."""
    files = files_in(field.parent)
    press_segment(qtbot)
    plugin().flow.segment.cancel()
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "Cancelled" in dock.segment_panel.result_notice.text()
    assert files_in(field.parent) == files


def test_the_backend_can_be_stopped_by_hand(dock, field, large, qtbot):
    """Also while a card is open that would like an estimate: that must not start it again."""
    dock.open_more(dock.adapt_card)
    qtbot.waitUntil(lambda: bool(dock.adapt_panel.estimate_label.text()), timeout=LONG_MS)
    press_segment(qtbot)
    wait_for_progress(dock.segment_panel, qtbot)
    dock.stop_wanted.emit()
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "was stopped" in dock.segment_panel.result_notice.text()
    qtbot.waitUntil(lambda: "Not running" in dock.status_label.text(), timeout=LONG_MS)
    qtbot.wait(2000)  # longer than anything waits before it asks
    assert "Not running" in dock.status_label.text()
    assert not dock.adapt_panel.notices.texts()
    assert not manager().is_running
    assert not backend_processes()
    click(notice_button(dock.segment_panel.result_notice), qtbot)
    qtbot.waitUntil(lambda: plugin().flow.session.running == "segment", timeout=LONG_MS)
    wait_for_progress(dock.segment_panel, qtbot)
    click(dock.segment_panel.job_view.cancel_button, qtbot)
