"""Step 3 at work: plans and runs a training, keeps or cancels it, takes it up again, opens its report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Callable, Optional

from qgis.PyQt.QtCore import QObject, QUrl, pyqtSignal
from qgis.PyQt.QtGui import QDesktopServices

from nir_lora_plugin.protocol import JobRecord, TrainRequest, TrainResult, from_dict
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.ui.train_panel import TrainPanel
from nir_lora_plugin.ui.train_settings import apply

from .files import SUFFIX, clean_stem, free_path, output_folder
from .planner import TrainingPlanner
from .readiness import missing_for_train
from .resumable import JobWords, ResumableJob
from .session import Later, Session
from .training_flow import TrainingFlow

_PLAN_WAIT_MS = 500


class TrainFlow(QObject):
    """Ties the training settings and its job to the session.

    Args:
        bands: The ``bands`` text of the layer step.
        training: The step of the polygons, which saves and copies them.
    """

    started = pyqtSignal()
    trained = pyqtSignal(str)  # path of the model
    carried = pyqtSignal(str, str)  # path of the model, and of the raster that it was carried to

    def __init__(
        self, session: Session, panel: TrainPanel, bands: Callable[[], str], training: TrainingFlow
    ) -> None:
        super().__init__(session)
        self._session, self._panel = session, panel
        self._bands, self._training = bands, training
        self._report = ""
        self._raster = ""  # path of the last chosen one
        self._is_open = False
        self._plan_later = Later(_PLAN_WAIT_MS, self._plan, self)
        self._planner = TrainingPlanner(training, self)
        self.job = ResumableJob(session, self._words())
        panel.settings_view.set_mode(Settings.TRAIN_MODE.get())
        panel.settings_view.set_backbone(Settings.TRAIN_BACKBONE.get())
        self._connect()

    def _connect(self) -> None:
        panel, session, job, planner = self._panel, self._session, self.job, self._planner
        panel.train_wanted.connect(self._train)
        panel.cancel_wanted.connect(self.cancel)
        panel.keep_wanted.connect(self._keep)
        panel.resume_wanted.connect(job.resume)
        panel.report_wanted.connect(self._open_report)
        panel.changed.connect(self._on_settings)
        session.changed.connect(self._refresh)
        session.layer_changed.connect(self._on_layer)
        planner.asked.connect(lambda: panel.show_estimate(self.tr("Estimating …")))
        planner.planned.connect(panel.show_plan)
        planner.failed.connect(panel.show_failed_plan)
        job.started.connect(self._on_started)
        job.progressed.connect(panel.show_record)
        job.done.connect(self._on_done)
        job.ended.connect(self._on_ended)

    def set_open(self, is_open: bool) -> None:
        """Whether the step is open: only then is a training planned."""
        self._is_open = is_open
        self._refresh()

    def close(self) -> None:
        """Let go of the running training: it ends with the backend, and can be taken up again."""
        self.job.let_go()
        self._planner.close()

    def cancel(self) -> None:
        """Stop the running training; nothing of it stays."""
        if self.job.is_running:
            self._panel.job_view.stopping()
            self.job.cancel()

    def request(self) -> Optional[TrainRequest]:
        """The training as it is set up now; None while something is missing."""
        session = self._session
        if session.ref is None or session.training is None:
            return None
        labels = session.training.layer.source().split("|")[0]
        raster = Path(session.ref.path)
        layers = (replace(session.ref, labels=labels),)
        out = str(free_path(output_folder(raster), self.stem(), SUFFIX))
        request = TrainRequest(layers=layers, out=out, class_field="class", bands=self._bands())
        return apply(self._panel.settings_view.settings(), request)

    def stem(self) -> str:
        """Name of the model file without suffix, as the user wants it or after the raster."""
        return clean_stem(self._panel.model_name() or Path(self._raster).stem)

    def run(self, request: TrainRequest) -> None:
        """Save the polygons and train; the panel follows it."""
        if self._training.save():
            self.job.run(request, self.tr("Training {}").format(Path(request.out).stem))

    def _on_settings(self) -> None:
        chosen = self._panel.settings_view.settings()
        Settings.TRAIN_MODE.set(chosen.mode)
        Settings.TRAIN_BACKBONE.set(chosen.backbone)
        self._refresh()

    def _on_layer(self) -> None:
        """Another raster: a new model, with a name of its own."""
        ref = self._session.ref
        if ref is None or ref.path == self._raster:
            return
        self._raster = ref.path
        self._panel.name_edit.setText(Path(ref.path).stem)
        if not self._session.running:
            self._panel.forget_result()

    def _refresh(self) -> None:
        missing = missing_for_train(self._session.facts())
        self._panel.show_missing(missing)
        if missing:
            self._plan_later.stop()
            self._panel.show_estimate("")
        elif self._is_open:
            self._plan_later.start()

    def _plan(self) -> None:
        facts, request = self._session.facts(), self.request()
        wanted = self._is_open and self._session.may_ask
        if wanted and not missing_for_train(facts) and request is not None:
            self._planner.ask(request, facts.counts)

    def _train(self) -> None:
        request = self.request()
        if request is not None:
            self.run(request)

    def _keep(self) -> None:
        if self.job.is_running:
            self._panel.job_view.stopping()
            self.job.keep()

    def _on_started(self) -> None:
        self._planner.forget()
        self._panel.start()
        self.started.emit()

    def _on_done(self, record: JobRecord) -> None:
        result = from_dict(TrainResult, record.result)
        request = from_dict(TrainRequest, record.request)
        self._report = result.report
        self._panel.show_result(result, self._target_name(request))
        if not self._panel.isVisible():  # else the panel says it
            self._session.messages.good(self.tr("The model {} is ready.").format(Path(result.model).name))
        self._open_report()
        if request.target_layers:
            self.carried.emit(result.model, request.target_layers[0].path)
        else:
            self.trained.emit(result.model)

    def _target_name(self, request: TrainRequest) -> str:
        return Path(request.target_layers[0].path).stem if request.target_layers else ""

    def _on_ended(self, words: str, level: str, can_resume: bool) -> None:
        self._planner.forget()
        self._panel.show_end(words, level, can_resume)

    def _open_report(self) -> None:
        if self._report and Path(self._report).exists():
            QDesktopServices.openUrl(QUrl.fromLocalFile(self._report))

    def _words(self) -> JobWords:
        return JobWords(
            kind="train",
            resumed=self.tr("Training, taken up again"),
            named=self.tr("{} was interrupted."),
            untitled=self.tr("A training"),
            cancelled=self.tr("The training was cancelled; nothing was kept."),
            interrupted=self.tr("The training was interrupted."),
            stopped=self.tr("The backend was stopped during the training."),
            lost=self.tr("The backend ended during the training and was started again."),
        )
