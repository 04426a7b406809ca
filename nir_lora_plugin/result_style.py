"""How results look: the legend of class names on the map, a ramp for confidence, outlines for polygons."""

from __future__ import annotations

from typing import List, Optional

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsColorRampShader,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsRasterShader,
    QgsRendererCategory,
    QgsSingleBandPseudoColorRenderer,
    QgsStyle,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from .protocol import SegmentResult
from .training_style import class_symbol

_PERCENT = (0, 20, 40, 60, 80, 100)
_RAMPS = ("Viridis", "Magma", "Greys")  # the first that this QGIS has
_OUTLINE = 25  # opacity of the fill, of 255


def style_map(layer: QgsRasterLayer, result: SegmentResult) -> None:
    """Names and colours of the classes; the ``.qml`` beside the map says the same."""
    classes = [
        QgsPalettedRasterRenderer.Class(found.value, QColor(found.color), found.name)
        for found in result.classes
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    _show(layer)


def style_confidence(layer: QgsRasterLayer, result: SegmentResult) -> None:
    """Percent from dark (unsure) to bright."""
    ramp = next((r for r in map(QgsStyle.defaultStyle().colorRamp, _RAMPS) if r is not None), None)
    items: List[QgsColorRampShader.ColorRampItem] = []
    for value in _PERCENT:
        grey = QColor(*[int(2.55 * value)] * 3)
        color: Optional[QColor] = ramp.color(value / 100) if ramp is not None else grey
        items.append(QgsColorRampShader.ColorRampItem(value, color, f"{value} %"))
    function = QgsColorRampShader(0, 100, None, QgsColorRampShader.Type.Interpolated)
    function.setColorRampItemList(items)
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(function)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader)
    renderer.setClassificationMin(0)
    renderer.setClassificationMax(100)
    layer.setRenderer(renderer)
    _show(layer)


def style_polygons(layer: QgsVectorLayer, result: SegmentResult) -> None:
    """Outlines in the colours of the classes."""
    categories = [
        QgsRendererCategory(found.name, class_symbol(found.color, _OUTLINE), found.name)
        for found in result.classes
    ]
    layer.setRenderer(QgsCategorizedSymbolRenderer("name", categories))
    _show(layer)


def _show(layer: object) -> None:
    layer.triggerRepaint()  # type: ignore[attr-defined]
    layer.emitStyleChanged()  # type: ignore[attr-defined]
