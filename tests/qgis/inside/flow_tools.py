"""A user's hands and eyes for the tests of the whole flow: files to work on, clicks, waiting."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from osgeo import gdal
from qgis.core import QgsPointXY
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QPoint, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication
from qgis.utils import plugins

SHARED = Path(os.environ.get("NIRLORA_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
GALILEO = SHARED / "galileo_nano_weights"
LONG_MS = 180_000  # a deadline, generous because machines are busy


def backend_python():
    """The Python that has nirlora."""
    return os.environ["NIRLORA_PYTHON"]


def nirlora(*arguments):
    """Run the command line, as a user in a terminal would."""
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH", "PYTHONHOME")}
    command = [str(Path(backend_python()).with_name("nirlora")), *map(str, arguments)]
    return subprocess.run(command, env=keep, check=True, capture_output=True, text=True)


def make_field(folder: Path) -> Path:
    """A near-infrared raster in ``folder``: a real orchard where it is at hand, else a generated field."""
    orchard = SHARED / "micasense_rededge_orchard" / "northup_8cm.tif"
    target = folder / "orchard.tif"
    if orchard.exists():
        shutil.copy(orchard, target)
        return target
    code = f"from nirlora.demo_field import generate_field; generate_field({str(target)!r}, size=768)"
    subprocess.run([backend_python(), "-c", code], check=True)
    target.with_name("orchard_training.gpkg").unlink()
    return target


def make_large(field: Path, factor: int) -> Path:
    """The same field with ``factor`` times as many pixels a side: something that takes a while to segment."""
    target = field.with_name(f"large_{factor}.tif")
    source = gdal.Open(str(field))
    options = gdal.TranslateOptions(
        width=source.RasterXSize * factor,
        height=source.RasterYSize * factor,
        creationOptions=["TILED=YES", "COMPRESS=LZW"],
    )
    large = gdal.Translate(str(target), source, options=options)
    for band in range(1, source.RasterCount + 1):
        large.GetRasterBand(band).SetDescription(source.GetRasterBand(band).GetDescription())
    del large
    return target


def plugin():
    """The plugin as QGIS runs it."""
    return plugins["nir_lora_plugin"]


def click(widget, qtbot):
    """Press a button with the mouse, scrolling to it as a user would."""
    parent = widget.parent()
    while parent is not None and not hasattr(parent, "ensureWidgetVisible"):
        parent = parent.parent()
    if parent is not None:
        parent.ensureWidgetVisible(widget)
    QApplication.processEvents()
    assert widget.isVisible(), f"{widget.text()!r} is not to be seen"
    assert widget.isEnabled(), f"{widget.text()!r} cannot be pressed"
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def draw_polygon(canvas, points, qtbot):
    """Click the corners (map coordinates) on the canvas and finish with the right button."""
    change, viewport = canvas.getCoordinateTransform(), canvas.viewport()
    pixels = [change.transform(QgsPointXY(x, y)) for x, y in points]
    places = [QPoint(round(p.x()), round(p.y())) for p in pixels]
    for place in places:
        assert viewport.rect().contains(place), "a corner lies outside of the map"
        QTest.mouseMove(viewport, place)
        QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        qtbot.wait(60)
    QTest.mouseClick(viewport, Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, places[-1])
    # What QGIS deletes "later" stays while a test runs: the line that was drawn would cover the polygon.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qtbot.wait(150)


def square(extent, across, up, side):
    """Corners of a square whose middle lies at these shares (0..1) of ``extent``, ``side`` in map units."""
    x = extent.xMinimum() + across * extent.width()
    y = extent.yMinimum() + up * extent.height()
    half = side / 2
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]


def child_processes():
    """Command lines of the processes that this QGIS has started, without those that have ended."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            words = status.with_name("cmdline").read_bytes().decode().replace("\0", " ")
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found[int(status.parent.name)] = words
    return found
