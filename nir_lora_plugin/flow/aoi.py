"""Where to segment, as a small GeoPackage that travels with the request. Main thread only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsGeometry,
    QgsMapLayer,
    QgsProject,
    QgsRectangle,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

from nir_lora_plugin.errors import PluginError
from nir_lora_plugin.translation import translate

_DENSE = 20  # points along a side of the view, so that its edges stay true in another CRS


def extent_geometry(canvas: Any, layer: QgsMapLayer) -> QgsGeometry:
    """The part of ``layer`` that the map shows, in the layer's CRS; null when it shows none of it.

    Raises:
        PluginError: The view cannot be expressed in the layer's CRS.
    """
    source = canvas.mapSettings().destinationCrs()
    geometry = QgsGeometry.fromRect(QgsRectangle(canvas.extent())).densifyByCount(_DENSE)
    change = QgsCoordinateTransform(source, layer.crs(), QgsProject.instance())
    try:
        geometry.transform(change)
    except QgsCsException as error:
        raise PluginError(
            translate("Aoi", "The visible map cannot be expressed in the layer's coordinate system."),
            hint=translate("Aoi", "Zoom to the layer, or segment the whole of it."),
        ) from error
    return geometry.intersection(QgsGeometry.fromRect(layer.extent()))


def polygon_geometries(layer: QgsVectorLayer) -> List[QgsGeometry]:
    """The selected polygons of ``layer``, or all when none is selected."""
    features = layer.getSelectedFeatures() if layer.selectedFeatureCount() else layer.getFeatures()
    return [QgsGeometry(f.geometry()) for f in features if f.hasGeometry()]


def write_aoi(path: Path, geometries: List[QgsGeometry], crs: QgsCoordinateReferenceSystem) -> str:
    """Write the polygons and return the path as text.

    Raises:
        PluginError: The file cannot be written.
    """
    memory = QgsVectorLayer("MultiPolygon", "aoi", "memory")
    memory.setCrs(crs)
    features = []
    for geometry in geometries:
        feature = QgsFeature()
        feature.setGeometry(geometry)
        features.append(feature)
    memory.dataProvider().addFeatures(features)
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    context = QgsProject.instance().transformContext()
    answer = QgsVectorFileWriter.writeAsVectorFormatV3(memory, str(path), context, options)
    if answer[0] != QgsVectorFileWriter.WriterError.NoError:
        raise PluginError(
            translate("Aoi", "The area to segment could not be written to {}: {}").format(path, answer[1])
        )
    return str(path)
