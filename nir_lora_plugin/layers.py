"""Raster layers as the backend can open them: a local file with what the user knows better than the file.

Everything that is no plain local file is exported first, see export_layer.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from osgeo import gdal
from qgis.core import Qgis, QgsMapLayer, QgsMapLayerType, QgsProviderRegistry, QgsRasterLayer

from .export_layer import ExportJob, prepare_export
from .nodata import overriding_nodata
from .protocol import LayerRef
from .translation import translate

__all__ = ["ExportJob", "export_reason", "layer_ref", "local_path", "prepare_export", "why_not"]

_COMPLEX = (
    Qgis.DataType.CInt16,
    Qgis.DataType.CInt32,
    Qgis.DataType.CFloat32,
    Qgis.DataType.CFloat64,
)


def layer_ref(layer: QgsMapLayer) -> Optional[LayerRef]:
    """What the backend opens in place of ``layer``; None if it must be exported first, or cannot be used."""
    if why_not(layer) or export_reason(layer):
        return None
    nodata, _ = overriding_nodata(layer.dataProvider())
    return LayerRef(path=local_path(layer), nodata=nodata, crs=_other_crs(layer))


def why_not(layer: Optional[QgsMapLayer]) -> str:
    """Why ``layer`` cannot be used at all, as a sentence; "" if it can, as it is or after an export."""
    if layer is None:
        return _tr("No layer is chosen.")
    name = layer.name()
    if layer.type() != QgsMapLayerType.RasterLayer:
        return _tr("{} is no raster layer.").format(name)
    provider = layer.dataProvider()
    if not layer.isValid() or provider is None:
        return _tr("{} cannot be read: its file or server is missing.").format(name)
    if provider.bandCount() < 1:
        return _tr("{} has no bands.").format(name)
    if provider.sourceDataType(1) in _COMPLEX:
        return _tr("{} holds complex numbers; a raster of real ones is needed.").format(name)
    return ""


def export_reason(layer: QgsRasterLayer) -> str:
    """Why a usable layer has to be written to a file first, as a sentence; "" if the backend can open it."""
    provider = layer.dataProvider()
    if provider.name() != "gdal":
        return _tr("It comes from a server or from other layers ({}).").format(provider.name())
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    if parts.get("authcfg") or "authcfg=" in layer.source():
        return _tr("It needs a password that only QGIS knows.")
    if not local_path(layer):
        return _tr("It is no file on this computer, or a part of one.")
    if parts.get("openOptions") and not _same_without_options(layer):
        return _tr("It is opened with options that change what is in it.")
    _, simple = overriding_nodata(provider)
    return "" if simple else _tr("Its nodata settings are more than one value.")


def local_path(layer: QgsMapLayer) -> str:
    """The file behind a gdal layer, without the options that QGIS appends; "" if there is no such file."""
    provider = layer.dataProvider()
    if provider is None or provider.name() != "gdal":
        return ""
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = str(parts.get("path") or "").split("|", 1)[0]
    # 3.22 leaves /vsi... prefixes in the path. The part of a file (a NetCDF variable) is no file itself.
    inside = parts.get("layerName") or parts.get("vsiPrefix") or parts.get("vsiSuffix")
    return path if path and not inside and Path(path).is_file() else ""


def _other_crs(layer: QgsRasterLayer) -> str:
    """The layer's CRS where it differs from the file's."""
    crs = layer.crs()
    if not crs.isValid() or crs == layer.dataProvider().crs():
        return ""
    known = crs.authid().startswith("EPSG:")
    return str(crs.authid() if known else crs.toWkt())


def _same_without_options(layer: QgsRasterLayer) -> bool:
    """Whether the file alone has the bands and the size of the layer."""
    provider = layer.dataProvider()
    try:
        file = gdal.Open(local_path(layer))
    except RuntimeError:  # where GDAL's exceptions are on
        file = None
    if file is None:
        return False
    size = (file.RasterXSize, file.RasterYSize, file.RasterCount)
    return bool(size == (provider.xSize(), provider.ySize(), provider.bandCount()))


def _tr(text: str) -> str:
    return translate("Layers", text)
