"""Fixtures of the tests that run inside QGIS's desktop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flow_fixtures import adapt_panel, dock, field, model, opened_reports  # noqa: F401
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QCoreApplication, QEvent
from qgis.PyQt.QtWidgets import QApplication
from qgis.utils import iface as desktop


@pytest.fixture
def iface():
    """The real desktop's interface."""
    return desktop


@pytest.fixture(autouse=True)
def project():
    """An empty project before and after each test; edit sessions left open are rolled back."""
    QgsProject.instance().clear()
    desktop.messageBar().clearWidgets()
    yield QgsProject.instance()
    for layer in QgsProject.instance().mapLayers().values():
        if getattr(layer, "isEditable", bool)():
            layer.rollBack()
    desktop.actionPan().trigger()
    QgsProject.instance().clear()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture(autouse=True)
def no_hidden_errors():
    """A Python error in a slot or a callback fails the test in which it happened."""
    file = Path(os.environ["NIRLORA_INNER_FOLDER"]) / "errors"
    before = file.stat().st_size if file.exists() else 0
    yield
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    assert len(text.encode()) == before, text[before:]


@pytest.fixture
def screenshot():
    """``screenshot(name, widget=None)``: a picture of a widget, or of the whole desktop, if wanted."""

    def take(name, widget=None):
        folder = os.environ.get("NIRLORA_SCREENSHOTS")
        QApplication.processEvents()
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            assert (widget or desktop.mainWindow()).grab().save(f"{folder}/{name}.png")

    return take
