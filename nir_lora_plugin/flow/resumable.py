"""A job that keeps checkpoints: run, kept or cancelled, and taken up again, also after the backend ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from qgis.PyQt.QtCore import QObject, pyqtSignal

from nir_lora_plugin.client import Request
from nir_lora_plugin.protocol import ErrorInfo, JobRecord
from nir_lora_plugin.tasks import JobTask
from nir_lora_plugin.ui.problem import problem_text

from .session import Session


@dataclass(frozen=True)
class JobWords:
    """What is said of a kind of job, in the user's language.

    Attributes:
        kind: One of JOB_KINDS.
        resumed: Title of a job that is taken up again.
        named: Which job was interrupted, with a gap for its title.
        untitled: Title of one without.
        cancelled: It was cancelled.
        interrupted: It was interrupted.
        stopped: The user stopped the backend meanwhile.
        lost: The backend ended meanwhile and was started again.
    """

    kind: str
    resumed: str
    named: str
    untitled: str
    cancelled: str
    interrupted: str
    stopped: str
    lost: str


class ResumableJob(QObject):
    """One such job at a time; the session hears of it."""

    started = pyqtSignal()
    progressed = pyqtSignal(object)  # JobRecord
    done = pyqtSignal(object)  # JobRecord, with a result
    ended = pyqtSignal(str, str, bool)  # without one: why, level of the words, whether it can be resumed

    def __init__(self, session: Session, words: JobWords) -> None:
        super().__init__(session)
        self._session, self._words = session, words
        self._task: Optional[JobTask] = None
        self._job_id = ""  # of the job that could be taken up again
        self._lost = False  # whether the backend ended while it ran

    @property
    def is_running(self) -> bool:
        """Whether there is a job."""
        return self._task is not None

    def run(self, request: Request, title: str) -> None:
        """Start a new job."""
        self._follow(JobTask(self._words.kind, request, title))

    def resume(self) -> None:
        """Take up the job that ended without a result."""
        task = JobTask(self._words.kind, None, self._words.resumed, job_id=self._job_id, resume=True)
        self._follow(task)

    def cancel(self) -> None:
        """Stop the job; nothing of it stays."""
        if self._task is not None:
            self._task.cancel()

    def keep(self) -> None:
        """Stop the job and keep what it has."""
        if self._task is not None:
            self._task.keep()

    def let_go(self) -> None:
        """Hear no more of it: it ends with the backend, and can be taken up again."""
        if self._task is not None:
            self._task.let_go()

    def take_up(self, jobs: Sequence[JobRecord]) -> None:
        """Follow the newest job (of all ``jobs``) of this kind if it still runs, or offer to resume it."""
        if self._session.running:
            return
        newest = next((job for job in jobs if job.kind == self._words.kind), None)
        if newest is None or newest.state not in ("interrupted", "running", "queued"):
            return
        self._job_id, self._lost = newest.id, self._lost and newest.id == self._job_id
        if newest.state == "interrupted":
            named = self._words.named.format(newest.title or self._words.untitled)
            self.ended.emit(self._words.lost if self._lost else named, "warning", True)
        else:
            self._follow(JobTask(self._words.kind, None, newest.title, job_id=newest.id))

    def _follow(self, task: JobTask) -> None:
        self._task, self._lost = task, False
        task.progressed.connect(self._on_progress)
        task.finished_job.connect(self._on_finished)
        task.failed.connect(self._on_failed)
        self._session.set_running(self._words.kind)
        self.started.emit()
        task.start()

    def _on_progress(self, record: JobRecord) -> None:
        self._job_id = record.id
        if self._task is not None:
            self.progressed.emit(record)

    def _on_finished(self, record: JobRecord) -> None:
        self._task = None
        if record.state == "done" and record.result is not None:
            self.done.emit(record)
        elif record.state == "cancelled":
            self.ended.emit(self._words.cancelled, "info", False)
        else:
            self.ended.emit(self._words.interrupted, "warning", True)
        self._session.set_running("")

    def _on_failed(self, error: ErrorInfo) -> None:
        task, self._task = self._task, None
        gone, stopped = error.code == "backend_gone", self._session.stopped
        resume = gone and task is not None and task.record is not None
        if error.code == "cancelled":
            self.ended.emit(self._words.cancelled, "info", False)
        elif gone and stopped:
            self.ended.emit(self._words.stopped, "info", resume)
        else:
            self.ended.emit(problem_text(error), "error", resume)
            self._session.messages.error(error)
        self._session.set_running("")
        if gone and not stopped:
            self._lost = True
            self._session.backend_lost.emit()
