"""What may be wrong with training polygons, in sentences for the person who draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, List

from qgis.core import QgsCoordinateTransform, QgsCsException, QgsFeatureRequest, QgsProject

from .translation import translate

if TYPE_CHECKING:
    from .training_layer import TrainingLayer

FEW = 3  # polygons of a class; some are held out to check the model


def find_problems(training: TrainingLayer) -> List[str]:
    """Sentences, the most important first."""
    return [
        *_too_few(training),
        *_outside(training),
        *_without_class(training),
        *_no_crs(training),
        *_unsaved(training),
    ]


def _too_few(training: TrainingLayer) -> List[str]:
    drawn = [found for found in training.classes() if found.count]
    if not drawn:
        return [_tr("Nothing is drawn yet: draw a few polygons of each class.")]
    if len(drawn) == 1:
        return [
            _tr("Only {} is drawn: the map needs at least two classes to tell apart.").format(drawn[0].name)
        ]
    text = _tr("{} has {} of at least {} polygons: draw more, in different places.")
    return [text.format(found.name, found.count, FEW) for found in training.classes() if found.count < FEW]


def _outside(training: TrainingLayer) -> List[str]:
    layer, raster = training.layer, training.raster
    total = layer.featureCount()
    extent = raster.extent()
    if not total or extent.isEmpty():
        return []
    if layer.crs().isValid() and raster.crs().isValid() and layer.crs() != raster.crs():
        try:
            change = QgsCoordinateTransform(raster.crs(), layer.crs(), QgsProject.instance())
            extent = change.transformBoundingBox(extent)
        except QgsCsException:
            return [_tr("The polygons cannot be brought to the CRS of the raster.")]
    request = QgsFeatureRequest().setFilterRect(extent).setNoAttributes()
    inside = sum(1 for _ in layer.getFeatures(request.setFlags(QgsFeatureRequest.Flag.NoGeometry)))
    if inside == total:
        return []
    return [_tr("{} of {} polygons lie outside the raster and teach nothing.").format(total - inside, total)]


def _without_class(training: TrainingLayer) -> List[str]:
    count = training.unlabelled()
    return [_tr("{} polygons have no class and are not used.").format(count)] if count else []


def _no_crs(training: TrainingLayer) -> List[str]:
    if training.raster.crs().isValid():
        return []
    return [_tr("The raster has no coordinate reference system: areas are in its own units.")]


def _unsaved(training: TrainingLayer) -> List[str]:
    return [_tr("There are unsaved changes.")] if training.layer.isModified() else []


def _tr(text: str) -> str:
    return translate("TrainingLayer", text)
