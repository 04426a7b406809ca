"""Unloading and loading the plugin again, also in the middle of a run: nothing of it stays.

The last file: what other test files have imported of the plugin is not what QGIS has loaded after this.
"""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest
import qgis.utils
from flow_tools import (
    LONG_MS,
    backend_processes,
    click,
    files_in,
    make_large,
    not_running,
    open_field,
    plugin,
    press_segment,
    scratch_folders,
    start_adapting,
    start_training,
    use_model,
    write_labels,
)
from qgis.core import QgsApplication, QgsProject
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QObject, QTimer
from qgis.PyQt.QtWidgets import QAction, QDockWidget, QMenu, QToolButton

NAME = "nir_lora_plugin"
ROUNDS = 3


def unload(qtbot):
    """Take the plugin out, with all that Qt deletes later."""
    children = backend_processes()
    assert qgis.utils.unloadPlugin(NAME)
    qtbot.waitUntil(lambda: not set(children) & set(backend_processes()), timeout=LONG_MS)
    qtbot.waitUntil(lambda: not QgsApplication.taskManager().activeTasks(), timeout=LONG_MS)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qtbot.wait(1000)
    assert not backend_processes(), "something has started another backend"


@pytest.fixture(autouse=True)
def loaded_again():
    """The plugin is there for the next test, whatever happened in this one."""
    yield
    if NAME not in qgis.utils.plugins:
        load()


def load():
    assert qgis.utils.loadPlugin(NAME)
    assert qgis.utils.startPlugin(NAME)


def open_dock(qtbot):
    if not plugin().dock_action.isChecked():
        plugin().dock_action.trigger()
    dock = plugin().flow.dock
    qtbot.waitUntil(lambda: dock.status_label.text().startswith("Ready"), timeout=LONG_MS)
    return dock


def context_entries(iface, layer):
    """Texts of a layer's context menu, as it opens on a right click."""
    iface.layerTreeView().setCurrentLayer(layer)
    menu = iface.layerTreeView().menuProvider().createContextMenu()
    texts = [action.text() for action in menu.actions()]
    menu.deleteLater()
    return texts


def thread_names():
    """Python's own threads; the dummies are QGIS's, which have run something of Python's."""
    foreign = (threading._MainThread, threading._DummyThread)
    return [thread.name for thread in threading.enumerate() if not isinstance(thread, foreign)]


def left_behind(iface):
    """What a plugin may leave in QGIS, counted; names where that helps to find it."""
    gc.collect()
    window, project = iface.mainWindow(), QgsProject.instance()
    ours = [
        o for o in gc.get_objects() if type(o).__module__.split(".")[0] == NAME and isinstance(o, QObject)
    ]
    watched = {
        "cleared": project.receivers(project.cleared),
        "layersAdded": project.receivers(project.layersAdded),
        "layersRemoved": project.receivers(project.layersRemoved),
        "layersWillBeRemoved": project.receivers(project.layersWillBeRemoved),
        "mapToolSet": iface.mapCanvas().receivers(iface.mapCanvas().mapToolSet),
        "extentsChanged": iface.mapCanvas().receivers(iface.mapCanvas().extentsChanged),
    }
    return {
        "objects": sorted(type(o).__name__ for o in ours),
        "actions": [a.objectName() for a in window.findChildren(QAction) if "NirLora" in a.objectName()],
        "docks": [d.objectName() for d in window.findChildren(QDockWidget) if "NirLora" in d.objectName()],
        "menus": [m.title() for m in window.findChildren(QMenu) if m.title() == "NIR-LoRA" and m.actions()],
        "buttons": len([b for b in iface.pluginToolBar().findChildren(QToolButton) if b.isVisible()]),
        "timers": len(window.findChildren(QTimer)),
        "providers": [p.id() for p in QgsApplication.processingRegistry().providers() if p.id() == "nirlora"],
        "threads": sorted(thread_names()),
        "signals": watched,
        "processes": backend_processes(),
        "scratch": [path.name for path in scratch_folders()],
    }


