"""The desktop that the other tests stand on is the real one, and runs this checkout's plugin."""

import os
from pathlib import Path

from qgis.core import Qgis

import nir_lora_plugin


def test_the_desktop_is_real(iface, qtbot):
    assert iface.mainWindow().isVisible()
    layer = iface.addVectorLayer("Polygon?crs=EPSG:32633", "scratch", "memory")  # ends the welcome page
    qtbot.waitUntil(lambda: iface.mapCanvas().width() > 300)
    assert iface.layerTreeView().currentLayer() == layer
    assert Qgis.QGIS_VERSION_INT >= 32200


def test_the_plugin_is_this_checkout():
    folder = Path(nir_lora_plugin.__file__).parent
    assert str(folder).startswith(os.environ["NIRLORA_INNER_FOLDER"])
    assert (folder / "protocol").resolve() == Path(__file__).parents[3] / "nir_lora_plugin" / "protocol"
    assert (folder / "metadata.txt").is_file()
