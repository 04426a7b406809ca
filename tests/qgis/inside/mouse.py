"""Drawing on the map canvas with simulated mouse clicks."""

from __future__ import annotations

from qgis.core import QgsPointXY
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest

_PAUSE_MS = (
    40  # longer than nothing, so that clicks are not taken for one; different places are no double click
)


def show_extent(iface, qtbot, extent):
    """Zoom there and wait until the map is drawn."""
    canvas = iface.mapCanvas()
    with qtbot.waitSignal(canvas.mapCanvasRefreshed, timeout=30_000):
        canvas.setExtent(extent)
        canvas.refresh()
    qtbot.waitUntil(lambda: not canvas.isDrawing() and canvas.width() > 300, timeout=30_000)


def pixel_of(canvas, x, y):
    """Canvas pixel of a map point."""
    point = canvas.getCoordinateTransform().transform(QgsPointXY(x, y))
    return QPoint(round(point.x()), round(point.y()))


def click(canvas, pixel, button=Qt.MouseButton.LeftButton):
    QTest.mouseMove(canvas.viewport(), pixel)
    QTest.qWait(_PAUSE_MS)
    QTest.mouseClick(canvas.viewport(), button, Qt.KeyboardModifier.NoModifier, pixel)
    QTest.qWait(_PAUSE_MS)


def draw_polygon(canvas, points):
    """Click the corners (map coordinates), then right-click; return the corners that the pixels stand for."""
    pixels = [pixel_of(canvas, x, y) for x, y in points]
    for pixel in pixels:
        click(canvas, pixel)
    click(canvas, pixels[-1] + QPoint(3, 3), Qt.MouseButton.RightButton)
    change = canvas.getCoordinateTransform()
    corners = [change.toMapCoordinates(pixel.x(), pixel.y()) for pixel in pixels]
    return [(point.x(), point.y()) for point in corners]


def box(x, y, width, height):
    """Corners of a rectangle from its lower left one."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