def test_loading_and_unloading_leaves_nothing(iface, field, qtbot):
    unload(qtbot)
    layer = iface.addRasterLayer(str(field), "field")
    before = left_behind(iface)
    assert "Segment NIR layer" not in context_entries(iface, layer)
    for _ in range(ROUNDS):
        load()
        assert context_entries(iface, layer).count("Segment NIR layer") == 1
        dock = open_dock(qtbot)
        write_labels(field, field.with_name("orchard_training.gpkg"))
        plugin().flow.layer.choose(layer)
        qtbot.waitUntil(dock.training_panel.make_button.isEnabled, timeout=LONG_MS)
        click(dock.training_panel.make_button, qtbot)
        click(dock.training_panel.draw_button, qtbot)
        plugin().flow.session.training.layer.rollBack()
        for card in (dock.carry_card, dock.adapt_card):
            dock.open_more(card)
        qtbot.waitUntil(lambda dock=dock: bool(dock.adapt_panel.rasters.chosen()), timeout=LONG_MS)
        iface.actionPan().trigger()
        now = left_behind(iface)
        assert now["docks"] == ["NirLoraDock"]
        assert now["providers"] == ["nirlora"]
        assert len(now["actions"]) == 3
        del dock, card
        unload(qtbot)
        assert left_behind(iface) == before
        assert "Segment NIR layer" not in context_entries(iface, layer)
        QgsProject.instance().removeMapLayers(
            [k for k in QgsProject.instance().mapLayers() if k != layer.id()]
        )
    load()


def test_reloading_as_the_plugin_reloader_does(iface, qtbot):
    open_dock(qtbot)
    old = plugin()
    assert qgis.utils.reloadPlugin(NAME)
    assert plugin() is not old
    open_dock(qtbot)
    docks = [d for d in iface.mainWindow().findChildren(QDockWidget) if d.objectName() == "NirLoraDock"]
    assert len(docks) == 1


def test_unloading_during_a_segmentation_leaves_no_half_map(iface, dock, field, model, qtbot):
    large = make_large(field, 3)
    open_field(iface, large, qtbot)
    use_model(dock, model, field.parent, qtbot)
    dock.segment_panel.set_area("extent")
    files, scratch = files_in(field.parent), scratch_folders()
    press_segment(qtbot)
    qtbot.waitUntil(lambda: "px/s" in dock.segment_panel.job_view.numbers_label.text(), timeout=LONG_MS)
    unload(qtbot)
    load()
    open_dock(qtbot)
    plugin().flow.dock.segment_panel.set_area("layer")
    assert files_in(field.parent) == files
    assert scratch_folders() == scratch


def test_a_training_goes_on_after_the_plugin_was_loaded_again(iface, dock, field, qtbot, opened_reports):
    write_labels(field, field.with_name("orchard_training.gpkg"))
    open_field(iface, field, qtbot)
    click(dock.training_panel.make_button, qtbot)
    start_training(dock, 5, qtbot)
    qtbot.waitUntil(field.with_name("orchard.nirlora.checkpoint").exists, timeout=LONG_MS)
    unload(qtbot)
    load()
    train = open_dock(qtbot).train_panel
    qtbot.waitUntil(lambda: "was interrupted" in train.result_notice.text(), timeout=LONG_MS)
    plugin().flow.dock.open_step(2)
    click(train.result_notice.findChild(QToolButton), qtbot)
    assert plugin().flow.session.running == "train"
    qtbot.waitUntil(lambda: bool(train.plot.loss.points), timeout=LONG_MS)
    click(train.job_view.keep_button, qtbot)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
    assert "ready" in train.result_notice.text()
    assert Path(field.with_name("orchard.nirlora")).exists()


def test_an_adaptation_goes_on_after_the_plugin_was_loaded_again(adapt_panel, field, qtbot, opened_reports):
    start_adapting(adapt_panel, 5, qtbot)
    checkpoint = field.with_name("orchard_adapted.nirlora-backbone.checkpoint")
    qtbot.waitUntil(checkpoint.exists, timeout=LONG_MS)
    unload(qtbot)
    load()
    dock = open_dock(qtbot)
    qtbot.waitUntil(lambda: "was interrupted" in dock.adapt_card.header.summary, timeout=LONG_MS)
    dock.open_more(dock.adapt_card)
    click(dock.adapt_panel.result_notice.findChild(QToolButton), qtbot)
    assert plugin().flow.session.running == "adapt"
    qtbot.waitUntil(lambda: bool(dock.adapt_panel.plot.loss.points), timeout=LONG_MS)
    click(dock.adapt_panel.job_view.keep_button, qtbot)
    qtbot.waitUntil(not_running, timeout=LONG_MS)
    assert "is ready" in dock.adapt_panel.result_notice.text()
    assert checkpoint.with_name("orchard_adapted.nirlora-backbone").exists()
