"""Where training polygons lie, and making or opening that GeoPackage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

from osgeo import ogr, osr
from qgis.core import (
    QgsMapLayer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)

from .errors import PluginError
from .layers import local_path
from .training_style import CLASS_FIELD
from .translation import translate

TABLE = "training"


def training_path(raster: QgsRasterLayer) -> str:
    """Where the training polygons of a raster belong: ``<stem>_training.gpkg``.

    Beside the raster, where the command line looks for it; in the project's folder if the raster's cannot
    be written to.

    Raises:
        PluginError: Neither folder can be written to, or the raster is no file.
    """
    source = local_path(raster)
    if not source:
        raise PluginError(
            _tr("{} is no file on this computer.").format(raster.name()),
            hint=_tr("Make a copy of it first, or choose where the polygons go."),
        )
    name = f"{Path(source).stem}_training.gpkg"
    folders = [Path(source).parent]
    project = QgsProject.instance().absolutePath()
    if project:
        folders.append(Path(project))
    for folder in folders:
        path = folder / name
        # SQLite writes beside its file too, so the folder counts for a file that is there already.
        if os.access(folder, os.W_OK) and (not path.exists() or os.access(path, os.W_OK)):
            return str(path)
    raise PluginError(
        _tr("The folder {} cannot be written to.").format(folders[0]),
        hint=_tr("Save the project in a folder of yours, or choose where the polygons go."),
    )


def create_file(path: str, raster: QgsRasterLayer) -> None:
    """Make an empty GeoPackage of polygons with a class field, in the raster's CRS.

    Raises:
        PluginError: It cannot be written.
    """
    reference = osr.SpatialReference()
    if raster.crs().isValid():
        reference.ImportFromWkt(raster.crs().toWkt())
    else:
        reference.SetLocalCS("Undefined Cartesian SRS")  # GeoPackage's own word for none
    try:
        source = ogr.GetDriverByName("GPKG").CreateDataSource(path)
        layer = None if source is None else source.CreateLayer(TABLE, reference, ogr.wkbMultiPolygon)
        made = layer is not None and layer.CreateField(ogr.FieldDefn(CLASS_FIELD, ogr.OFTString)) == 0
    except RuntimeError:  # where GDAL's exceptions are on
        made = False
    if not made:
        raise PluginError(
            _tr("{} cannot be written.").format(path), hint=_tr("Is the folder there, and writable?")
        )


def write_copy(layer: QgsVectorLayer, path: str) -> None:
    """Write the polygons and their classes as they are now, unsaved ones too, to a new GeoPackage.

    Raises:
        PluginError: It cannot be written.
    """
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", TABLE
    options.attributes = [layer.fields().lookupField(CLASS_FIELD)]  # without numbers that new ones lack
    context = QgsProject.instance().transformContext()
    answer = QgsVectorFileWriter.writeAsVectorFormatV3(layer, path, context, options)
    if answer[0] != QgsVectorFileWriter.WriterError.NoError:
        raise PluginError(_tr("{} cannot be written.").format(path), hint=str(answer[1]))


def open_file(path: str) -> QgsVectorLayer:
    """The polygons of a GeoPackage; the layer of the project that shows them already, if there is one.

    Raises:
        PluginError: It holds no polygons with a text field ``class``.
    """
    for layer in QgsProject.instance().mapLayers().values():
        if _file_of(layer) == Path(path) and usable(layer):
            return layer
    names = _tables(path)
    for name in sorted(names, key=lambda name: name != TABLE):
        layer = QgsVectorLayer(f"{path}|layername={name}", Path(path).stem, "ogr")
        if usable(layer):
            return layer
    raise PluginError(
        _tr("{} holds no polygons with a text field '{}'.").format(path, CLASS_FIELD),
        hint=_tr("Choose another file, or take its polygons over by a field of theirs."),
    )


def usable(layer: QgsMapLayer) -> bool:
    """Whether a layer has polygons and a text field for the class."""
    if not isinstance(layer, QgsVectorLayer) or not layer.isValid():
        return False
    index = layer.fields().lookupField(CLASS_FIELD)
    polygons = layer.geometryType() == QgsWkbTypes.GeometryType.PolygonGeometry
    return bool(
        polygons and index >= 0 and layer.fields()[index].typeName().lower().startswith(("str", "text"))
    )


def _file_of(layer: QgsMapLayer) -> Path:
    return Path(layer.source().split("|", 1)[0])


def _tables(path: str) -> List[str]:
    try:
        source = ogr.Open(path)
    except RuntimeError:
        source = None
    return [] if source is None else [source.GetLayer(i).GetName() for i in range(source.GetLayerCount())]


def _tr(text: str) -> str:
    return translate("TrainingLayer", text)
