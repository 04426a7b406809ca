"""The categorised style of training polygons; its categories are the class table.

QGIS stores a layer's style within the GeoPackage, so names, order and colours travel with the file, a change
in QGIS's own styling panel is a change of the table, and the backend reads the same colours.
"""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from .protocol.colors import default_colors

CLASS_FIELD = "class"
STYLE_NAME = "training classes"
_OPACITY = 70  # of 255: the picture below must stay visible


def read_classes(layer: QgsVectorLayer) -> List[Tuple[str, str]]:
    """``(name, #rrggbb)`` of the categories, in order; empty if the style is none of ours."""
    renderer = layer.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer):
        return []
    if renderer.classAttribute().strip('"') != CLASS_FIELD:
        return []
    found: Dict[str, str] = {}
    for category in renderer.categories():
        name = category.value()
        if isinstance(name, str) and name and name not in found:
            found[name] = category.symbol().color().name()
    return list(found.items())


def show_classes(layer: QgsVectorLayer, classes: Sequence[Tuple[str, str]]) -> None:
    """Have the layer drawn with these classes, in this order."""
    categories = [QgsRendererCategory(name, class_symbol(color), name) for name, color in classes]
    layer.setRenderer(QgsCategorizedSymbolRenderer(CLASS_FIELD, categories))
    layer.triggerRepaint()
    layer.emitStyleChanged()


def class_symbol(color: str, opacity: int = _OPACITY) -> QgsFillSymbol:
    """A fill that lets the picture through, with an outline in full colour."""
    fill = QColor(color)
    fill.setAlpha(opacity)
    rgba = ",".join(str(part) for part in fill.getRgb())
    return QgsFillSymbol.createSimple({"color": rgba, "outline_color": color, "outline_width": "0.6"})


def next_color(name: str, used: Sequence[str]) -> str:
    """A colour that suits a new class and is not used yet."""
    return default_colors([name], {f"\0{i}": color for i, color in enumerate(used)})[0]


def store_style(layer: QgsVectorLayer) -> str:
    """Write the style into the GeoPackage as the layer's default; return what went wrong, or ""."""
    # QGIS before 3.24 asks in a dialog before it replaces a style, so the old one goes first.
    _, ids, names, _, _ = layer.listStylesInDatabase()
    for number, name in zip(ids, names):
        if name == STYLE_NAME:
            layer.deleteStyleFromDatabase(number)
    problem = str(layer.saveStyleToDatabase(STYLE_NAME, "", True, "") or "")
    # Writing takes SQLite's log away from the connections that QGIS reads by: they fail until renewed.
    layer.dataProvider().reloadData()
    return problem
