"""Styles of results that QGIS loads when an algorithm is done."""

from __future__ import annotations

from typing import Any, Callable, ClassVar, Dict, Set

from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
)

from nir_lora_plugin.protocol import SegmentResult, from_dict

Style = Callable[[QgsMapLayer, SegmentResult], None]


class Styler(QgsProcessingLayerPostProcessorInterface):
    """Styles one layer, once. QGIS does not own it, so it keeps itself alive until then."""

    _alive: ClassVar[Set[Styler]] = set()

    def __init__(self, style: Style, result: SegmentResult) -> None:
        super().__init__()
        self._style, self._result = style, result
        self._alive.add(self)

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Called by QGIS on the main thread."""
        self._style(layer, self._result)
        self._alive.discard(self)


def style_when_loaded(outputs: Dict[str, str], result: Dict[str, Any], context: QgsProcessingContext) -> None:
    """Have QGIS style those of ``outputs`` (parameter -> path) that it is about to load."""
    from nir_lora_plugin.result_style import style_confidence, style_map, style_polygons

    typed = from_dict(SegmentResult, result)
    styles = (("OUTPUT", style_map), ("CONFIDENCE", style_confidence), ("POLYGONS", style_polygons))
    for name, style in styles:
        path = outputs.get(name, "")
        if path and context.willLoadLayerOnCompletion(path):
            context.layerToLoadOnCompletionDetails(path).setPostProcessor(Styler(style, typed))
