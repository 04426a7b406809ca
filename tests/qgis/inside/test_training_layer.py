"""Training polygons: made with one click, drawn with the mouse, read back by OGR and by the backend."""

import json
import math
import os
import subprocess
from pathlib import Path

import pytest
from mouse import box, draw_polygon, show_extent
from osgeo import gdal, ogr, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsEditFormConfig,
    QgsFeature,
    QgsFillSymbol,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
    QgsVectorLayer,
)
from rasters import scene, write_tiff

from nir_lora_plugin import training_file
from nir_lora_plugin.errors import PluginError
from nir_lora_plugin.training_layer import TrainingLayer
from nir_lora_plugin.training_style import next_color

LEFT, TOP = 500_000.0, 5_000_000.0  # the field is 150 x 100 m
REUSE = ("qgis/digitizing/reuseLastValues", "digitizing/reuse-last-values")  # of old and of new versions
READ = """
import json, sys
from nirlora.protocol import LayerRef
from nirlora.raster.source import open_raster
from nirlora.training.find_labels import find_labels
from nirlora.vector.labels import open_labels
path = find_labels(LayerRef(sys.argv[1]))
with open_raster(sys.argv[1]) as source:
    labels = open_labels(path, source)
    print(json.dumps([path, list(labels.classes), list(labels.colors), len(labels.items)]))
"""


@pytest.fixture
def raster(tmp_path, project):
    layer = QgsRasterLayer(write_tiff(tmp_path / "field.tif", scene()), "field")
    project.setCrs(layer.crs())
    project.addMapLayer(layer)
    return layer


@pytest.fixture
def training(raster):
    return TrainingLayer.open_or_create(raster)


def stored(path):
    """``(class, area)`` of every feature in the file, by OGR."""
    file = ogr.Open(str(path))
    layer = file.GetLayerByName("training")
    return sorted((f["class"], f.GetGeometryRef().GetArea()) for f in layer)


def add(training, name, x, y, side=10.0):
    """A polygon as another tool would add it; ``x, y`` in metres from the field's upper left corner."""
    feature = QgsFeature(training.layer.fields())
    feature["class"] = name
    ring = box(LEFT + x, TOP - y - side, side, side)
    feature.setGeometry(QgsGeometry.fromWkt(wkt(ring)))
    training.layer.startEditing()
    assert training.layer.addFeature(feature)
    return feature.id()


def wkt(ring):
    points = ", ".join(f"{x} {y}" for x, y in [*ring, ring[0]])
    return f"POLYGON(({points}))"


def table(training):
    return [(c.name, c.count, round(c.area_m2)) for c in training.classes()]


def settled(qtbot, training):
    """Wait for the one ``changed`` that follows edits."""
    with qtbot.waitSignal(training.changed, timeout=10_000):
        training._touch()


