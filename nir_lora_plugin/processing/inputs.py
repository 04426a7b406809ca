"""Layers that the user chose, as files that the backend can open."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from qgis.core import (
    QgsMapLayer,
    QgsMapLayerType,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsVectorLayer,
)

from nir_lora_plugin.translation import translate

# What the backend opens itself; other vector layers are copied to a GeoPackage first.
VECTOR_SUFFIXES = ["gpkg", "shp", "geojson", "json", "fgb", "kml", "gml"]


def labels_path(layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> str:
    """File of a layer of labels, ``|layername=`` included; a layer that is no such file is copied to one.

    On the main thread only.

    Raises:
        QgsProcessingException: It holds edits that are not saved, or cannot be copied.
    """
    if layer.type() != QgsMapLayerType.RasterLayer:
        return vector_path(layer, context, feedback)
    from nir_lora_plugin.layers import local_path

    path = local_path(layer)
    if not path:
        text = translate("Processing", "Labels as a raster must be a file on this computer; {} is none.")
        raise QgsProcessingException(text.format(layer.name()))
    return path


def vector_path(
    layer: QgsVectorLayer,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
    only_selected: bool = False,
) -> str:
    """File of a vector layer, see ``labels_path``; ``only_selected`` takes the selected features."""
    if layer.isEditable() and layer.isModified():
        text = translate(
            "Processing", "The layer {} holds edits that are not saved. Save them, then run again."
        )
        raise QgsProcessingException(text.format(layer.name()))
    path, name = QgsProcessingUtils.convertToCompatibleFormatAndLayerName(
        layer, only_selected, "labels", VECTOR_SUFFIXES, "gpkg", context, feedback
    )
    if not path:
        text = translate("Processing", "The layer {} cannot be read: {}")
        raise QgsProcessingException(text.format(layer.name(), layer.source()))
    return f"{path}|layername={name}" if name else str(path)


def paired(labels: Sequence[str], num_rasters: int) -> List[str]:
    """Labels of each raster: one for all, one for each in the same order, or "" (found beside the raster).

    Raises:
        QgsProcessingException: Another number of labels.
    """
    if len(labels) in (0, 1):
        return list(labels or [""]) * num_rasters
    if len(labels) == num_rasters:
        return list(labels)
    text = translate(
        "Processing",
        "{} layers of labels for {} rasters: give one for all of them, or one for each in the same order.",
    )
    raise QgsProcessingException(text.format(len(labels), num_rasters))


def area_path(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    name: str,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """File of the polygons of a feature source parameter, "" if there are none; on the main thread."""
    layer = algorithm.parameterAsVectorLayer(parameters, name, context)
    if layer is None:
        return ""
    given = parameters[name]
    only_selected = isinstance(given, QgsProcessingFeatureSourceDefinition) and given.selectedFeaturesOnly
    return vector_path(layer, context, feedback, only_selected)
