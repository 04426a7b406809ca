"""Step 4: which model, where, what to write, and the map that came of it."""

from __future__ import annotations

from typing import Optional, Sequence

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QWidget

from nir_lora_plugin.protocol import JobRecord, SegmentResult

from . import text
from .area_table import AreaTable
from .job_view import JobView
from .model_list import ModelList
from .widgets import Notice, Notices, QuietCombo, column, label, primary_button, row

LAYER, EXTENT, POLYGONS = "layer", "extent", "polygons"


class SegmentPanel(QWidget):
    """The widgets of the segmenting step.

    Args:
        polygon_combo: The combo box of polygon layers, made by the caller.
    """

    segment_wanted = pyqtSignal()
    cancel_wanted = pyqtSignal()
    changed = pyqtSignal()  # model, area or outputs
    notice_pressed = pyqtSignal()

    def __init__(self, polygon_combo: QWidget, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.polygon_combo = polygon_combo
        self.model_list = ModelList()
        self.model_list.chosen.connect(self.changed)
        self._setup = self._make_setup()
        self.check_notices = Notices()
        self.allow_check = QCheckBox(self.tr("Run it all the same"))
        self.allow_check.toggled.connect(self.changed)
        self.missing_label = label(name="missing")
        self.segment_button = primary_button(self.tr("Segment NIR layer"), "segment")
        self.segment_button.clicked.connect(self.segment_wanted)
        self.job_view = JobView()
        self.job_view.cancel_wanted.connect(self.cancel_wanted)
        self.result_notice = Notice()
        self.result_notice.pressed.connect(self.notice_pressed)
        self.area_table = AreaTable()
        layout = column(self)
        layout.setContentsMargins(12, 2, 12, 12)
        layout.addWidget(self._setup)
        layout.addWidget(self.check_notices)
        layout.addWidget(self.allow_check)
        layout.addWidget(self.missing_label)
        layout.addWidget(self.segment_button)
        layout.addWidget(self.job_view)
        layout.addWidget(self.result_notice)
        layout.addWidget(self.area_table)
        self.show_missing("")
        self.show_check((), ())
        self._on_changed()

    def area(self) -> str:
        """``layer | extent | polygons``."""
        return str(self.area_combo.currentData())

    def set_area(self, area: str) -> None:
        """Choose where to segment."""
        self.area_combo.setCurrentIndex(max(0, self.area_combo.findData(area)))

    def show_missing(self, missing: str) -> None:
        """What has to be done before one can segment; empty when the button may be pressed."""
        self.missing_label.setText(missing)
        self.missing_label.setVisible(bool(missing))
        self.segment_button.setEnabled(not missing)

    def show_check(self, problems: Sequence[str], warnings: Sequence[str]) -> None:
        """Show whether the model fits the raster.

        Args:
            problems: What is wrong and what to do; they stop the run unless the user insists.
            warnings: What is worth knowing.
        """
        self.check_notices.clear()
        for problem in problems:
            self.check_notices.add(problem, "error")
        for warning in warnings:
            self.check_notices.add(warning, "warning")
        self.allow_check.setVisible(bool(problems) or self.allow_check.isChecked())

    def start(self) -> None:
        """A map was asked for."""
        self.result_notice.show_text("")
        self.area_table.hide()
        self.segment_button.hide()
        self._setup.setEnabled(False)
        self.job_view.start(self.tr("Starting"))

    def show_record(self, record: JobRecord) -> None:
        """Show where the job is."""
        self.job_view.show_record(record)

    def show_result(self, result: SegmentResult, action: str = "") -> None:
        """A map was written; ``action`` is what remains to be done with it."""
        self._finish()
        words = self.tr("Done in {} on {}.").format(text.duration(result.seconds), text.device(result.device))
        if result.px_per_s:
            words = self.tr("Done in {} on {} ({}).").format(
                text.duration(result.seconds), text.device(result.device), text.speed(result.px_per_s)
            )
        self.result_notice.show_text(" ".join([words, *result.warnings]), "good", action)
        colors = {info.value: info.color for info in result.classes}
        self.area_table.show_areas(self.tr("Area of each class"), result.areas, colors)

    def show_end(self, words: str, level: str, action: str = "") -> None:
        """The job ended without a map."""
        self._finish()
        self.result_notice.show_text(words, level, action)

    def _finish(self) -> None:
        self.job_view.finish()
        self.segment_button.show()
        self._setup.setEnabled(True)

    def _on_changed(self, *_: object) -> None:
        self.polygon_combo.setVisible(self.area() == POLYGONS)
        self.area_label.setVisible(self.area() == POLYGONS)
        self.min_area_spin.setEnabled(self.polygons_check.isChecked())
        self.changed.emit()

    def _make_setup(self) -> QWidget:
        part = QWidget()
        layout = column(part)
        self.area_combo = QuietCombo()
        for value, title in (
            (LAYER, self.tr("The whole layer")),
            (EXTENT, self.tr("What the map shows now")),
            (POLYGONS, self.tr("Inside polygons of a layer")),
        ):
            self.area_combo.addItem(title, value)
        self.area_combo.currentIndexChanged.connect(self._on_changed)
        self.area_label = label(self.tr("Its selected polygons, or all when none is selected."), "muted")
        self.confidence_check = QCheckBox(self.tr("Confidence, as a raster"))
        self.confidence_check.setToolTip(self.tr("A second raster: where the map is sure, where it is not"))
        self.probabilities_check = QCheckBox(self.tr("Probability of each class"))
        self.polygons_check = QCheckBox(self.tr("Polygons of at least"))
        self.polygons_check.setToolTip(
            self.tr("Also write the map as polygons; smaller ones are merged away")
        )
        self.min_area_spin = QDoubleSpinBox()
        self.min_area_spin.setRange(0, 1e6)
        self.min_area_spin.setDecimals(1)
        self.min_area_spin.setMinimumWidth(60)
        self.min_area_spin.setSuffix(self.tr(" m²"))
        self.min_area_spin.valueChanged.connect(self.changed)
        for check in (self.confidence_check, self.probabilities_check, self.polygons_check):
            check.toggled.connect(self._on_changed)
        form = QFormLayout()
        form.setContentsMargins(0, 4, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        where = column()
        for widget in (self.area_combo, self.polygon_combo, self.area_label):
            where.addWidget(widget)
        form.addRow(self.tr("Where"), where)
        form.addRow(self.tr("Write"), self.confidence_check)
        form.addRow("", self.probabilities_check)
        form.addRow("", row(self.polygons_check, self.min_area_spin, stretch=True))
        layout.addWidget(label(self.tr("Model")))
        layout.addWidget(self.model_list)
        layout.addLayout(form)
        return part
