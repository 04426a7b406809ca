"""What a finished map looks like in the project, judged by GDAL, OGR and the picture on the canvas."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr
from qgis.core import QgsRasterLayer
from rasters import scene, write_tiff

from nir_lora_plugin.errors import PluginError
from nir_lora_plugin.protocol import ClassArea, ClassInfo, SegmentResult
from nir_lora_plugin.result_layers import add_results, release, restore

CLASSES = (
    ClassInfo(0, "crop & beet", "#8bc34a"),
    ClassInfo(1, "weed", "#d9421e"),
    ClassInfo(2, "bare soil", "#b08a5b"),
)
WRITE_MAP = """
import sys, numpy as np
from pathlib import Path
from nirlora.protocol import ClassInfo
from nirlora.raster.source import open_raster
from nirlora.raster.writer import MapBlock, MapOutputs, MapWriter
from nirlora.vector.polygonise import polygonise
source, out, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
table = (("crop & beet", "#8bc34a"), ("weed", "#d9421e"), ("bare soil", "#b08a5b"))
classes = [ClassInfo(i, name, color) for i, (name, color) in enumerate(table)]
blocks = np.random.default_rng(seed).integers(0, 3, (4, 6)).astype(np.uint8)
values = np.kron(blocks, np.ones((50, 50), np.uint8)); values[:20] = 255
confidence = np.where(values == 255, 255, np.tile(np.linspace(0, 100, 300), (200, 1))).astype(np.uint8)
with open_raster(source) as raster:
    with MapWriter(MapOutputs(out, out.with_name(out.stem + "_confidence.tif")), raster, classes) as writer:
        writer.write(raster.window, MapBlock(values, confidence)); writer.finalise()
