"""The plugin in the user's language."""

import pytest
from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QLabel
from qgis.utils import plugins, reloadPlugin

NAME = "nir_lora_plugin"


@pytest.fixture
def german():
    """QGIS's setting says German; the plugin is loaded anew, and again in English afterwards."""
    before = QgsSettings().value("locale/userLocale")
    QgsSettings().setValue("locale/userLocale", "de")
    reloadPlugin(NAME)
    yield plugins[NAME]
    QgsSettings().setValue("locale/userLocale", before)
    reloadPlugin(NAME)


def test_german_from_the_dock_to_the_algorithms(german, screenshot, qtbot):
    assert german.segment_action.text() == "NIR-Layer segmentieren"
    flow = german.show_dock()
    from nir_lora_plugin.ui.step import StepHeader  # of the plugin as it was loaded anew

    qtbot.wait(300)
    screenshot("dock_german", flow.dock)
    titles = {header.accessibleName() for header in flow.dock.findChildren(StepHeader)}
    assert titles == {"Layer", "Trainingspolygone", "Trainieren", "NIR-Layer segmentieren"}
    notices = {label.text() for label in flow.dock.findChildren(QLabel)}
    assert "Öffnen Sie ein Nahinfrarot- oder Multispektralraster." in notices
    train = QgsApplication.processingRegistry().algorithmById("nirlora:train")
    assert train.displayName() == "Modell trainieren"
    assert train.parameterDefinition("MAX_SECONDS").description() == "Zeitgrenze [s]"


def test_the_language_goes_with_the_plugin(german):
    assert QCoreApplication.translate("NirLoraDock", "Train") == "Trainieren"
    QgsSettings().setValue("locale/userLocale", "en_US")
    reloadPlugin(NAME)
    assert QCoreApplication.translate("NirLoraDock", "Train") == "Train"
