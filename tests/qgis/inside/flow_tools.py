"""A user's hands and eyes for the tests of the whole flow: files to work on, clicks, waiting."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from osgeo import gdal, ogr
from qgis.core import QgsPointXY
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QPoint, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication
from qgis.utils import plugins

SHARED = Path(os.environ.get("NIRLORA_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
GALILEO = SHARED / "galileo_nano_weights"
LONG_MS = 1000 * int(os.environ.get("NIRLORA_PATIENCE_S", "180"))  # generous because machines are busy
# Where the orchard shows what: (class, [(share of the width, share of the height from below)]).
DRAWN = (
    ("tree", ((0.100, 0.680), (0.260, 0.420), (0.330, 0.560))),
    ("crop", ((0.700, 0.660), (0.800, 0.500), (0.650, 0.370))),
    ("soil", ((0.475, 0.700), (0.490, 0.420), (0.505, 0.320))),
)
SIDE_M = 1.6


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
    for beside in ("orchard_training.gpkg", "truth.tif"):
        target.with_name(beside).unlink()
    return target


def make_large(field: Path, factor: int) -> Path:
    """The same field with ``factor`` times as many pixels a side: something that takes a while to segment."""
    target = field.with_name(f"large_{factor}.tif")
    source = gdal.Open(str(field))
    left, step, _, top, _, down = source.GetGeoTransform()
    right, bottom = left + step * source.RasterXSize * factor, top + down * source.RasterYSize * factor
    options = gdal.TranslateOptions(
        outputBounds=[left, top, right, bottom],  # pixels of the same size: a model of the field fits
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


def manager():
    """The plugin's manager of its backend, also after the plugin was loaded anew."""
    from nir_lora_plugin.backend_process.manager import manager as current

    return current()


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


def not_running():
    """Whether no job is under way."""
    return not plugin().flow.session.running


def start_adapting(panel, minutes, qtbot):
    """Adapt for this long; comes back once something is learnt."""
    panel.minutes_spin.setValue(minutes)
    click(panel.adapt_button, qtbot)
    assert plugin().flow.session.running == "adapt"
    qtbot.waitUntil(lambda: len(panel.plot.loss.points) >= 2, timeout=LONG_MS)


def descendants(pid):
    """Process id -> command line of all that ``pid`` has started, directly or not, without zombies."""
    parents, words = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            words[int(status.parent.name)] = (
                status.with_name("cmdline").read_bytes().decode().replace("\0", " ")
            )
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(status.parent.name)] = int(fields[1])
    found, level = {}, {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found.update({child: words[child] for child in level})
    return found


def backend_processes(name="nirlora"):
    """Ids of this QGIS's backend processes: ``nirlora.server``, ``nirlora.jobs.worker``, or both."""
    return [pid for pid, words in descendants(os.getpid()).items() if name in words]


def write_labels(raster, labels):
    """Write the squares of DRAWN as training polygons."""
    data = ogr.GetDriverByName("GPKG").CreateDataSource(str(labels))
    source = gdal.Open(str(raster))
    spatial = source.GetSpatialRef()
    table = data.CreateLayer("training", spatial, ogr.wkbPolygon)
    table.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    left, step, _, top, _, down = source.GetGeoTransform()
    for name, places in DRAWN:
        for across, up in places:
            x = left + across * step * source.RasterXSize
            y = top + (1 - up) * down * source.RasterYSize
            ring = ogr.Geometry(ogr.wkbLinearRing)
            for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)):
                ring.AddPoint_2D(x + dx * SIDE_M, y + dy * SIDE_M)
            polygon = ogr.Geometry(ogr.wkbPolygon)
            polygon.AddGeometry(ring)
            feature = ogr.Feature(table.GetLayerDefn())
            feature.SetField("class", name)
            feature.SetGeometry(polygon)
            table.CreateFeature(feature)
    del table, data


def open_field(iface, field, qtbot):
    """Open the raster in QGIS, choose it in the dock, and wait until that has read it."""
    layer = iface.addRasterLayer(str(field), field.stem)
    flow = plugin().flow
    flow.layer.choose(layer)
    qtbot.waitUntil(lambda: flow.session.layer == layer and bool(flow.session.inspected), timeout=LONG_MS)
    iface.mapCanvas().setExtent(layer.extent())
    iface.mapCanvas().refresh()
    qtbot.wait(500)
    return layer


def use_model(dock, model, folder, qtbot):
    """Have the trained model lie beside the raster, as one that was handed over."""
    target = folder / model.name
    target.write_bytes(model.read_bytes())
    flow = plugin().flow
    flow.models.refresh(str(target))
    qtbot.waitUntil(
        lambda: flow.session.model is not None and flow.session.model.path == str(target), timeout=LONG_MS
    )
    qtbot.waitUntil(dock.segment_panel.segment_button.isEnabled, timeout=LONG_MS)


def press_segment(qtbot):
    """Press the button; the job starts once the model is known to fit."""
    flow = plugin().flow
    click(flow.dock.segment_panel.segment_button, qtbot)
    qtbot.waitUntil(lambda: flow.session.running == "segment", timeout=LONG_MS)


def message_texts(iface):
    return [item.text() for item in iface.messageBar().items()]


def files_in(folder):
    """Names in ``folder``, without what QGIS writes beside rasters and GeoPackages."""
    own = (".aux.xml", ".gpkg-wal", ".gpkg-shm")
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(own))


def same_grid(one, other):
    a, b = gdal.Open(str(one)), gdal.Open(str(other))
    assert a.GetGeoTransform() == pytest.approx(b.GetGeoTransform(), abs=1e-9)
    assert (a.RasterXSize, a.RasterYSize) == (b.RasterXSize, b.RasterYSize)
    assert a.GetSpatialRef().IsSame(b.GetSpatialRef())


def scratch_folders():
    """Temporary folders of the plugin's."""
    return sorted(Path(tempfile.gettempdir()).glob("nir_lora_*"))


def start_training(dock, minutes, qtbot):
    """Train a small network for this long, without pretrained weights."""
    view = dock.train_panel.settings_view
    dock.open_step(2)
    view.set_mode("expert")
    view.set_backbone("vit-demo")
    view.pretrained_check.setChecked(False)
    view.minutes_spin.setValue(minutes)
    click(dock.train_panel.train_button, qtbot)
    assert plugin().flow.session.running == "train"
