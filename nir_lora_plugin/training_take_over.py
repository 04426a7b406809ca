"""Polygons of another layer as training polygons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFeature,
    QgsFeatureRequest,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsVectorLayerUtils,
)

from .errors import PluginError
from .training_counts import class_text
from .training_style import CLASS_FIELD
from .translation import translate


@dataclass
class TakenPolygons:
    """Features ready to be added; colours of their classes where the other layer has them."""

    features: List[QgsFeature] = field(default_factory=list)
    colors: Dict[str, str] = field(default_factory=dict)
    note: str = ""


def read_polygons(
    other: QgsVectorLayer, class_field: str, target: QgsVectorLayer, raster: QgsRasterLayer
) -> TakenPolygons:
    """Read polygons of ``other`` that touch the raster, in the CRS of ``target``.

    Selected ones if any are, else all. Geometries are brought to the target's type.

    Raises:
        PluginError: There is no such field, or nothing is usable.
    """
    if other.fields().lookupField(class_field) < 0:
        raise PluginError(_tr("{} has no field {}.").format(other.name(), class_field))
    found = TakenPolygons(colors=_colors(other, class_field))
    total = other.selectedFeatureCount() or other.featureCount()
    taken = 0
    for feature in other.getFeatures(_request(other, target, raster)):
        name = class_text(feature, class_field)
        parts = feature.geometry().coerceToType(target.wkbType()) if feature.hasGeometry() else []
        parts = [part for part in parts if not part.isEmpty()]
        if not name or not parts:
            continue
        taken += 1
        index = target.fields().lookupField(CLASS_FIELD)
        for part in parts:
            found.features.append(QgsVectorLayerUtils.createFeature(target, part, {index: name}))
    if not taken:
        raise PluginError(
            _tr("None of the {} features of {} could be taken over.").format(total, other.name()),
            hint=_tr("They must be polygons on the raster, with a value in field {}.").format(class_field),
        )
    if taken < total:
        text = _tr(
            "{} of {} features of {} were left out: outside the raster, no polygon, or without a class."
        )
        found.note = text.format(total - taken, total, other.name())
    return found


def _request(other: QgsVectorLayer, target: QgsVectorLayer, raster: QgsRasterLayer) -> QgsFeatureRequest:
    request = QgsFeatureRequest()
    if other.selectedFeatureCount():
        request.setFilterFids(other.selectedFeatureIds())
    if other.crs().isValid() and target.crs().isValid():
        request.setDestinationCrs(target.crs(), QgsProject.instance().transformContext())
    if target.crs() == raster.crs():
        request.setFilterRect(raster.extent())
    return request


def _colors(other: QgsVectorLayer, class_field: str) -> Dict[str, str]:
    renderer = other.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer):
        return {}
    if renderer.classAttribute().strip('"') != class_field:
        return {}
    return {str(c.value()): c.symbol().color().name() for c in renderer.categories() if c.symbol()}


def _tr(text: str) -> str:
    return translate("TrainingLayer", text)
