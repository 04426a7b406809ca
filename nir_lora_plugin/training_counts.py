"""How many polygons each class has, and how much ground they cover, kept up to date cheaply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, List, Tuple

from qgis.core import (
    QgsDistanceArea,
    QgsFeature,
    QgsFeatureRequest,
    QgsProject,
    QgsUnitTypes,
    QgsVectorLayer,
)

from .training_style import CLASS_FIELD


@dataclass(frozen=True)
class ClassCount:
    """Polygons of a class and their area in m² (squared units of the layer where it has no CRS)."""

    count: int = 0
    area_m2: float = 0.0


class PolygonCounts:
    """Measures every polygon once; a changed one again."""

    def __init__(self, layer: QgsVectorLayer) -> None:
        self._layer = layer
        self._areas: Dict[int, float] = {}

    def forget(self, feature_id: int) -> None:
        """Measure this polygon again next time."""
        self._areas.pop(feature_id, None)

    def forget_new(self) -> None:
        """Edits were saved: polygons that were new, with negative ids, have other ids now."""
        self._areas = {number: area for number, area in self._areas.items() if number >= 0}

    def forget_all(self) -> None:
        """Measure all polygons again next time."""
        self._areas.clear()

    def by_class(self) -> Dict[str, ClassCount]:
        """Class -> its polygons, unsaved ones too; "" are those without a class."""
        found = self._names()
        self._measure([number for number, _ in found if number not in self._areas])
        result: Dict[str, ClassCount] = {}
        for number, name in found:
            old = result.get(name, ClassCount())
            result[name] = ClassCount(old.count + 1, old.area_m2 + self._areas.get(number, 0.0))
        return result

    def _names(self) -> List[Tuple[int, str]]:
        request = QgsFeatureRequest().setFlags(QgsFeatureRequest.Flag.NoGeometry)
        request.setSubsetOfAttributes([CLASS_FIELD], self._layer.fields())
        return [(f.id(), class_text(f)) for f in self._layer.getFeatures(request)]

    def _measure(self, feature_ids: List[int]) -> None:
        if not feature_ids:
            return
        area = area_measure(self._layer)
        request = QgsFeatureRequest().setFilterFids(feature_ids).setNoAttributes()
        for feature in self._layer.getFeatures(request):
            measured = area.measureArea(feature.geometry()) if feature.hasGeometry() else 0.0
            unit = QgsUnitTypes.AreaUnit.AreaSquareMeters
            if self._layer.crs().isValid():
                measured = area.convertAreaMeasurement(measured, unit)
            # Not a number: coordinates that are impossible in the CRS.
            self._areas[feature.id()] = measured if math.isfinite(measured) else 0.0


def class_text(feature: QgsFeature, field: str = CLASS_FIELD) -> str:
    """The class of a feature as the backend reads it: whole numbers without a fraction, "" for none."""
    value = feature[field]
    if value is None or value != value or str(value) == "NULL":
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def area_measure(layer: QgsVectorLayer) -> QgsDistanceArea:
    """Areas on the ellipsoid of the layer's CRS, whatever the project measures on."""
    measure = QgsDistanceArea()
    measure.setSourceCrs(layer.crs(), QgsProject.instance().transformContext())
    if layer.crs().isValid():
        measure.setEllipsoid(layer.crs().ellipsoidAcronym())
    return measure
