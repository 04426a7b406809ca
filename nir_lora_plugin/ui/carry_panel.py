"""Carrying a model to a field without polygons: which field, and how."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QFormLayout, QLineEdit, QSpinBox, QWidget

from .estimate import estimate
from .raster_list import RasterList
from .run_panel import RunPanel
from .widgets import QuietCombo, button, column, label


class CarryPanel(RunPanel):
    """What to carry the model to; the run itself is shown in the training step."""

    carry_wanted = pyqtSignal()
    changed = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.rasters = RasterList(self.tr("Open the raster of the other field in QGIS."))
        self.rasters.changed.connect(self.changed)
        self.carry_button = button(self.tr("Carry the model over"), "carry")
        self.carry_button.clicked.connect(self.carry_wanted)
        layout = column(self)
        layout.setContentsMargins(12, 2, 12, 12)
        layout.addWidget(
            label(
                self.tr(
                    "For a field without polygons. The model learns from the polygons of step 2 and is "
                    "then fitted to the other field. Settings and time are those of step 3."
                ),
                "muted",
            )
        )
        layout.addWidget(label(self.tr("Fields without polygons")))
        layout.addWidget(self.rasters)
        layout.addLayout(self._make_form())
        for part in self.before_run(self.carry_button):
            layout.addWidget(part)
        self.show_expert(False)

    def show_expert(self, expert: bool) -> None:
        """Whether the settings for experts are shown."""
        for widget in (self.stabiliser_combo, self.rounds_spin):
            widget.setVisible(expert)
            self._form.labelForField(widget).setVisible(expert)

    def set_stabiliser(self, name: str) -> None:
        """Choose what keeps the rounds steady; an unknown one is left."""
        place = self.stabiliser_combo.findData(name)
        if place >= 0:
            self.stabiliser_combo.setCurrentIndex(place)

    def stabiliser(self) -> str:
        """``lora | ema | lora+ema | none``."""
        return str(self.stabiliser_combo.currentData())

    def show_plan(self, plan: Dict[str, Any]) -> None:
        """Show what the backend says it would do."""
        facts = estimate(plan)
        if plan.get("stages"):
            facts.append(self.tr("rounds: {}").format(int(plan["stages"]) - 1))
        self.show_estimate(" · ".join(facts))
        self.show_problems([("warning", str(words)) for words in plan.get("warnings", [])])

    def _make_form(self) -> QFormLayout:
        form = self._form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.bands_edit = QLineEdit()
        self.bands_edit.setPlaceholderText(self.tr("as its file says; else e.g. nir=4"))
        self.bands_edit.editingFinished.connect(self.changed)
        form.addRow(self.tr("Bands there"), self.bands_edit)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.stabiliser_combo = QuietCombo()
        for value, title in (
            ("lora", "LoRA"),
            ("ema", self.tr("Slow teacher (EMA)")),
            ("lora+ema", self.tr("LoRA and slow teacher")),
            ("none", self.tr("Nothing")),
        ):
            self.stabiliser_combo.addItem(title, value)
        self.stabiliser_combo.setToolTip(
            self.tr("What keeps the model from believing its own mistakes; LoRA takes the least time")
        )
        self.stabiliser_combo.currentIndexChanged.connect(self.changed)
        self.rounds_spin = QSpinBox()
        self.rounds_spin.setRange(0, 100)
        self.rounds_spin.setValue(0)
        self.rounds_spin.valueChanged.connect(self.changed)
        form.addRow(self.tr("Kept steady by"), self.stabiliser_combo)
        form.addRow(self.tr("Rounds"), self.rounds_spin)
        return form
