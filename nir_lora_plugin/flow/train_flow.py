"""Step 3 at work: plans and runs a training, keeps or cancels it, takes it up again, opens its report."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from qgis.PyQt.QtCore import QObject, QUrl, pyqtSignal
from qgis.PyQt.QtGui import QDesktopServices

from nir_lora_plugin.client import Client
from nir_lora_plugin.protocol import ErrorInfo, JobRecord, TrainRequest, TrainResult, from_dict
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.tasks import JobTask
from nir_lora_plugin.ui.train_panel import TrainPanel
from nir_lora_plugin.ui.train_settings import apply

from .files import SUFFIX, clean_stem, forget_scratch, free_path, output_folder
from .readiness import missing_for_train
from .session import Later, Session, call
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

    def __init__(
        self, session: Session, panel: TrainPanel, bands: Callable[[], str], training: TrainingFlow
    ) -> None:
        super().__init__(session)
        self._session, self._panel = session, panel
        self._bands, self._training = bands, training
        self._task: Optional[JobTask] = None
        self._job_id = ""  # of the training that could be taken up again
        self._lost = False  # whether the backend ended while it ran
        self._report = ""
        self._copy = ""  # scratch file of the last estimate
        self._raster = ""  # path of the last chosen one
        self._planned: Optional[Tuple[TrainRequest, Any]] = None  # with the polygons as they were
        self._is_open = False
        self._plan_later = Later(_PLAN_WAIT_MS, self._plan, self)
        panel.settings_view.set_mode(Settings.TRAIN_MODE.get())
        panel.settings_view.set_backbone(Settings.TRAIN_BACKBONE.get())
        panel.train_wanted.connect(self._train)
        panel.cancel_wanted.connect(self.cancel)
        panel.keep_wanted.connect(self._keep)
        panel.resume_wanted.connect(self._resume)
        panel.report_wanted.connect(self._open_report)
        panel.changed.connect(self._on_settings)
        session.changed.connect(self._refresh)
        session.layer_changed.connect(self._on_layer)
        session.backend_ready.connect(self._on_backend)

    def set_open(self, is_open: bool) -> None:
        """Whether the step is open: only then is a training planned."""
        self._is_open = is_open
        self._refresh()

    def close(self) -> None:
        """Let go of the running training: it ends with the backend, and can be taken up again."""
        if self._task is not None:
            self._task.let_go()
        forget_scratch(self._copy)  # of an estimate that nobody has begun

    def cancel(self) -> None:
        """Stop the running training; nothing of it stays."""
        if self._task is not None:
            self._panel.job_view.stopping()
            self._task.cancel()

    def request(self) -> Optional[TrainRequest]:
        """The training as it is set up now; None while something is missing."""
        session = self._session
        if session.ref is None or session.training is None:
            return None
        labels = session.training.layer.source().split("|")[0]
        raster = Path(session.ref.path)
        stem = clean_stem(self._panel.model_name() or raster.stem)
        layers = (replace(session.ref, labels=labels),)
        out = str(free_path(output_folder(raster), stem, SUFFIX))
        request = TrainRequest(layers=layers, out=out, class_field="class", bands=self._bands())
        return apply(self._panel.settings_view.settings(), request)

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
        """Ask for an estimate, with a copy of the polygons: saving them would take "undo" away."""
        request, drawn = self.request(), self._session.facts().counts
        if missing_for_train(self._session.facts()) or not self._is_open or request is None:
            return
        if (request, drawn) == self._planned:
            return
        copy = self._copy = self._training.copy()
        if not copy:
            return
        self._planned = (request, drawn)
        self._panel.show_estimate(self.tr("Estimating …"))
        layers = tuple(replace(layer, labels=copy) for layer in request.layers)
        call(
            self,
            self.tr("Estimating the training"),
            partial(_plan_and_forget, replace(request, layers=layers)),
            self._panel.show_plan,
            self._on_plan_failed,
        )

    def _on_plan_failed(self, error: ErrorInfo) -> None:
        self._planned = None
        self._panel.show_estimate("")
        self._panel.show_problems([("error", f"{error.message} {error.hint}".strip())])

    def _train(self) -> None:
        request = self.request()
        if request is None or not self._training.save():
            return
        title = self.tr("Training {}").format(Path(request.out).stem)
        self._run(JobTask("train", request, title))

    def _resume(self) -> None:
        title = self.tr("Training, taken up again")
        self._run(JobTask("train", None, title, job_id=self._job_id, resume=True))

    def _run(self, task: JobTask) -> None:
        self._task = task
        task.progressed.connect(self._on_progress)
        task.finished_job.connect(self._on_finished)
        task.failed.connect(self._on_failed)
        self._lost = False
        self._panel.start()
        self._session.set_running("train")
        task.start()
        self.started.emit()

    def _keep(self) -> None:
        if self._task is not None:
            self._panel.job_view.stopping()
            self._task.keep()

    def _on_progress(self, record: JobRecord) -> None:
        self._job_id = record.id
        if self._task is not None:
            self._panel.show_record(record)

    def _on_finished(self, record: JobRecord) -> None:
        self._task, self._planned = None, None
        if record.state == "done" and record.result is not None:
            self._on_result(from_dict(TrainResult, record.result))
        elif record.state == "cancelled":
            self._panel.show_end(self.tr("The training was cancelled; nothing was kept."), "info", False)
        else:
            self._panel.show_end(self.tr("The training was interrupted."), "warning", True)
        self._session.set_running("")

    def _on_result(self, result: TrainResult) -> None:
        self._report = result.report
        self._panel.show_result(result)
        if not self._panel.isVisible():  # else the panel says it
            self._session.messages.good(self.tr("The model {} is ready.").format(Path(result.model).name))
        self._open_report()
        self.trained.emit(result.model)

    def _on_failed(self, error: ErrorInfo) -> None:
        task, self._task, self._planned = self._task, None, None
        gone, stopped = error.code == "backend_gone", self._session.stopped
        resume = gone and task is not None and task.record is not None
        if error.code == "cancelled":
            self._panel.show_end(self.tr("The training was cancelled; nothing was kept."), "info", False)
        elif gone and stopped:
            self._panel.show_end(self.tr("The backend was stopped during the training."), "info", resume)
        else:
            self._panel.show_end(f"{error.message} {error.hint}".strip(), "error", resume)
            self._session.messages.error(error)
        self._session.set_running("")
        if gone and not stopped:
            self._lost = True
            self._session.backend_lost.emit()

    def _open_report(self) -> None:
        if self._report and Path(self._report).exists():
            QDesktopServices.openUrl(QUrl.fromLocalFile(self._report))

    def _on_backend(self) -> None:
        call(self, self.tr("Looking for backbones"), _backbones_and_jobs, self._on_known, self._on_unknown)

    def _on_known(self, known: Dict[str, List[Any]]) -> None:
        self._panel.settings_view.show_backbones(known["backbones"])
        if self._task is not None or self._session.running:
            return
        newest = next((job for job in known["jobs"] if job.kind == "train"), None)
        if newest is None or newest.state not in ("interrupted", "running", "queued"):
            return
        self._job_id, self._lost = newest.id, self._lost and newest.id == self._job_id
        if newest.state == "interrupted":
            name = newest.title or self.tr("A training")
            words = self.tr("{} was interrupted.").format(name)
            if self._lost:
                words = self.tr("The backend ended during the training and was started again.")
            self._panel.show_end(words, "warning", True)
        else:
            self._run(JobTask("train", None, newest.title, job_id=newest.id))

    def _on_unknown(self, error: ErrorInfo) -> None:
        self._session.messages.warning(error.message, error.hint)


def _plan_and_forget(request: TrainRequest, client: Client) -> Dict[str, Any]:
    try:
        return client.plan(request)
    finally:
        forget_scratch(request.layers[0].labels)


def _backbones_and_jobs(client: Any) -> Dict[str, List[Any]]:
    return {"backbones": client.backbones(), "jobs": client.jobs()}