def as_the_backend_reads(raster):
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    command = [os.environ["NIRLORA_PYTHON"], "-W", "ignore", "-c", READ, raster.source()]
    done = subprocess.run(command, env=keep, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_one_call_makes_the_file_that_the_backend_looks_for(tmp_path, project, raster):
    training = TrainingLayer.open_or_create(raster)
    path = tmp_path / "field_training.gpkg"
    assert training.layer.source().split("|")[0] == str(path)
    file = ogr.Open(str(path))
    layer = file.GetLayer(0)
    assert [f.GetName() for f in layer.schema] == ["class"]
    assert layer.GetSpatialRef().GetAuthorityCode(None) == "32633"
    assert [node.name() for node in project.layerTreeRoot().children()] == ["field_training", "field"]


def test_drawing_with_the_mouse(tmp_path, project, iface, qtbot, raster, training, screenshot):
    training.add_class("weed", "#123456")
    training.add_class("crop")
    show_extent(iface, qtbot, raster.extent())
    training.start_drawing(iface)
    canvas = iface.mapCanvas()
    drawn = {}
    for name, x, y in (("crop", 20, 20), ("crop", 60, 30), ("weed", 100, 60)):
        training.set_current(name)
        ring = draw_polygon(canvas, box(LEFT + x, TOP - y - 15, 20, 15))
        drawn.setdefault(name, []).append(QgsGeometry.fromWkt(wkt(ring)).area())
    qtbot.waitUntil(lambda: sum(c.count for c in training.classes()) == 3)
    assert [(c.name, c.count) for c in training.classes()] == [("weed", 1), ("crop", 2)]
    for found in training.classes():
        # Hectares of UTM's plane and of the ellipsoid differ by its scale, 0.9996 at the central meridian.
        assert found.area_m2 == pytest.approx(sum(drawn[found.name]) / 0.9996**2, rel=1e-4)
    assert stored(tmp_path / "field_training.gpkg") == []
    assert "unsaved" in " ".join(training.problems())
    screenshot("training_drawn")
    training.save()
    found = stored(tmp_path / "field_training.gpkg")
    assert [name for name, _ in found] == ["crop", "crop", "weed"]
    assert [area for _, area in found] == pytest.approx([*sorted(drawn["crop"]), *drawn["weed"]], rel=1e-9)
    assert training.layer.isEditable()
    assert iface.actionAddFeature().isChecked()
    path, classes, colors, items = as_the_backend_reads(raster)
    assert path == str(tmp_path / "field_training.gpkg")
    assert (classes, items) == (["crop", "weed"], 3)
    by_name = {c.name: c.color for c in training.classes()}
    assert colors == [by_name[name] for name in classes]


def test_the_class_is_the_chosen_one_whatever_qgis_remembers(iface, qtbot, raster, training):
    """QGIS can be told to fill in what was typed last."""
    training.add_class("weed")
    training.add_class("crop")
    settings = QgsSettings()
    for key in REUSE:
        settings.setValue(key, True)
    try:
        show_extent(iface, qtbot, raster.extent())
        training.start_drawing(iface)
        for i, name in enumerate(("crop", "weed", "crop")):
            training.set_current(name)
            draw_polygon(iface.mapCanvas(), box(LEFT + 10 + 40 * i, TOP - 50, 20, 15))
        settled(qtbot, training)
        assert [(c.name, c.count) for c in training.classes()] == [("weed", 1), ("crop", 2)]
    finally:
        for key in REUSE:
            settings.remove(key)


def test_no_form_pops_up(training):
    suppressed = QgsEditFormConfig.FeatureFormSuppress.SuppressOn
    assert training.layer.editFormConfig().suppress() == suppressed


def test_quotes_in_a_class_name(iface, qtbot, raster, training):
    name = 'farmer\'s "best" Rübe'
    training.add_class(name)
    show_extent(iface, qtbot, raster.extent())
    training.start_drawing(iface)
    draw_polygon(iface.mapCanvas(), box(LEFT + 20, TOP - 50, 20, 15))
    settled(qtbot, training)
    assert [(c.name, c.count) for c in training.classes()] == [(name, 1)]


def test_the_table_comes_back_with_the_file(tmp_path, project, qtbot, raster, training):
    for name, color in (("weed", "#102030"), ("crop", ""), ("bare soil", "#abcdef")):
        training.add_class(name, color)
    training.recolor("crop", "#00ff00")
    training.rename_class("weed", "thistle")
    wanted = [("thistle", "#102030"), ("crop", "#00ff00"), ("bare soil", "#abcdef")]
    assert [(c.name, c.color) for c in training.classes()] == wanted
    training.layer.rollBack()
    project.removeMapLayer(training.layer.id())
    again = TrainingLayer.open_or_create(raster)
    assert [(c.name, c.color) for c in again.classes()] == wanted
    assert again.current == "thistle"
    as_qgis = QgsVectorLayer(f"{tmp_path}/field_training.gpkg|layername=training", "plain", "ogr")
    assert [c.value() for c in as_qgis.renderer().categories()] == [name for name, _ in wanted]


def test_a_layer_of_the_project_is_used_again(project, raster, training):
    again = TrainingLayer.open_or_create(raster)
    assert again.layer is training.layer or again.layer.id() == training.layer.id()
    assert len(project.mapLayers()) == 2


def test_colours_changed_in_qgis_are_the_tables(qtbot, project, raster, training):
    training.add_class("weed")
    renderer = training.layer.renderer().clone()
    symbol = QgsFillSymbol.createSimple({"color": "1,2,3,255"})
    renderer.updateCategorySymbol(0, symbol)
    with qtbot.waitSignal(training.changed):
        training.layer.setRenderer(renderer)
    assert training.classes()[0].color == "#010203"
    training.save()
    project.removeMapLayer(training.layer.id())
    assert TrainingLayer.open_or_create(raster).classes()[0].color == "#010203"


def test_new_classes_get_colours_of_their_own(training):
    for name in ("weed", "weed 2", "crop", "soil", "a", "b", "c"):
        training.add_class(name)
    colors = [c.color for c in training.classes()]
    assert len(set(colors)) == 7
    assert colors[0] == "#d9421e" == next_color("weed", [])


def test_classes_that_cannot_be(training):
    training.add_class("weed")
    with pytest.raises(PluginError, match="needs a name"):
        training.add_class("  ")
    with pytest.raises(PluginError, match="already"):
        training.add_class(" weed ")
    training.add_class("crop")
    with pytest.raises(PluginError, match="already"):
        training.rename_class("crop", "weed")
    assert [c.name for c in training.classes()] == ["weed", "crop"]


def test_renaming_and_removing_change_the_polygons_and_undo_brings_them_back(qtbot, training):
    training.add_class("weed", "#112233")
    training.add_class("crop")
    add(training, "weed", 10, 10)
    add(training, "weed", 30, 10)
    add(training, "crop", 50, 10)
    training.rename_class("weed", "thistle")
    settled(qtbot, training)
    assert table(training) == [("thistle", 2, 200), ("crop", 1, 100)]
    training.undo()
    settled(qtbot, training)
    assert ("weed", 2, 200) in table(training)
    training.remove_class("thistle")
    training.remove_class("weed")
    settled(qtbot, training)
    assert table(training) == [("crop", 1, 100)]
    assert training.current == "crop"
    training.undo()
    settled(qtbot, training)
    assert ("weed", 2, 200) in table(training)
    assert {c.name: c.color for c in training.classes()}["weed"] == "#112233"
    for _ in range(3):
        training.undo()
    settled(qtbot, training)
    assert sum(c.count for c in training.classes()) == 0
    training.undo()  # nothing left: no error


def test_counts_follow_every_edit(qtbot, training):
    training.add_class("weed")
    training.add_class("crop")
    number = add(training, "weed", 10, 10)
    settled(qtbot, training)
    assert table(training) == [("weed", 1, 100), ("crop", 0, 0)]
    larger = QgsGeometry.fromWkt(wkt(box(LEFT, TOP - 20, 20, 20)))
    with qtbot.waitSignal(training.changed):
        training.layer.changeGeometry(number, larger)
    assert table(training) == [("weed", 1, 400), ("crop", 0, 0)]
    with qtbot.waitSignal(training.changed):
        training.layer.changeAttributeValue(number, training.layer.fields().lookupField("class"), "crop")
    assert table(training) == [("weed", 0, 0), ("crop", 1, 400)]
    training.save()
    settled(qtbot, training)
    assert table(training) == [("weed", 0, 0), ("crop", 1, 400)]
    with qtbot.waitSignal(training.changed):
        training.layer.deleteFeature(next(training.layer.getFeatures()).id())
    assert table(training) == [("weed", 0, 0), ("crop", 0, 0)]
    with qtbot.waitSignal(training.changed):
        training.layer.rollBack()
    assert table(training) == [("weed", 0, 0), ("crop", 1, 400)]


def test_areas_are_on_the_ellipsoid(tmp_path, project):
    """A degree is no unit of area: 0.001 x 0.001 degrees at 60 north are 55.8 x 111.4 m."""
    path = write_tiff(tmp_path / "north.tif", scene(), epsg=4326, origin=(10.0, 60.0), pixel=1e-5)
    training = TrainingLayer.open_or_create(QgsRasterLayer(path, "north"))
    training.add_class("weed")
    feature = QgsFeature(training.layer.fields())
    feature["class"] = "weed"
    feature.setGeometry(QgsGeometry.fromWkt(wkt(box(10.0005, 59.9985, 0.001, 0.001))))
    training.layer.startEditing()
    training.layer.addFeature(feature)
    training._update()
    across = math.radians(0.001) * 6378137 * math.cos(math.radians(59.999)) * 1.0025  # radius of the parallel
    down = math.radians(0.001) * 6384000  # of the meridian there
    assert training.classes()[0].area_m2 == pytest.approx(across * down, rel=2e-3)


def other_layer(project, epsg=4326):
    """Polygons in another CRS, with whole numbers as classes, and some that are of no use."""
    layer = QgsVectorLayer(f"Polygon?crs=EPSG:{epsg}&field=crop:integer", "fields", "memory")
    to_degrees = QgsCoordinateReferenceSystem("EPSG:32633")
    change = QgsCoordinateTransform(to_degrees, layer.crs(), project)
    features = []
    for value, x, y in ((1, 10, 10), (2, 50, 10), (2, 90, 10), (None, 10, 50), (1, 5000, 10)):
        feature = QgsFeature(layer.fields())
        feature["crop"] = value
        geometry = QgsGeometry.fromWkt(wkt(box(LEFT + x, TOP - y - 10, 10, 10)))
        geometry.transform(change)
        feature.setGeometry(geometry)
        features.append(feature)
    features.append(QgsFeature(layer.fields()))
    layer.dataProvider().addFeatures(features)
    project.addMapLayer(layer)
    return layer


def test_polygons_of_another_layer(tmp_path, project, qtbot, training):
    other = other_layer(project)
    assert training.take_over(other, "crop") == 3
    settled(qtbot, training)
    assert table(training) == [("1", 1, 100), ("2", 2, 200)]
    assert "3 of 6 features of fields were left out" in training.problems()[0]
    training.save()
    assert [name for name, _ in stored(tmp_path / "field_training.gpkg")] == ["1", "2", "2"]
    training.undo()
    other.selectByExpression("crop = 2")
    assert training.take_over(other, "crop") == 2
    with pytest.raises(PluginError, match="no field"):
        training.take_over(other, "height")
    other.selectByExpression("crop is null")
    with pytest.raises(PluginError, match="None of the"):
        training.take_over(other, "crop")


def test_taking_over_is_one_step_of_undo(project, qtbot, training):
    training.take_over(other_layer(project), "crop")
    training.undo()
    settled(qtbot, training)
    assert sum(c.count for c in training.classes()) == 0


def test_problems_are_named(qtbot, training):
    assert "Nothing is drawn" in training.problems()[0]
    training.add_class("weed")
    training.add_class("crop")
    for i in range(3):
        add(training, "weed", 10 + 20 * i, 10)
    settled(qtbot, training)
    assert "Only weed" in training.problems()[0]
    add(training, "crop", 10, 50)
    add(training, "crop", 900, 50)
    add(training, None, 40, 50)
    settled(qtbot, training)
    words = "\n".join(training.problems())
    assert "crop has 2 of at least 3" in words
    assert "weed has" not in words
    assert "1 of 6 polygons lie outside" in words
    assert "1 polygons have no class" in words
    assert "unsaved" in words
    training.save()
    assert "unsaved" not in "\n".join(training.problems())


def test_a_raster_without_a_crs(tmp_path, project):
    raster = QgsRasterLayer(write_tiff(tmp_path / "bare.tif", scene(), epsg=None), "bare")
    training = TrainingLayer.open_or_create(raster)
    assert not training.layer.crs().isValid()
    file = ogr.Open(str(tmp_path / "bare_training.gpkg"))
    reference = file.GetLayer(0).GetSpatialRef()
    assert reference is None or reference.IsLocal()
    training.add_class("weed")
    add(training, "weed", 10, 10)
    training._update()
    assert table(training) == [("weed", 1, 100)]
    assert "no coordinate reference system" in "\n".join(training.problems())


def test_a_folder_that_cannot_be_written_to(tmp_path, project, raster, monkeypatch):
    real = os.access
    locked = str(tmp_path)
    monkeypatch.setattr(
        training_file.os, "access", lambda path, mode: str(path) != locked and real(path, mode)
    )
    with pytest.raises(PluginError, match="cannot be written to") as failure:
        TrainingLayer.open_or_create(raster)
    assert "Save the project" in failure.value.info.hint
    mine = tmp_path / "mine"
    mine.mkdir()
    assert project.write(str(mine / "work.qgz"))
    training = TrainingLayer.open_or_create(raster)
    assert training.layer.source().split("|")[0] == str(mine / "field_training.gpkg")


def test_a_raster_that_is_no_file_needs_a_path(tmp_path, raster):
    gdal.FileFromMemBuffer("/vsimem/field.tif", Path(raster.source()).read_bytes())
    memory = QgsRasterLayer("/vsimem/field.tif", "memory")
    with pytest.raises(PluginError, match="no file"):
        TrainingLayer.open_or_create(memory)
    training = TrainingLayer.open_or_create(memory, str(tmp_path / "here.gpkg"))
    assert Path(training.layer.source().split("|")[0]).name == "here.gpkg"
    gdal.Unlink("/vsimem/field.tif")


def test_another_geopackage_is_not_taken_for_training_polygons(tmp_path, raster):
    path = tmp_path / "other.gpkg"
    file = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    file.CreateLayer("roads", None, ogr.wkbLineString)
    del file
    with pytest.raises(PluginError, match="no polygons with a text field"):
        TrainingLayer.open_or_create(raster, str(path))
    (tmp_path / "broken.gpkg").write_text("no database")
    with pytest.raises(PluginError, match="no polygons"):
        TrainingLayer.open_or_create(raster, str(tmp_path / "broken.gpkg"))


def test_polygons_drawn_elsewhere_bring_their_classes(tmp_path, raster):
    """A file of the same name that QGIS has never styled: each class has a row and a colour."""
    path = tmp_path / "field_training.gpkg"
    file = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    utm = osr.SpatialReference()
    utm.ImportFromEPSG(32633)
    layer = file.CreateLayer("anything", utm, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    for name in ("soil", "crop", "soil"):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["class"] = name
        feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt(box(LEFT + 5, TOP - 20, 10, 10))))
        layer.CreateFeature(feature)
    del file, layer, feature
    training = TrainingLayer.open_or_create(raster)
    assert table(training) == [("crop", 1, 100), ("soil", 2, 200)]
    assert [c.color for c in training.classes()] == ["#8bc34a", "#b08a5b"]


