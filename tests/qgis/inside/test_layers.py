"""What the backend is told to open in place of a QGIS layer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsRasterDataProvider,
    QgsRasterLayer,
    QgsRasterRange,
    QgsVectorLayer,
)
from rasters import scene, write_tiff

from nir_lora_plugin.layers import export_reason, layer_ref, local_path, why_not


def opened(source, provider="gdal"):
    layer = QgsRasterLayer(str(source), "field", provider)
    assert layer.isValid(), source
    return layer


def test_a_file_goes_by_its_path(tmp_path):
    path = write_tiff(tmp_path / "field, with = odd | not ünusual.tif".replace("|", "-"), scene())
    ref = layer_ref(opened(path))
    assert (ref.path, ref.nodata, ref.crs, ref.labels) == (path, None, "", "")


def test_options_that_change_nothing_are_dropped(tmp_path):
    path = write_tiff(tmp_path / "field.tif", scene())
    layer = opened(f"{path}|option:NUM_THREADS=2")
    assert layer_ref(layer).path == path


def test_options_that_change_the_content_ask_for_an_export(tmp_path):
    path = write_tiff(tmp_path / "field.tif", scene())
    file = gdal.Open(path, gdal.GA_Update)
    file.BuildOverviews("NEAREST", [2])
    del file
    layer = opened(f"{path}|option:OVERVIEW_LEVEL=0")
    assert layer.width() == 150
    assert layer_ref(layer) is None
    assert "options" in export_reason(layer)


def test_nodata_of_the_user_goes_along(tmp_path):
    layer = opened(write_tiff(tmp_path / "field.tif", scene()))
    for band in (1, 2, 3):
        layer.dataProvider().setUserNoDataValue(band, [QgsRasterRange(7, 7)])
    assert layer_ref(layer).nodata == 7


def test_nodata_beside_the_files_own_asks_for_an_export(tmp_path):
    layer = opened(write_tiff(tmp_path / "field.tif", scene(), nodata=0))
    assert layer_ref(layer).nodata is None  # the file says it itself
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(7, 7)])
    assert layer_ref(layer) is None
    layer.dataProvider().setUserNoDataValue(1, [])
    layer.dataProvider().setUseSourceNoDataValue(1, False)
    assert layer_ref(layer) is None
    assert "nodata" in export_reason(layer)


def test_a_range_of_nodata_asks_for_an_export(tmp_path):
    layer = opened(write_tiff(tmp_path / "field.tif", scene()))
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(0, 12)])
    assert layer_ref(layer) is None


def test_the_crs_of_the_layer_goes_along(tmp_path):
    layer = opened(write_tiff(tmp_path / "field.tif", scene(), epsg=None))
    assert layer_ref(layer).crs == ""
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:25833"))
    assert layer_ref(layer).crs == "EPSG:25833"
    own = "+proj=tmerc +lat_0=0 +lon_0=9.5 +k=1 +x_0=0 +y_0=0 +ellps=bessel +units=m +no_defs"
    layer.setCrs(QgsCoordinateReferenceSystem.fromProj(own))
    given, wanted = osr.SpatialReference(), osr.SpatialReference()
    given.SetFromUserInput(layer_ref(layer).crs)
    wanted.ImportFromProj4(own)
    assert given.IsSame(wanted, ["IGNORE_COORDINATE_EPOCH=YES", "CRITERION=EQUIVALENT"])


def test_a_rotated_file_goes_by_its_path(tmp_path):
    """QGIS shows a rotated file through a warped copy of another size."""
    path = write_tiff(tmp_path / "field.tif", scene())
    file = gdal.Open(path, gdal.GA_Update)
    file.SetGeoTransform((500_000, 0.4, 0.3, 5_000_000, 0.3, -0.4))
    del file
    assert layer_ref(opened(path)).path == path


def test_what_is_no_file_of_its_own_is_exported(tmp_path):
    path = write_tiff(tmp_path / "field.tif", scene())
    gdal.FileFromMemBuffer("/vsimem/field.tif", Path(path).read_bytes())
    shutil.make_archive(str(tmp_path / "field"), "zip", tmp_path, "field.tif")
    gdal.Translate(str(tmp_path / "a.gpkg"), path, bandList=[1], outputType=gdal.GDT_Byte, format="GPKG")
    options = ["APPEND_SUBDATASET=YES", "RASTER_TABLE=second"]
    translate = {"bandList": [2], "outputType": gdal.GDT_Byte, "format": "GPKG"}
    gdal.Translate(str(tmp_path / "a.gpkg"), path, creationOptions=options, **translate)
    for source in (
        "/vsimem/field.tif",
        f"/vsizip/{tmp_path}/field.zip/field.tif",
        f"GPKG:{tmp_path}/a.gpkg:second",
    ):
        layer = opened(source)
        assert (why_not(layer), layer_ref(layer), local_path(layer)) == ("", None, "")
        assert "no file" in export_reason(layer)
    gdal.Unlink("/vsimem/field.tif")


def test_map_services_and_virtual_rasters_are_exported(tmp_path):
    xyz = opened("type=xyz&url=file:///nowhere/{z}/{x}/{y}.png&zmax=3", "wms")
    assert (why_not(xyz), layer_ref(xyz)) == ("", None)
    field = opened(write_tiff(tmp_path / "field.tif", scene()))
    virtual = opened(virtual_uri(field), "virtualraster")
    assert (why_not(virtual), layer_ref(virtual)) == ("", None)
    assert "virtualraster" in export_reason(virtual)


def virtual_uri(layer):
    """A layer that QGIS computes: twice the first band."""
    parameters = QgsRasterDataProvider.VirtualRasterParameters()
    parameters.crs, parameters.extent = layer.crs(), layer.extent()
    parameters.width, parameters.height = layer.width(), layer.height()
    parameters.formula = '"f@1" * 2'
    item = QgsRasterDataProvider.VirtualRasterInputLayers()
    item.name, item.uri, item.provider = "f", layer.source(), "gdal"
    parameters.rInputLayers = [item]
    return QgsRasterDataProvider.encodeVirtualRasterProviderUri(parameters)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (None, "No layer"),
        (QgsVectorLayer("Polygon", "lines", "memory"), "no raster"),
        (QgsRasterLayer("/nowhere/x.tif", "gone"), "cannot be read"),
    ],
)
def test_layers_that_cannot_be_used_say_why(layer, words):
    assert words in why_not(layer)
    if layer is not None:
        assert layer_ref(layer) is None


def test_complex_numbers_say_why(tmp_path):
    path = str(tmp_path / "complex.tif")
    file = gdal.GetDriverByName("GTiff").Create(path, 8, 8, 1, gdal.GDT_CFloat32)
    file.GetRasterBand(1).WriteArray(np.ones((8, 8), np.complex64))
    del file
    assert "complex" in why_not(opened(path))
