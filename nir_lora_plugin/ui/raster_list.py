"""A list of rasters with a tick box each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QWidget

from .widgets import column, label

_MAX_ROWS = 5
_ID = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class RasterRow:
    """A raster to choose; ``problem`` says why it cannot be, ``chosen`` whether it is ticked at first."""

    id: str
    name: str
    problem: str = ""
    chosen: bool = False


class RasterList(QWidget):
    """Ticks stay with their rasters when the list changes.

    Args:
        empty: What to say when there is none to choose.
    """

    changed = pyqtSignal()

    def __init__(self, empty: str, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._touched = False
        self._rows: List[RasterRow] = []
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.list.itemChanged.connect(self._on_ticked)
        self.empty_label = label(empty, "missing")
        layout = column(self)
        layout.addWidget(self.list)
        layout.addWidget(self.empty_label)
        self.show_rows([])

    def show_rows(self, rows: Sequence[RasterRow]) -> None:
        """List ``rows``; what the user has ticked stays so, otherwise the rows say what is."""
        rows, before = list(rows), set(self.chosen())
        if rows == self._rows:
            return
        known, self._rows = {row.id for row in self._rows}, rows
        self.list.blockSignals(True)
        self.list.clear()
        for row in rows:
            stays = self._touched and row.id in known
            self._add(row, row.id in before if stays else row.chosen)
        self.list.blockSignals(False)
        self.list.setVisible(bool(rows))
        self.empty_label.setVisible(not rows)
        line = self.list.sizeHintForRow(0) if rows else 0
        self.list.setFixedHeight(line * min(len(rows), _MAX_ROWS) + 2 * self.list.frameWidth() + 8)
        if set(self.chosen()) != before:
            self.changed.emit()

    def chosen(self) -> List[str]:
        """Ids of the ticked ones, in order."""
        items = [self.list.item(place) for place in range(self.list.count())]
        return [str(item.data(_ID)) for item in items if item.checkState() == Qt.CheckState.Checked]

    def _add(self, row: RasterRow, ticked: bool) -> None:
        item = QListWidgetItem(row.name)
        item.setData(_ID, row.id)
        item.setToolTip(row.problem)
        enabled = Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled
        item.setFlags(Qt.ItemFlag.NoItemFlags if row.problem else enabled)
        item.setCheckState(Qt.CheckState.Checked if ticked and not row.problem else Qt.CheckState.Unchecked)
        self.list.addItem(item)

    def _on_ticked(self, *_: object) -> None:
        self._touched = True
        self.changed.emit()
