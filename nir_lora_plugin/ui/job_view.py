"""What a running job shows: bar, stage, numbers, and the buttons to stop it."""

from __future__ import annotations

from typing import List, Optional

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QProgressBar, QWidget

from nir_lora_plugin.protocol import JobRecord

from . import text
from .widgets import button, column, label, row

_STEPS = 1000  # of the bar


class JobView(QWidget):
    """A bar with two lines of words.

    Args:
        can_keep: Whether the job can be stopped and its result so far kept (training).
    """

    cancel_wanted = pyqtSignal()
    keep_wanted = pyqtSignal()

    def __init__(self, can_keep: bool = False, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._can_keep = can_keep
        self.bar = QProgressBar()
        self.bar.setObjectName("job")
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _STEPS)
        self.stage_label = label()
        self.numbers_label = label(name="muted")
        self.keep_button = button(
            self.tr("Stop and keep"), tip=self.tr("End now; the best model so far is written")
        )
        self.keep_button.clicked.connect(self.keep_wanted)
        self.cancel_button = button(self.tr("Cancel"), tip=self.tr("End now and leave nothing behind"))
        self.cancel_button.clicked.connect(self.cancel_wanted)
        layout = column(self)
        layout.addWidget(self.stage_label)
        layout.addWidget(self.bar)
        layout.addWidget(self.numbers_label)
        buttons = row(self.keep_button, self.cancel_button) if can_keep else row(self.cancel_button)
        layout.addLayout(buttons)
        self.hide()

    def start(self, words: str) -> None:
        """Show a job that was only just asked for."""
        self.bar.setRange(0, 0)  # moves by itself until a fraction is known
        self.stage_label.setText(words)
        self.numbers_label.setText(self.tr("Waiting for the backend"))
        self._enable(True)
        self.show()

    def show_record(self, record: JobRecord) -> None:
        """Show where the job is."""
        progress = record.progress
        self.bar.setRange(0, _STEPS if progress.fraction > 0 else 0)
        self.bar.setValue(round(_STEPS * progress.fraction))
        self.stage_label.setText(self._stage(record))
        self.numbers_label.setText(" · ".join(self._numbers(record)) or progress.message)

    def stopping(self) -> None:
        """The user asked for the end; it takes a moment."""
        self.stage_label.setText(self.tr("Stopping …"))
        self._enable(False)

    def finish(self) -> None:
        """Nothing runs."""
        self.hide()

    def _enable(self, enabled: bool) -> None:
        self.cancel_button.setEnabled(enabled)
        self.keep_button.setEnabled(enabled)
        self.keep_button.setVisible(self._can_keep)

    def _stage(self, record: JobRecord) -> str:
        if record.state == "queued":
            return self.tr("Waiting for the job before it")
        names = {
            "prepare": self.tr("Preparing"),
            "train": self.tr("Training"),
            "report": self.tr("Writing the report"),
            "segment": self.tr("Segmenting"),
            "finish": self.tr("Finishing"),
            "adapt": self.tr("Adapting"),
            "warm-up": self.tr("Learning from the polygons"),
            "target map": self.tr("Mapping the other field"),
        }
        progress = record.progress
        name = names.get(progress.stage) or self._numbered(progress.stage) or progress.stage.capitalize()
        return f"{name}  {text.percent(progress.fraction)}" if progress.fraction else name

    def _numbered(self, stage: str) -> str:
        """A stage of self-training, such as ``round 2``; empty for any other."""
        name, _, number = stage.rpartition(" ")
        words = {
            "round": self.tr("Learning from its own map, round {}"),
            "pseudo-labels": self.tr("Mapping the other field for round {}"),
        }
        return words[name].format(number) if name in words else ""

    def _numbers(self, record: JobRecord) -> List[str]:
        progress, metrics = record.progress, record.progress.metrics
        facts = []
        if progress.stage == "prepare" and progress.message:
            facts.append(progress.message)
        if "epoch" in metrics:
            facts.append(self.tr("epoch {}").format(round(metrics["epoch"])))
        if "loss" in metrics:
            facts.append(self.tr("loss {:.3f}").format(metrics["loss"]))
        if "best_miou" in metrics:
            facts.append(self.tr("best IoU {:.2f}").format(metrics["best_miou"]))
        if metrics.get("px_per_s"):
            facts.append(text.speed(metrics["px_per_s"]))
        if progress.eta_s is not None and 0 < progress.fraction < 1:
            facts.append(self.tr("{} left").format(text.duration(progress.eta_s)))
        return facts
