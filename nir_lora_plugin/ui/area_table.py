"""Hectares per class of a finished map, to copy or save."""

from __future__ import annotations

import csv
import io
from typing import Dict, List, Optional, Sequence, Tuple

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QIcon, QPixmap
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from nir_lora_plugin.protocol import ClassArea

from . import text
from .widgets import column, label, row, tool_button


def area_rows(areas: Sequence[ClassArea]) -> List[Tuple[str, float, float]]:
    """(name, hectares, share of all) of each class."""
    total = sum(area.pixels for area in areas) or 1
    return [(area.name, area.hectares, area.pixels / total) for area in areas]


def area_text(areas: Sequence[ClassArea], delimiter: str) -> str:
    """The table as text, with a header: ``class, hectares, share``."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["class", "hectares", "share"])
    writer.writerows([name, f"{hectares:.6g}", f"{share:.6f}"] for name, hectares, share in area_rows(areas))
    return out.getvalue()


class AreaTable(QWidget):
    """Class, area and share, with copy and CSV."""

    csv_wanted = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.areas: Sequence[ClassArea] = ()
        self.title_label = label()
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels([self.tr("Class"), self.tr("Area"), self.tr("Share")])
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setShowGrid(False)
        self.copy_button = tool_button("copy", self.tr("Copy the table for a spreadsheet"), self.tr("Copy"))
        self.copy_button.clicked.connect(self._on_copy)
        self.csv_button = tool_button("csv", self.tr("Save the table as a CSV file"), self.tr("Save CSV …"))
        self.csv_button.clicked.connect(self.csv_wanted)
        layout = column(self)
        layout.addWidget(self.title_label)
        layout.addWidget(self.table)
        layout.addLayout(row(self.copy_button, self.csv_button, stretch=True))
        self.hide()

    def show_areas(self, title: str, areas: Sequence[ClassArea], colors: Dict[int, str]) -> None:
        """Show the areas of a map; ``colors`` maps class values to ``#rrggbb``."""
        self.areas = areas
        self.title_label.setText(title)
        self.table.setRowCount(len(areas))
        for i, (area, (name, hectares, share)) in enumerate(zip(areas, area_rows(areas))):
            item = QTableWidgetItem(name)
            swatch = QPixmap(12, 12)
            swatch.fill(QColor(colors.get(area.value, "#888888")))
            item.setIcon(QIcon(swatch))
            self.table.setItem(i, 0, item)
            for place, words in ((1, text.hectares(hectares)), (2, text.percent(share))):
                cell = QTableWidgetItem(words)
                cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(i, place, cell)
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(head + 24 * min(len(areas), 12) + 2 * self.table.frameWidth())
        self.setVisible(bool(areas))

    def _on_copy(self) -> None:
        QApplication.clipboard().setText(area_text(self.areas, "\t"))
