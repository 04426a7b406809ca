"""The classes of the training polygons: colour, name, polygons, area. The chosen row is what is drawn."""

from __future__ import annotations

from typing import Any, List, Optional

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor, QIcon, QPixmap
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from nir_lora_plugin.errors import PluginError

from . import text
from .widgets import Notice, column, row, tool_button

COLOR, NAME, COUNT, AREA = range(4)
_ROW_PX = 26
_MOST_ROWS = 8  # before it scrolls
_SWATCH_PX = 16


class ClassTable(QWidget):
    """Table of a training layer's classes; it follows the layer, and the layer follows it.

    Double-click a name to rename it, a colour to change it.

    Args:
        training: A ``TrainingLayer``.
    """

    def __init__(self, training: Any, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._training = training
        self.table = self._make_table()
        self.name_edit = QLineEdit()
        self.name_edit.setPlaceholderText(self.tr("New class, e.g. weed"))
        self.name_edit.returnPressed.connect(self._add)
        self.add_button = tool_button("add", self.tr("Add the class"), self.tr("Add"))
        self.add_button.clicked.connect(self._add)
        self.remove_button = tool_button("remove", self.tr("Remove the chosen class and its polygons"))
        self.remove_button.clicked.connect(self._remove)
        self.notice = Notice()
        layout = column(self)
        layout.addWidget(self.table)
        below = row(self.name_edit, self.add_button, self.remove_button)
        below.setStretch(0, 1)
        layout.addLayout(below)
        layout.addWidget(self.notice)
        self.table.itemSelectionChanged.connect(self._on_chosen)
        self.table.itemChanged.connect(self._on_renamed)
        self.table.cellDoubleClicked.connect(self._on_double_click)
        training.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the classes as they are now; not while a name is being typed."""
        if self.table.state() == QAbstractItemView.State.EditingState:
            return
        classes = self._training.classes()
        self.table.blockSignals(True)
        self.table.setRowCount(len(classes))
        for i, found in enumerate(classes):
            self._show(i, found)
        self.table.blockSignals(False)
        self._choose(self._training.current)
        head = self.table.horizontalHeader().sizeHint().height()
        rows = min(max(len(classes), 1), _MOST_ROWS)
        self.table.setFixedHeight(head + _ROW_PX * rows + 2 * self.table.frameWidth())
        self.remove_button.setEnabled(bool(classes))

    def names(self) -> List[str]:
        """Class names as shown."""
        return [self._name(i) for i in range(self.table.rowCount())]

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 4)
        table.setHorizontalHeaderLabels(["", self.tr("Class"), self.tr("Polygons"), self.tr("Area")])
        header = table.horizontalHeader()
        for i in (COLOR, COUNT, AREA):
            header.setSectionResizeMode(i, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW_PX)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setShowGrid(False)
        table.setToolTip(self.tr("The chosen class is what you draw. Double-click to rename or recolour."))
        return table

    def _show(self, i: int, found: Any) -> None:
        swatch = QPixmap(_SWATCH_PX, _SWATCH_PX)
        swatch.fill(QColor(found.color))
        texts = ("", found.name, str(found.count), text.hectares(found.area_m2 / 1e4))
        for place, words in enumerate(texts):
            item = QTableWidgetItem(words)
            flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            if place == NAME:
                flags |= Qt.ItemFlag.ItemIsEditable
            if place > NAME:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setFlags(flags)
            self.table.setItem(i, place, item)
        icon = QIcon(swatch)
        icon.addPixmap(swatch, QIcon.Mode.Selected)  # else Qt tints it
        self.table.item(i, COLOR).setIcon(icon)
        self.table.item(i, COLOR).setData(Qt.ItemDataRole.UserRole, found.color)
        self.table.item(i, NAME).setData(Qt.ItemDataRole.UserRole, found.name)

    def _choose(self, name: str) -> None:
        """Select the row of a class without telling the layer what it told us."""
        self.table.blockSignals(True)
        for i in range(self.table.rowCount()):
            if self._name(i) == name and self.table.currentRow() != i:
                self.table.setCurrentCell(i, NAME)
        self.table.selectRow(self.table.currentRow())
        self.table.blockSignals(False)

    def _name(self, i: int) -> str:
        return str(self.table.item(i, NAME).data(Qt.ItemDataRole.UserRole))

    def _on_chosen(self) -> None:
        i = self.table.currentRow()
        if i >= 0 and self._name(i) != self._training.current:
            self._training.set_current(self._name(i))

    def _on_renamed(self, item: QTableWidgetItem) -> None:
        if item.column() == NAME:
            self._do(lambda: self._training.rename_class(self._name(item.row()), item.text()))

    def _on_double_click(self, i: int, place: int) -> None:
        if place != COLOR:
            return
        old = QColor(self.table.item(i, COLOR).data(Qt.ItemDataRole.UserRole))
        chosen = QColorDialog.getColor(old, self, self.tr("Colour of {}").format(self._name(i)))
        if chosen.isValid():
            self._training.recolor(self._name(i), chosen.name())

    def _add(self) -> None:
        if self._do(lambda: self._training.add_class(self.name_edit.text())):
            self.name_edit.clear()

    def _remove(self) -> None:
        i = self.table.currentRow()
        if i >= 0:
            self._do(lambda: self._training.remove_class(self._name(i)))

    def _do(self, change: Any) -> bool:
        """Make a change, and say it where it is refused."""
        try:
            change()
        except PluginError as error:
            self.notice.show_text(str(error), "warning")
            return False
        else:
            self.notice.show_text("")
            return True
        finally:
            self.refresh()
