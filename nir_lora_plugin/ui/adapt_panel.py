"""Adapting a backbone to rasters without labels: which, how long, the run, and what came of it."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QDoubleSpinBox, QFormLayout, QLineEdit, QWidget

from nir_lora_plugin.protocol import AdaptResult, JobRecord

from . import text
from .backbone_combo import BackboneCombo
from .estimate import estimate
from .job_view import JobView
from .plot import TrainingPlot
from .raster_list import RasterList
from .run_panel import RunPanel
from .widgets import Notice, QuietCombo, button, column, label, row


class AdaptPanel(RunPanel):
    """The widgets of an adaptation; what they ask for is done elsewhere."""

    adapt_wanted = pyqtSignal()
    cancel_wanted = pyqtSignal()
    keep_wanted = pyqtSignal()
    resume_wanted = pyqtSignal()
    report_wanted = pyqtSignal()
    use_wanted = pyqtSignal()  # the new backbone in a training
    changed = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.job_view = JobView(can_keep=True)
        self.job_view.keep_button.setToolTip(self.tr("End now; what has been learnt so far is written"))
        self.job_view.cancel_wanted.connect(self.cancel_wanted)
        self.job_view.keep_wanted.connect(self.keep_wanted)
        self.plot = TrainingPlot(scored=False)
        self.plot.hide()
        self.result_notice = Notice()
        self.result_notice.pressed.connect(self._on_result_pressed)
        self.use_button = button(self.tr("Train with it"), "train_dark")
        self.use_button.clicked.connect(self.use_wanted)
        self.again_button = button(self.tr("Adapt another …"))
        self.again_button.clicked.connect(self.show_setup)
        self._after = QWidget()
        self._after.setLayout(row(self.use_button, self.again_button))
        self._after.hide()
        self._setup = self._make_setup()
        layout = column(self)
        layout.setContentsMargins(12, 2, 12, 12)
        for part in (self.job_view, self.plot, self.result_notice, self._after, self._setup):
            layout.addWidget(part)
        self._result_is_report = False

    def backbone_name(self) -> str:
        """Name of the file to make, without suffix."""
        name = self.name_edit.text().strip()
        return name[: -len(".nirlora-backbone")] if name.endswith(".nirlora-backbone") else name

    def objective(self) -> str:
        """``mae | dino``."""
        return str(self.objective_combo.currentData())

    def set_objective(self, name: str) -> None:
        """Choose how it learns; an unknown name is left."""
        place = self.objective_combo.findData(name)
        if place >= 0:
            self.objective_combo.setCurrentIndex(place)

    def show_plan(self, plan: Dict[str, Any]) -> None:
        """Show what the backend says it would do."""
        facts = estimate(plan)
        if plan.get("valid_megapixels"):
            facts.append(self.tr("{:.3g} million pixels").format(float(plan["valid_megapixels"])))
        self.show_estimate(" · ".join(facts))
        self.show_problems([("warning", str(words)) for words in plan.get("warnings", [])])

    def start(self) -> None:
        """A run was asked for."""
        self.plot.clear()
        self.plot.show()
        self.result_notice.show_text("")
        self._after.hide()
        self._setup.hide()
        self.job_view.start(self.tr("Starting"))

    def show_setup(self) -> None:
        """Show the settings, as before a run."""
        self._after.hide()
        self._setup.show()

    def show_record(self, record: JobRecord) -> None:
        """Show where the run is."""
        self.job_view.show_record(record)
        loss = record.progress.metrics.get("loss")
        if loss is not None:
            self.plot.add(record.progress.fraction, loss, None)

    def show_result(self, result: AdaptResult, name: str) -> None:
        """A backbone was written, called ``name``."""
        self._finish()
        self._setup.hide()
        self._after.show()
        words = [self.tr("The backbone {} is ready.").format(name)]
        first, last = (result.losses.get(part, {}).get("loss") for part in ("first", "last"))
        if first is not None and last is not None:
            words.append(self.tr("Its loss went from {:.3f} to {:.3f}.").format(first, last))
        words.append(self.tr("{} on {}.").format(text.duration(result.seconds), text.device(result.device)))
        self._result_is_report = True
        action = self.tr("Open the report") if result.report else ""
        self.result_notice.show_text(" ".join(words), "good", action)

    def show_end(self, words: str, level: str, can_resume: bool) -> None:
        """A run ended without a backbone."""
        self._finish()
        self._result_is_report = False
        self.result_notice.show_text(words, level, self.tr("Go on with it") if can_resume else "")

    def _finish(self) -> None:
        self.job_view.finish()
        self.plot.setVisible(bool(self.plot.loss.points))
        self.show_setup()

    def _on_result_pressed(self) -> None:
        (self.report_wanted if self._result_is_report else self.resume_wanted).emit()

    def _make_setup(self) -> QWidget:
        part = QWidget()
        layout = column(part)
        self.rasters = RasterList(self.tr("Open the rasters in QGIS first."))
        self.adapt_button = button(self.tr("Adapt to these rasters"), "adapt")
        layout.addWidget(
            label(
                self.tr(
                    "Lets the network look at your rasters before any training, without polygons, so that "
                    "it gets used to the sensor and the fields. The more area the better. What it has "
                    "learnt goes into a file that trainings can start from."
                ),
                "muted",
            )
        )
        layout.addWidget(label(self.tr("Rasters to look at")))
        layout.addWidget(self.rasters)
        layout.addLayout(self._make_form())
        for widget in self.before_run(self.adapt_button):
            layout.addWidget(widget)
        self.rasters.changed.connect(self.changed)
        self.adapt_button.clicked.connect(self.adapt_wanted)
        return part

    def _make_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.backbone_combo = BackboneCombo()
        self.objective_combo = QuietCombo()
        self.objective_combo.addItem(self.tr("Drawing hidden parts (MAE)"), "mae")
        self.objective_combo.addItem(self.tr("Comparing views (DINO)"), "dino")
        self.objective_combo.setToolTip(
            self.tr("Drawing hidden parts suits most; comparing views takes several times as long")
        )
        self.minutes_spin = QDoubleSpinBox()
        self.minutes_spin.setRange(0.05, 100_000)
        self.minutes_spin.setDecimals(2)
        self.minutes_spin.setValue(30)
        self.minutes_spin.setSuffix(self.tr(" min"))
        self.name_edit = QLineEdit()
        self.name_edit.setToolTip(self.tr("Name of the backbone file that is written"))
        for title, field in (
            (self.tr("Backbone"), self.backbone_combo),
            (self.tr("Learns by"), self.objective_combo),
            (self.tr("At most"), self.minutes_spin),
            (self.tr("Name"), self.name_edit),
        ):
            form.addRow(title, field)
        self.backbone_combo.chosen.connect(self.changed)
        self.objective_combo.currentIndexChanged.connect(self.changed)
        self.minutes_spin.valueChanged.connect(self.changed)
        self.name_edit.editingFinished.connect(self.changed)
        return form
