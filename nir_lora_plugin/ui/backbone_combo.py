"""The backbones to choose from: those of the backend's table, adapted ones, and any other file or folder."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QWidget

from .widgets import QuietCombo

_ABOUT = ("description", "source", "licence")


class BackboneCombo(QuietCombo):
    """A list that also takes a path; its first entry is the default, "" in a request."""

    chosen = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.addItem(self.tr("Default"), "")
        self.setToolTip(self.tr("A name from the list, or a file or folder of weights"))
        self.currentIndexChanged.connect(self._on_chosen)
        self.lineEdit().editingFinished.connect(self._on_chosen)

    def backbone(self) -> str:
        """What is chosen, as a request has it."""
        shown = self.currentText()
        place = self.currentIndex()
        if place < 0 or self.itemText(place) != shown:  # something was typed
            place = self.findText(shown)
        return str(self.itemData(place)) if place >= 0 else shown.strip()

    def choose(self, name: str) -> None:
        """Choose by name, or by path of the weights."""
        place = self.findData(name)
        if place >= 0:
            self.setCurrentIndex(place)
            self.setEditText(self.itemText(place))
        else:
            self.setEditText(name)
            self.lineEdit().setCursorPosition(0)  # the name matters more than the path

    def show_backbones(self, backbones: Sequence[Dict[str, Any]]) -> None:
        """Offer records with ``name``, perhaps ``title``, and what is said of each; the choice stays."""
        before = self.backbone()
        self.blockSignals(True)
        self.clear()
        self.addItem(self.tr("Default"), "")
        for record in backbones:
            name = str(record.get("name", ""))
            mark = self.tr(" (on this computer)") if record.get("cached") else ""
            self.addItem(str(record.get("title") or name + mark), name)
            about = ", ".join(str(record[key]) for key in _ABOUT if record.get(key))
            self.setItemData(self.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        self.choose(before)
        self.blockSignals(False)

    def _on_chosen(self, *_: object) -> None:
        self.chosen.emit()
