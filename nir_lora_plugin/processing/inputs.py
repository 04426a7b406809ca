"""Layers that the user chose, as files that the backend can open."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from qgis.core import (
    NULL,
    QgsMapLayer,
    QgsMapLayerType,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProperty,
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
        return _vector_path(layer, context, feedback)
    from nir_lora_plugin.layers import local_path

    path = local_path(layer)
    if not path:
        text = translate("Processing", "Labels as a raster must be a file on this computer; {} is none.")
        raise QgsProcessingException(text.format(layer.name()))
    return path


def area_path(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    name: str,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """File of the (perhaps only the selected) polygons of a feature source parameter, "" if it is left out.

    On the main thread only.

    Raises:
        QgsProcessingException: The layer holds edits that are not saved, or cannot be read.
    """
    given = parameters.get(name)
    if given is None or given == NULL or given == "":
        return ""
    source = given.source if isinstance(given, QgsProcessingFeatureSourceDefinition) else given
    if isinstance(source, QgsProperty):
        source, _ = source.valueAsString(context.expressionContext())
    layer = (
        source if isinstance(source, QgsMapLayer) else QgsProcessingUtils.mapLayerFromString(source, context)
    )
    if not isinstance(layer, QgsVectorLayer):
        raise _unreadable(str(source))
    _check_saved(layer)
    path, inner = algorithm.parameterAsCompatibleSourceLayerPathAndLayerName(
        parameters, name, context, VECTOR_SUFFIXES, "gpkg", feedback
    )
    return _joined(path, inner, layer)


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


def _vector_path(
    layer: QgsVectorLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
) -> str:
    _check_saved(layer)
    path, inner = QgsProcessingUtils.convertToCompatibleFormatAndLayerName(
        layer, False, "labels", VECTOR_SUFFIXES, "gpkg", context, feedback
    )
    return _joined(path, inner, layer)


def _joined(path: str, inner: str, layer: QgsVectorLayer) -> str:
    if not path:
        raise _unreadable(layer.name())
    return f"{path}|layername={inner}" if inner else path


def _check_saved(layer: QgsVectorLayer) -> None:
    """The backend reads files, and would not see what only QGIS knows."""
    if layer.isEditable() and layer.isModified():
        text = translate(
            "Processing", "The layer {} holds edits that are not saved. Save them, then run again."
        )
        raise QgsProcessingException(text.format(layer.name()))


def _unreadable(name: str) -> QgsProcessingException:
    return QgsProcessingException(translate("Processing", "The layer {} cannot be read.").format(name))
