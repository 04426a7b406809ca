"""Step 1: which raster, what its bands are, and what the model is to see of it."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from . import text
from .bands import FORMS, OWN, ROLES, bands_text, changed_roles, given_text, missing_roles
from .widgets import Notice, QuietCombo, column, label, row, tool_button

_MAX_ROWS = 6  # of the band table before it scrolls


class LayerPanel(QWidget):
    """Raster, band table with roles, input form.

    Args:
        layer_combo: The combo box of raster layers, made by the caller so that this widget knows no layers.
    """

    changed = pyqtSignal()  # another form of input, or a role set by hand
    open_wanted = pyqtSignal()
    copy_wanted = pyqtSignal()

    def __init__(self, layer_combo: QWidget, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._detected: Tuple[str, ...] = ()
        self.open_button = tool_button("open", self.tr("Open a raster file"))
        self.open_button.clicked.connect(self.open_wanted)
        self.notice = Notice()
        self.notice.pressed.connect(self.copy_wanted)
        self.facts_label = label(name="muted")
        self.table = self._make_table()
        self.form_combo = self._make_form_combo()
        self.own_edit = QLineEdit()
        self.own_edit.setPlaceholderText(self.tr("e.g. nir,red  or band numbers: 5,4,3  or ndvi"))
        self.own_edit.editingFinished.connect(self._on_changed)
        self.own_edit.hide()
        self.form_notice = Notice()
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.tr("Model sees"), self.form_combo)
        form.addRow("", self.own_edit)
        self._details = QWidget()
        details = column(self._details)
        details.addWidget(self.facts_label)
        details.addWidget(self.table)
        details.addLayout(form)
        details.addWidget(self.form_notice)
        layout = column(self)
        layout.setContentsMargins(12, 2, 12, 12)
        top = row(layer_combo, self.open_button)
        top.setStretch(0, 1)
        layout.addLayout(top)
        layout.addWidget(self.notice)
        layout.addWidget(self._details)
        self._details.hide()

    def show_nothing(self, why: str = "", level: str = "info", action: str = "") -> None:
        """No facts yet: no layer, a layer that is being read, or one that cannot be used."""
        self._detected = ()
        self._details.hide()
        self.notice.show_text(why, level, action)
        self._on_changed()

    def show_facts(self, facts: Dict[str, Any]) -> None:
        """Show what the backend says of the raster (``nirlora.info.describe``)."""
        self.notice.show_text("")
        bands = facts.get("bands", [])
        self._detected = tuple(str(band.get("role", "")) for band in bands)
        self.facts_label.setText(self._facts_text(facts))
        self.table.setRowCount(len(bands))
        for i, band in enumerate(bands):
            name = str(band.get("name") or "")
            self._cell(i, 0, str(band["band"]), name)
            self.table.setCellWidget(i, 1, self._role_combo(str(band.get("role", "")), name))
            self._cell(i, 2, text.number(band.get("low")))
            self._cell(i, 3, text.number(band.get("high")))
        self._fit_table(len(bands))
        self._details.show()
        self._on_changed()

    def form(self) -> str:
        """The form of input alone; empty lets the backend find near-infrared."""
        chosen = str(self.form_combo.currentData())
        return self.own_edit.text().strip() if chosen == OWN else chosen

    def bands(self) -> str:
        """``bands`` of a training request."""
        return bands_text(self.form(), self._given())

    def roles_given(self) -> str:
        """``bands`` of a segment request: only what the user knows better than the file."""
        return given_text(self._given())

    def problem(self) -> str:
        """Why this input cannot be used; empty when it can, or when nothing is known of the raster yet."""
        if not self._detected:
            return ""
        missing = missing_roles(self.form(), self._roles())
        if not missing:
            return ""
        return self.tr("No band is known as {}: set it in the table, or choose another input.").format(
            self.tr(" or ").join(missing)
        )

    def summary(self) -> str:
        """Input in a few words for the header of the step."""
        if not self._detected:
            return ""
        roles = self._roles()
        words = [w.strip() for w in (self.form() or "nir").split(",") if w.strip()]
        bands = [f"{w} ({self.tr('band')} {roles.index(w) + 1})" if w in roles else w for w in words]
        return ", ".join(bands)

    def _roles(self) -> Tuple[str, ...]:
        combos = (self.table.cellWidget(i, 1) for i in range(self.table.rowCount()))
        return tuple(str(c.currentData()) if isinstance(c, QComboBox) else "" for c in combos)

    def _given(self) -> Mapping[str, int]:
        return changed_roles(self._detected, self._roles()) if self._detected else {}

    def _on_changed(self) -> None:
        self.own_edit.setVisible(self.form_combo.currentData() == OWN)
        self.form_notice.show_text(self.problem(), "warning")
        self.changed.emit()

    def _facts_text(self, facts: Dict[str, Any]) -> str:
        parts = [f"{facts.get('width_px', 0):,} × {facts.get('height_px', 0):,} px"]
        if facts.get("resolution_m"):
            parts.append(self.tr("{} m pixels").format(f"{facts['resolution_m']:.3g}"))
        if facts.get("size_ha"):
            parts.append(text.hectares(float(facts["size_ha"])))
        parts.append(str(facts.get("dtype", "")))
        nodata = facts.get("nodata")
        shown = f"{nodata:g}" if isinstance(nodata, float) else nodata
        parts.append(self.tr("no nodata value") if nodata is None else self.tr("nodata {}").format(shown))
        if facts.get("rotated"):
            parts.append(self.tr("rotated"))
        if str(facts.get("sensor", "")) not in ("", "not recognised"):
            parts.append(str(facts["sensor"]))
        return " · ".join(parts)

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 4)
        table.setHorizontalHeaderLabels([self.tr("Band"), self.tr("Role"), self.tr("Low"), self.tr("High")])
        low = self.tr("2nd and 98th percentile of the pixel values")
        for i in (2, 3):
            table.horizontalHeaderItem(i).setToolTip(low)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(26)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        table.setShowGrid(False)
        return table

    def _make_form_combo(self) -> QComboBox:
        combo = QuietCombo()
        words = {
            "": self.tr("Near infrared, found by itself"),
            "nir": self.tr("Near infrared only"),
            "nir,red,green": self.tr("Near infrared, red, green"),
            "red,green,blue": self.tr("Red, green, blue"),
            "nir,ndvi": self.tr("Near infrared and NDVI"),
        }
        for form in FORMS:
            combo.addItem(words[form], form)
        combo.addItem(self.tr("Own choice …"), OWN)
        combo.currentIndexChanged.connect(self._on_changed)
        return combo

    def _role_combo(self, role: str, name: str) -> QComboBox:
        combo = QuietCombo()
        combo.setFrame(False)
        combo.addItem(self.tr("unknown"), "unknown")
        for known in (*ROLES, *(() if role in (*ROLES, "", "unknown") else (role,))):
            combo.addItem(known, known)
        combo.setCurrentIndex(max(0, combo.findData(role)))
        combo.setToolTip(name)
        combo.currentIndexChanged.connect(self._on_changed)
        return combo

    def _cell(self, line: int, place: int, words: str, tip: str = "") -> None:
        item = QTableWidgetItem(words)
        item.setToolTip(tip)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        item.setTextAlignment(right if place > 1 else Qt.AlignmentFlag.AlignCenter)
        self.table.setItem(line, place, item)

    def _fit_table(self, num_rows: int) -> None:
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(head + 26 * min(num_rows, _MAX_ROWS) + 2 * self.table.frameWidth())
