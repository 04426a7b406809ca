"""Adapting to rasters without labels, by the buttons of the dock, and training on what comes of it."""

from __future__ import annotations

import os
import signal

from cards import card
from flow_tools import (
    LONG_MS,
    backend_processes,
    click,
    files_in,
    manager,
    not_running,
    plugin,
    start_adapting,
    write_labels,
)
from qgis.PyQt.QtWidgets import QToolButton


def test_an_adapted_backbone_is_listed_and_trained_on(
    dock, adapt_panel, field, qtbot, screenshot, opened_reports
):
    assert adapt_panel.rasters.chosen() == [plugin().flow.session.layer.id()]
    qtbot.waitUntil(lambda: "Takes less than a minute" in adapt_panel.estimate_label.text(), timeout=LONG_MS)
    screenshot("13-adapt")
    start_adapting(adapt_panel, 0.1, qtbot)
    assert "loss" in adapt_panel.job_view.numbers_label.text()
    assert adapt_panel.job_view.keep_button.isVisible()
    assert not dock.train_panel.train_button.isEnabled()
    screenshot("14-adapting")
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    out = field.with_name("orchard_adapted.nirlora-backbone")
    assert out.exists(), adapt_panel.result_notice.text()
    assert opened_reports == [str(field.with_name("orchard_adapted_adaptation.html"))]
    assert "orchard_adapted is ready" in adapt_panel.result_notice.text()
    view = dock.train_panel.settings_view
    qtbot.waitUntil(lambda: view.backbone_combo.findText("orchard_adapted") >= 0, timeout=LONG_MS)
    assert adapt_panel.backbone_combo.findText("orchard_adapted") >= 0
    screenshot("15-adapted")

    write_labels(field, field.with_name("orchard_training.gpkg"))
    click(dock.training_panel.make_button, qtbot)
    view.set_mode("expert")
    view.minutes_spin.setValue(0.05)
    view.pretrained_check.setChecked(False)
    click(adapt_panel.use_button, qtbot)
    assert view.settings().backbone == str(out)
    assert view.backbone_combo.currentText() == "orchard_adapted"
    assert view.pretrained_check.isChecked()
    click(dock.train_panel.train_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    model = field.with_name("orchard.nirlora")
    assert model.exists(), dock.train_panel.result_notice.text()
    assert card(model)["model"]["backbone_source"] == str(out)
    view.set_backbone("")


def test_cancelling_leaves_nothing(adapt_panel, field, qtbot):
    files = files_in(field.parent)
    start_adapting(adapt_panel, 5, qtbot)
    click(adapt_panel.job_view.cancel_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "nothing was kept" in adapt_panel.result_notice.text()
    assert files_in(field.parent) == files
    assert adapt_panel.adapt_button.isVisible()


def test_stop_and_keep_writes_what_was_learnt(adapt_panel, field, qtbot, opened_reports):
    start_adapting(adapt_panel, 5, qtbot)
    click(adapt_panel.job_view.keep_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "is ready" in adapt_panel.result_notice.text()
    assert field.with_name("orchard_adapted.nirlora-backbone").exists()
    assert len(opened_reports) == 1


def test_it_goes_on_after_the_backend_died(dock, adapt_panel, field, qtbot, opened_reports):
    start_adapting(adapt_panel, 5, qtbot)
    checkpoint = field.with_name("orchard_adapted.nirlora-backbone.checkpoint")
    qtbot.waitUntil(checkpoint.exists, timeout=LONG_MS)
    (killed,) = backend_processes("nirlora.server")
    os.kill(killed, signal.SIGKILL)
    qtbot.waitUntil(
        lambda: "ended during the adaptation" in adapt_panel.result_notice.text(), timeout=LONG_MS
    )
    assert "ended during" in dock.adapt_card.header.summary
    assert manager().is_running
    click(adapt_panel.result_notice.findChild(QToolButton), qtbot)
    qtbot.waitUntil(lambda: len(adapt_panel.plot.loss.points) >= 2, timeout=LONG_MS)
    click(adapt_panel.job_view.keep_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "is ready" in adapt_panel.result_notice.text()


def test_what_cannot_be_adapted_is_said_before_the_run(adapt_panel, qtbot):
    adapt_panel.backbone_combo.choose("swin-tiny")
    adapt_panel.changed.emit()
    qtbot.waitUntil(lambda: bool(adapt_panel.notices.texts()), timeout=LONG_MS)
    assert "swin" in adapt_panel.notices.texts()[0].lower()
    adapt_panel.backbone_combo.choose("vit-demo")
    adapt_panel.changed.emit()
    qtbot.waitUntil(lambda: not adapt_panel.notices.texts(), timeout=LONG_MS)