def test_the_polygons_can_be_read_after_the_classes_were_changed(tmp_path, project, iface, qtbot, raster):
    """Storing the style must not break the connections that QGIS reads by, nor lose unsaved edits."""
    training = TrainingLayer.open_or_create(raster)
    training.add_class("crop")
    add(training, "crop", 10, 10)
    assert training.layer.commitChanges()
    project.removeMapLayer(training.layer.id())
    training = TrainingLayer.open_or_create(raster)
    show_extent(iface, qtbot, raster.extent())
    for color in ("#112233", "#445566"):
        training.recolor("crop", color)
        assert len(list(training.layer.getFeatures())) == 1
    training.save()
    assert len(list(training.layer.getFeatures())) == 1
    as_the_backend_reads(raster)
    assert len(list(training.layer.getFeatures())) == 1
    add(training, "crop", 30, 30)
    training.recolor("crop", "#778899")
    assert len(list(training.layer.getFeatures())) == 2
    training.save()
    training.recolor("crop", "#aabbcc")
    assert len(list(training.layer.getFeatures())) == 2
    assert len(stored(training.layer.source().split("|")[0])) == 2


def test_removing_the_layer_leaves_no_trace(project, qtbot, training):
    training.add_class("weed")
    training._touch()
    project.removeMapLayer(training.layer.id())
    qtbot.wait(100)  # a late update would touch a deleted layer: conftest fails the test then
    assert QgsProject.instance().mapLayersByName("field_training") == []
