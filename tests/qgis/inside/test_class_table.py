"""The class table under a user's hands."""

import pytest
from qgis.core import QgsApplication, QgsRasterLayer
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QColorDialog, QLineEdit
from rasters import scene, write_tiff
from test_training_layer import add, settled

from nir_lora_plugin.training_layer import TrainingLayer
from nir_lora_plugin.ui.class_table import AREA, COLOR, COUNT, NAME, ClassTable

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def training(tmp_path, project):
    layer = QgsRasterLayer(write_tiff(tmp_path / "field.tif", scene()), "field")
    project.addMapLayer(layer)
    return TrainingLayer.open_or_create(layer)


@pytest.fixture
def widget(training, qtbot):
    widget = ClassTable(training)
    qtbot.addWidget(widget)
    widget.resize(360, 260)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def type_class(widget, name):
    widget.name_edit.setFocus()
    QTest.keyClicks(widget.name_edit, name)
    QTest.mouseClick(widget.add_button, LEFT)


def cell(widget, row, place):
    """Middle of a cell, in pixels of the table's viewport."""
    return widget.table.visualItemRect(widget.table.item(row, place)).center()


def click(widget, row, place, twice=False):
    viewport, at = widget.table.viewport(), cell(widget, row, place)
    QTest.mouseClick(viewport, LEFT, Qt.KeyboardModifier.NoModifier, at)
    if twice:
        QTest.mouseDClick(viewport, LEFT, Qt.KeyboardModifier.NoModifier, at)


def editor_of(widget):
    return next(edit for edit in widget.table.findChildren(QLineEdit) if edit.isVisible())


def rows(widget):
    table = widget.table
    return [[table.item(i, place).text() for place in (NAME, COUNT, AREA)] for i in range(table.rowCount())]


def chosen(widget):
    return [
        widget.table.item(index.row(), NAME).text() for index in widget.table.selectionModel().selectedRows()
    ]


def test_adding_classes_by_hand(qtbot, widget, training):
    type_class(widget, "weed")
    type_class(widget, "crop")
    QTest.keyClicks(widget.name_edit, "bare soil")
    QTest.keyClick(widget.name_edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: widget.names() == ["weed", "crop", "bare soil"])
    assert widget.name_edit.text() == ""
    assert training.current == "bare soil"
    assert chosen(widget) == ["bare soil"]


def test_a_class_that_is_there_is_refused_in_words(qtbot, widget):
    type_class(widget, "weed")
    type_class(widget, "weed")
    assert "already" in widget.notice.text()
    assert widget.name_edit.text() == "weed"  # to be corrected, not typed again
    QTest.keyClicks(widget.name_edit, "s")
    QTest.mouseClick(widget.add_button, LEFT)
    assert widget.notice.text() == ""
    qtbot.waitUntil(lambda: widget.names() == ["weed", "weeds"])


def test_the_chosen_row_is_what_is_drawn(qtbot, widget, training):
    for name in ("weed", "crop", "soil"):
        training.add_class(name)
    settled(qtbot, training)
    for row, name in ((0, "weed"), (2, "soil"), (1, "crop")):
        click(widget, row, COUNT)
        assert training.current == name
        settled(qtbot, training)
        assert chosen(widget) == [name]
    training.set_current("soil")
    settled(qtbot, training)
    assert chosen(widget) == ["soil"]


def test_it_counts_while_one_draws(qtbot, widget, training, screenshot):
    for name in ("weed", "crop", "bare soil"):
        training.add_class(name)
    for i in range(3):
        add(training, "weed", 10 + 20 * i, 10)
    add(training, "crop", 10, 40, side=40)
    settled(qtbot, training)
    expected = [["weed", "3", "0.030 ha"], ["crop", "1", "0.160 ha"], ["bare soil", "0", "0 m²"]]
    assert rows(widget) == expected
    screenshot("class_table", widget)


def test_renaming_in_place(qtbot, widget, training):
    training.add_class("weed")
    training.add_class("crop")
    add(training, "weed", 10, 10)
    settled(qtbot, training)
    click(widget, 0, NAME, twice=True)
    editor = editor_of(widget)
    QTest.keyClicks(editor, "thistle")  # replaces the selected old name
    add(training, "crop", 40, 10)
    QApplication.processEvents()  # a change meanwhile must not take the editor away
    QTest.keyClick(editor, Qt.Key.Key_Return)
    settled(qtbot, training)
    assert [row[:2] for row in rows(widget)] == [["thistle", "1"], ["crop", "1"]]
    assert {f["class"] for f in training.layer.getFeatures()} == {"thistle", "crop"}
    click(widget, 0, NAME, twice=True)
    QTest.keyClicks(editor_of(widget), "crop")
    QTest.keyClick(editor_of(widget), Qt.Key.Key_Return)
    settled(qtbot, training)
    assert "already" in widget.notice.text()
    assert widget.names() == ["thistle", "crop"]
    assert rows(widget)[0][0] == "thistle"


def test_a_colour_by_double_click(qtbot, widget, training):
    training.add_class("weed")
    settled(qtbot, training)

    def choose():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QColorDialog)
        dialog.setCurrentColor(dialog.currentColor().fromRgb(0x12, 0x34, 0x56))
        dialog.accept()

    QTimer.singleShot(300, choose)
    click(widget, 0, COLOR, twice=True)
    settled(qtbot, training)
    assert training.classes()[0].color == "#123456"
    swatch = widget.table.item(0, COLOR).icon().pixmap(8, 8).toImage()
    assert swatch.pixelColor(4, 4).name() == "#123456"


def test_removing_and_undoing(qtbot, widget, training):
    training.add_class("weed")
    training.add_class("crop")
    add(training, "weed", 10, 10)
    settled(qtbot, training)
    click(widget, 0, NAME)
    QTest.mouseClick(widget.remove_button, LEFT)
    settled(qtbot, training)
    assert rows(widget) == [["crop", "0", "0 m²"]]
    training.undo()
    settled(qtbot, training)
    assert [row[:2] for row in rows(widget)] == [["crop", "0"], ["weed", "1"]]
    QTest.mouseClick(widget.remove_button, LEFT)
    QTest.mouseClick(widget.remove_button, LEFT)
    settled(qtbot, training)
    assert rows(widget) == []
    assert not widget.remove_button.isEnabled()


def test_a_table_that_is_gone_is_not_updated(qtbot, widget, training):
    widget.setParent(None)
    widget.deleteLater()
    QgsApplication.instance().processEvents()
    training.add_class("weed")
    settled(qtbot, training)
