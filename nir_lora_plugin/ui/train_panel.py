"""Step 3: settings, estimate, the training as it runs, and what came of it."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QFormLayout, QLineEdit, QWidget

from nir_lora_plugin.protocol import JobRecord, TrainResult

from . import text
from .estimate import estimate
from .job_view import JobView
from .plot import TrainingPlot
from .run_panel import RunPanel
from .train_settings import TrainSettingsView
from .widgets import Notice, button, column, primary_button


class TrainPanel(RunPanel):
    """The widgets of the training step; what they ask for is done elsewhere."""

    train_wanted = pyqtSignal()
    cancel_wanted = pyqtSignal()
    keep_wanted = pyqtSignal()
    resume_wanted = pyqtSignal()
    report_wanted = pyqtSignal()
    target_wanted = pyqtSignal()  # the field that the model was carried to
    changed = pyqtSignal()  # settings or name

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.settings_view = TrainSettingsView()
        self.settings_view.changed.connect(self.changed)
        self.name_edit = QLineEdit()
        self.name_edit.setToolTip(self.tr("Name of the model file that the training writes"))
        self.name_edit.editingFinished.connect(self.changed)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.tr("Model name"), self.name_edit)
        self.train_button = primary_button(self.tr("Train"), "train")
        self.train_button.clicked.connect(self.train_wanted)
        self._setup = QWidget()
        setup = column(self._setup)
        setup.addWidget(self.settings_view)
        setup.addLayout(form)
        for part in self.before_run(self.train_button):
            setup.addWidget(part)
        self.job_view = JobView(can_keep=True)
        self.job_view.cancel_wanted.connect(self.cancel_wanted)
        self.job_view.keep_wanted.connect(self.keep_wanted)
        self.plot = TrainingPlot()
        self.plot.hide()
        self.result_notice = Notice()
        self.result_notice.pressed.connect(self._on_result_pressed)
        self.again_button = button(self.tr("Train another …"))
        self.again_button.clicked.connect(self.show_setup)
        self.target_button = primary_button("")
        self.target_button.clicked.connect(self.target_wanted)
        self._after = column()
        self._after.addWidget(self.target_button)
        self._after.addWidget(self.again_button)
        self._show_after(False)
        layout = column(self)
        layout.setContentsMargins(12, 2, 12, 12)
        layout.addWidget(self.job_view)
        layout.addWidget(self.plot)
        layout.addWidget(self.result_notice)
        layout.addWidget(self._setup)
        layout.addLayout(self._after)
        self._result_is_report = False

    def model_name(self) -> str:
        """Name of the model to make, without suffix."""
        name = self.name_edit.text().strip()
        return name[: -len(".nirlora")] if name.endswith(".nirlora") else name

    def show_plan(self, plan: Dict[str, Any]) -> None:
        """Show what the backend says a training would do (``nirlora.plan``)."""
        self.show_estimate(self._plan_text(plan))
        self.show_problems([("warning", str(w)) for w in plan.get("warnings", [])])

    def start(self) -> None:
        """A training was asked for."""
        self.plot.clear()
        self.plot.show()
        self.result_notice.show_text("")
        self._setup.hide()
        self._show_after(False)
        self.job_view.start(self.tr("Starting"))

    def show_setup(self) -> None:
        """Show the settings, as before a training."""
        self._setup.show()
        self._show_after(False)

    def forget_result(self) -> None:
        """Show the settings, and nothing of an earlier training."""
        self.plot.hide()
        self.result_notice.show_text("")
        self.show_setup()

    def show_record(self, record: JobRecord) -> None:
        """Show where the training is."""
        metrics = record.progress.metrics
        self.job_view.show_record(record)
        if "loss" in metrics:
            self.plot.add(record.progress.fraction, metrics["loss"], metrics.get("miou"))

    def show_result(self, result: TrainResult, target: str = "") -> None:
        """A model was written; the settings make room for what it is worth.

        Args:
            result: What came of it.
            target: Name of the field that it was carried to; "" for an ordinary training.
        """
        self._finish()
        self._setup.hide()
        self._show_after(True, target)
        if result.metrics.get("miou") is not None and self.plot.loss.points:
            self.plot.add(1.0, None, float(result.metrics["miou"]))
        words = [self.tr("The model is ready.")]
        if target:
            words = [self.tr("The model for {} is ready.").format(target)]
        elif result.metrics.get("miou") is not None:
            score = self.tr("IoU {:.2f} on polygons it was not trained on.")
            words.append(score.format(float(result.metrics["miou"])))
        else:
            words.append(self.tr("Nothing could be held out, so it has no score."))
        words.append(self.tr("{} on {}.").format(text.duration(result.seconds), text.device(result.device)))
        self._result_is_report = True
        self.result_notice.show_text(
            " ".join(words), "good", self.tr("Open the report") if result.report else ""
        )

    def show_end(self, words: str, level: str, can_resume: bool) -> None:
        """A training ended without a model."""
        self._finish()
        self._result_is_report = False
        self.result_notice.show_text(words, level, self.tr("Go on with it") if can_resume else "")

    def _show_after(self, shown: bool, target: str = "") -> None:
        self.again_button.setVisible(shown)
        self.target_button.setVisible(shown and bool(target))
        self.target_button.setText(self.tr("Go to {} and segment it").format(target))

    def _finish(self) -> None:
        self.job_view.finish()
        self.plot.setVisible(bool(self.plot.loss.points))
        self.show_setup()

    def _on_result_pressed(self) -> None:
        if self._result_is_report:
            self.report_wanted.emit()
        else:
            self.resume_wanted.emit()

    def _plan_text(self, plan: Dict[str, Any]) -> str:
        facts = estimate(plan)
        polygons = sum(int(c["train_polygons"]) + int(c["val_polygons"]) for c in plan.get("classes", []))
        held = sum(int(c["val_polygons"]) for c in plan.get("classes", []))
        if polygons:
            facts.append(self.tr("{} polygons, {} held out to score it").format(polygons, held))
        return " · ".join(facts)
