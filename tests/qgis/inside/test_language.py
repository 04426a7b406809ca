"""The plugin in the user's language."""

import pytest
from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QLabel
from qgis.utils import plugins

from nir_lora_plugin.backend_process import manager
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.ui.step import StepHeader


def started_in(language):
    """The plugin, ended and started again with QGIS's setting at ``language``."""
    plugin = plugins["nir_lora_plugin"]
    plugin.unload()
    manager._manager = None  # QGIS forgets an unloaded plugin's modules, and with them the closed manager
    QgsSettings().setValue("locale/userLocale", language)
    plugin.initGui()
    return plugin


@pytest.fixture
def german():
    before = QgsSettings().value("locale/userLocale")
    yield started_in("de")
    Settings.DOCK_OPEN.reset()  # an open dock would look after the layers of later tests
    started_in(before)


def test_german_from_the_dock_to_the_algorithms(german, screenshot, qtbot):
    assert german.segment_action.text() == "NIR-Layer segmentieren"
    flow = german.show_dock()
    qtbot.wait(300)
    screenshot("dock_german", flow.dock)
    titles = {header.accessibleName() for header in flow.dock.findChildren(StepHeader)}
    steps = {"Layer", "Trainingspolygone", "Trainieren", "NIR-Layer segmentieren"}
    assert titles == steps | {"Modell auf ein anderes Feld übertragen", "An Raster ohne Labels anpassen"}
    notices = {label.text() for label in flow.dock.findChildren(QLabel)}
    assert "Öffnen Sie ein Nahinfrarot- oder Multispektralraster." in notices
    train = QgsApplication.processingRegistry().algorithmById("nirlora:train")
    assert train.displayName() == "Modell trainieren"
    assert train.parameterDefinition("MAX_SECONDS").description() == "Zeitgrenze [s]"


def test_the_language_goes_with_the_plugin(german):
    assert QCoreApplication.translate("NirLoraDock", "Train") == "Trainieren"
    started_in("en_US")
    assert QCoreApplication.translate("NirLoraDock", "Train") == "Train"
