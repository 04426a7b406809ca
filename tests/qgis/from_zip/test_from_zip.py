"""A user's first minutes: an empty profile, QGIS's "Install from ZIP", and the dock's one button.

Run by ``test_from_zip.py`` one folder up, which says in the environment where the zip lies and whether the
backend is to be installed for real.
"""

import os
from pathlib import Path

import processing
import pyplugin_installer
import pytest
from qgis.core import QgsApplication, QgsSettings
from qgis.utils import iface, pluginMetadata, plugins

NAME = "nir_lora_plugin"
FIRST_LINE_MS, INSTALL_MS = 300_000, 3_000_000


@pytest.fixture(scope="module")
def plugin():
    """The plugin as QGIS installed it; nothing of the checkout's own is set."""
    for name in ("NIRLORA_PYTHON", "NIRLORA_STATE_DIR"):
        os.environ.pop(name)
    os.environ["NIRLORA_HOME"] = str(Path(os.environ["NIRLORA_INNER_FOLDER"]) / "home")
    assert NAME not in plugins
    pyplugin_installer.instance().installFromZipFile(os.environ["NIRLORA_ZIP"])
    return plugins[NAME]


def test_it_runs_from_the_profile(plugin):
    import nir_lora_plugin
    from nir_lora_plugin import paths

    folder = Path(nir_lora_plugin.__file__).parent
    assert folder == Path(QgsApplication.qgisSettingsDirPath()) / "python" / "plugins" / NAME
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert QgsSettings().value(f"PythonPlugins/{NAME}", False, type=bool)
    assert pluginMetadata(NAME, "version") == paths.plugin_version()
    assert paths.sha256_of(paths.bundled_wheel()) == paths.wheel_sha256()
    provider = QgsApplication.processingRegistry().providerById("nirlora")
    assert {a.name() for a in provider.algorithms()} == {"train", "adapt", "segment", "evaluate", "export"}
    assert not plugin.dock_action.icon().isNull()


def set_up(plugin):
    from nir_lora_plugin.ui.setup_panel import SetupPanel

    dock = plugin.show_dock().dock
    return next(iter(dock.findChildren(SetupPanel)))


def test_the_dock_asks_for_the_backend_and_nothing_else(plugin, qtbot):
    panel = set_up(plugin)
    assert "not installed" in panel.notice.text()
    qtbot.waitUntil(panel.action_button.isVisible, timeout=10_000)
    assert panel.action_button.text() == "Install the backend"


@pytest.mark.skipif("NIRLORA_FIELD" not in os.environ, reason="the backend is installed in the slow test")
def test_the_button_installs_a_backend_that_trains(plugin, qtbot):
    """Stopped in the middle once, and taken up again."""
    from nir_lora_plugin.backend_process.manager import manager
    from nir_lora_plugin.backend_process.state import BackendState

    panel = set_up(plugin)
    panel.action_button.click()
    qtbot.waitUntil(lambda: "Downloading " in panel.lines.toPlainText(), timeout=FIRST_LINE_MS)
    panel.cancel_button.click()
    qtbot.waitUntil(lambda: panel._task is None, timeout=FIRST_LINE_MS)
    assert manager().state()[0] is BackendState.INCOMPLETE
    assert panel.action_button.text() == "Resume the installation"
    with qtbot.waitSignal(panel.ready, timeout=INSTALL_MS):
        panel.action_button.click()
    print(panel.outcome.text(), flush=True)
    assert manager().state()[0] in (BackendState.READY, BackendState.RUNNING)
    assert manager().python().is_relative_to(os.environ["NIRLORA_HOME"])
    raster = Path(os.environ["NIRLORA_FIELD"])
    parameters = {
        "INPUT": [str(raster)],
        "OUTPUT": str(raster.with_name("m.nirlora")),
        "BACKBONE": "vit-demo",
    }
    parameters |= {"PRETRAINED": False, "ADAPTER": "full", "CHIP_PX": 32, "EPOCHS": 1, "DEVICE": "cpu"}
    results = processing.run("nirlora:train", parameters)
    assert results["CLASSES"] == "crop,soil,tree"
    assert iface.mainWindow().isVisible()