polygonise(out, out.with_suffix(".gpkg"), classes)
"""


def write_map(field, out, seed=0):
    """A map, as the backend writes one."""
    drop = ("PYTHONPATH", "LD_LIBRARY_PATH")
    environment = {key: value for key, value in os.environ.items() if key not in drop}
    command = [os.environ["NIRLORA_PYTHON"], "-c", WRITE_MAP, field, str(out), str(seed)]
    subprocess.run(command, check=True, env=environment)
    return result_of(out)


def result_of(out, kinds=("confidence", "polygons")):
    paths = {
        "map": str(out),
        "style": str(out.with_suffix(".qml")),
        "confidence": str(out.with_name(out.stem + "_confidence.tif")),
        "polygons": str(out.with_suffix(".gpkg")),
    }
    outputs = {kind: path for kind, path in paths.items() if kind in ("map", "style", *kinds)}
    areas = tuple(ClassArea(c.value, c.name, 0, 0.0) for c in CLASSES)
    return SegmentResult(str(out), outputs, CLASSES, areas, 1, 1.0, 1.0, "cpu", (), {})


@pytest.fixture
def field(tmp_path, project):
    layer = QgsRasterLayer(write_tiff(tmp_path / "field.tif", scene()), "field")
    other = QgsRasterLayer(write_tiff(tmp_path / "other.tif", scene()), "other")
    project.addMapLayers([other, layer])  # the first one lies on top
    return layer


def names(group):
    """The tree as text, top first: ``name`` or ``(group name ...)``, ``-`` before what is not ticked."""
    made = []
    for node in group.children():
        tick = "" if node.itemVisibilityChecked() else "-"
        made.append(
            tick + (f"({node.name()}: {', '.join(names(node))})" if node.nodeType() == 0 else node.name())
        )
    return made


def test_the_map_lies_above_its_source_with_a_legend(tmp_path, project, field, qtbot):
    write_map(field.source(), tmp_path / "field_weeds.tif")
    layers = add_results(result_of(tmp_path / "field_weeds.tif", ()), field, project)
    assert names(project.layerTreeRoot()) == ["other", "field_weeds", "field"]
    (layer,) = layers
    legend = [(label, color.name()) for label, color in layer.legendSymbologyItems()]
    assert legend == [(c.name, c.color) for c in CLASSES]
    file = gdal.Open(layer.source())
    table = file.GetRasterBand(1).GetColorTable()
    assert [table.GetColorEntry(c.value)[:3] for c in CLASSES] == [
        tuple(int(c.color[i : i + 2], 16) for i in (1, 3, 5)) for c in CLASSES
    ]
    assert (layer.extent(), layer.width(), layer.height()) == (field.extent(), 300, 200)
    assert layer.crs() == field.crs()
    assert project.layerTreeRoot().findLayer(layer.id()).isExpanded()  # the legend is in sight


def test_several_outputs_make_a_group(tmp_path, project, field):
    result = write_map(field.source(), tmp_path / "field_weeds.tif")
    layers = add_results(result, field, project)
    tree = "(field_weeds: field_weeds polygons, field_weeds, -field_weeds_confidence)"
    assert names(project.layerTreeRoot()) == ["other", tree, "field"]
    assert [layer.source().split("|")[0] for layer in layers] == [
        result.outputs[kind] for kind in ("map", "confidence", "polygons")
    ]
    confidence, polygons = layers[1].renderer(), layers[2].renderer()
    assert (confidence.classificationMin(), confidence.classificationMax()) == (0, 100)
    assert polygons.classAttribute() == "name"
    assert [(c.value(), c.symbol().color().name()) for c in polygons.categories()] == [
        (c.name, c.color) for c in CLASSES
    ]
    drawn = {f["name"] for f in layers[2].getFeatures()}
    stored = ogr.Open(result.outputs["polygons"])
    assert drawn == {f["name"] for f in stored.GetLayer(0)}


def test_the_canvas_shows_the_classes_where_they_are(tmp_path, project, field, iface, qtbot, screenshot):
    from mouse import show_extent

    result = write_map(field.source(), tmp_path / "field_weeds.tif")
    (layer,) = add_results(result_of(tmp_path / "field_weeds.tif", ()), field, project)
    project.layerTreeRoot().findLayer(project.mapLayersByName("other")[0].id()).setItemVisibilityChecked(
        False
    )
    show_extent(iface, qtbot, field.extent())
    image = iface.mapCanvas().grab().toImage()
    values = gdal.Open(layer.source()).ReadAsArray()
    change = iface.mapCanvas().getCoordinateTransform()
    for row in range(45, 200, 50):
        for column in range(25, 300, 50):
            point = change.transform(500_000 + (column + 0.5) / 2, 5_000_000 - (row + 0.5) / 2)
            color = image.pixelColor(round(point.x()), round(point.y())).name()
            assert color == CLASSES[values[row, column]].color
    screenshot("result_map")
    assert result.map == layer.source()


def shown_values(layer):
    block = layer.dataProvider().block(1, layer.extent(), 300, 200)
    return np.frombuffer(bytes(block.data()), np.uint8).reshape(200, 300)


@pytest.mark.parametrize("released", [False, True])
def test_a_second_run_refreshes_the_layers(tmp_path, project, field, released):
    out = tmp_path / "field_weeds.tif"
    first = add_results(write_map(field.source(), out, seed=0), field, project)
    tree = names(project.layerTreeRoot())
    before = shown_values(first[0])
    if released:
        release([str(out), first[1].source(), first[2].source().split("|")[0]], project, always=True)
        assert not open_files(tmp_path) & {
            "field_weeds.tif",
            "field_weeds.gpkg",
            "field_weeds_confidence.tif",
        }
    second = add_results(write_map(field.source(), out, seed=1), field, project)
    assert [layer.id() for layer in second] == [layer.id() for layer in first]
    assert names(project.layerTreeRoot()) == tree
    assert all(layer.isValid() for layer in second)
    assert np.array_equal(shown_values(second[0]), gdal.Open(str(out)).ReadAsArray())
    assert not np.array_equal(shown_values(second[0]), before)
    stored = ogr.Open(str(out.with_suffix(".gpkg")))
    assert second[2].featureCount() == stored.GetLayer(0).GetFeatureCount()
    assert second[0].legendSymbologyItems()[1][0] == "weed"


def open_files(folder):
    """Names of the files below ``folder`` that this process has open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = link.readlink()
        except OSError:
            continue
        if folder in target.parents:
            found.add(target.name)
    return found


def test_after_a_failed_run_the_old_map_is_back(tmp_path, project, field):
    out = tmp_path / "field_weeds.tif"
    layer = add_results(write_map(field.source(), out), field, project)[0]
    before = shown_values(layer)
    release([str(out)], project, always=True)
    assert not layer.isValid()
    restore(project)
    assert layer.isValid()
    assert np.array_equal(shown_values(layer), before)
    assert [label for label, _ in layer.legendSymbologyItems()] == [c.name for c in CLASSES]


def test_without_its_source_the_map_lies_on_top(tmp_path, project, field):
    write_map(field.source(), tmp_path / "field_weeds.tif")
    add_results(result_of(tmp_path / "field_weeds.tif", ()), None, project)
    assert names(project.layerTreeRoot()) == ["field_weeds", "other", "field"]


def test_a_missing_output_is_named(tmp_path, project, field):
    with pytest.raises(PluginError, match=r"gone\.tif"):
        add_results(result_of(tmp_path / "gone.tif", ()), field, project)
    assert names(project.layerTreeRoot()) == ["other", "field"]
