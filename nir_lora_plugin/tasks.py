"""QgsTasks: they wait in a thread for others' work and tell the main thread. No logic of their own."""

from __future__ import annotations

import threading
import traceback
from typing import Any, Callable, Optional, Set

from qgis.core import Qgis, QgsApplication, QgsMessageLog, QgsTask
from qgis.PyQt.QtCore import QThreadPool, pyqtSignal

from .backend_process.manager import manager
from .client import Client, Request
from .errors import Cancelled, PluginError
from .protocol import ErrorInfo, JobRecord

Report = Callable[..., None]
"""``report(fraction, message="")``: how much is done, 0..1, and a line for people."""
IsCancelled = Callable[[], bool]

_alive: Set[QgsTask] = set()  # QGIS owns the C++ half only; the Python half must live until finished()


class _Task(QgsTask):
    """A task that turns errors into ErrorInfo and keeps itself alive while it runs."""

    failed = pyqtSignal(object)  # ErrorInfo

    def __init__(self, title: str, flags: Optional[QgsTask.Flags] = None) -> None:
        super().__init__(title, QgsTask.Flag.CanCancel if flags is None else flags)
        self.error: Optional[ErrorInfo] = None
        _alive.add(self)

    def start(self) -> None:
        """Hand the task to QGIS; call from the main thread."""
        QgsApplication.taskManager().addTask(self)

    def run(self) -> bool:
        """Do the work in QGIS's thread; never raises."""
        try:
            self.work()
        except PluginError as error:
            self.error = error.info
        except Exception as error:  # noqa: BLE001 - the edge of a thread: what passes it takes QGIS down
            self.error = ErrorInfo("bug", f"{type(error).__name__}: {error}", "See the NIR-LoRA log panel.")
            QgsMessageLog.logMessage(traceback.format_exc(), "NIR-LoRA", Qgis.MessageLevel.Critical)
        return self.error is None

    def work(self) -> None:
        """What the task does; raises PluginError."""
        raise NotImplementedError

    def succeeded(self) -> None:
        """Tell that it went well; on the main thread."""
        raise NotImplementedError

    def finished(self, result: bool) -> None:
        """Called by QGIS on the main thread at the end, also for a task cancelled before it began."""
        _alive.discard(self)
        if self.error is None and not result:
            self.error = Cancelled().info
        if self.error is None:
            self.succeeded()
        else:
            self.failed.emit(self.error)


class JobTask(_Task):
    """Submits a job and follows it to its end; or follows the job ``job_id``.

    Signals, all received on the main thread: ``progressed(JobRecord)`` at each change;
    ``finished_job(JobRecord)`` when the job is done, cancelled or interrupted; ``failed(ErrorInfo)`` when it
    failed, was refused, or the backend went away. ``record`` is the job as last seen, also after ``failed``.
    """

    progressed = pyqtSignal(object)
    finished_job = pyqtSignal(object)

    def __init__(
        self, kind: str, request: Optional[Request], title: str, *, job_id: str = "", resume: bool = False
    ) -> None:
        super().__init__(title)
        self.record: Optional[JobRecord] = None
        self._kind, self._request, self._title = kind, request, title
        self._job_id, self._resume = job_id, resume
        self._client: Optional[Client] = None
        self._wish = ""  # "" | "cancel" | "keep"

    def work(self) -> None:
        """Follow the job; the thread sleeps most of the time and is lent to other tasks meanwhile."""
        pool = _pool()
        pool.releaseThread()
        try:
            client = self._client = manager().client()
            self._see(self._begin(client))
            if self._wish:  # came before there was a job
                self._tell()
            for record in client.events(self._job_id):
                if record is not None:
                    self._see(record)
        finally:
            pool.reserveThread()
        if self.record is not None and self.record.state == "failed":
            self.error = self.record.error or ErrorInfo("failed", "The job failed.", "")

    def cancel(self) -> None:
        """Stop the job and its half results; the task ends when the backend says that the job has."""
        self._ask("cancel")
        if self._client is None:
            super().cancel()

    def keep(self) -> None:
        """Stop a training and keep the best model so far."""
        self._ask("keep")

    def let_go(self) -> None:
        """Tell nobody any more."""
        for signal in (self.progressed, self.finished_job, self.failed):
            signal.disconnect()

    def succeeded(self) -> None:
        """Tell the record."""
        self.finished_job.emit(self.record)

    def _begin(self, client: Client) -> JobRecord:
        if self._job_id and self._resume:
            return client.resume(self._job_id)
        if self._job_id:
            return client.job(self._job_id)
        if self._request is None:
            raise PluginError("A job needs a request or the id of an existing job.", code="bug")
        return client.submit(self._kind, self._request, self._title)

    def _see(self, record: JobRecord) -> None:
        self._job_id, self.record = record.id, record
        self.setProgress(100.0 * record.progress.fraction)
        self.progressed.emit(record)

    def _ask(self, wish: str) -> None:
        self._wish = wish
        if self._client is not None and self.record is not None:
            threading.Thread(target=self._tell, daemon=True).start()  # the main thread does not wait for HTTP

    def _tell(self) -> None:
        try:
            if self._client is not None:
                self._client.cancel(self._job_id, keep=self._wish == "keep")
        except PluginError as error:  # over already, or gone: the stream of events says which
            QgsMessageLog.logMessage(str(error), "NIR-LoRA", Qgis.MessageLevel.Info)


class CallTask(_Task):
    """One or a few calls of the backend: ``function(client)``; ``done`` brings what it returns."""

    done = pyqtSignal(object)

    def __init__(self, title: str, function: Callable[[Client], Any]) -> None:
        super().__init__(title, _quiet())
        self._function = function
        self._stops = manager().stops
        self.result: Any = None

    def work(self) -> None:
        """Call it, unless the backend was stopped while the task waited for a thread."""
        self.result = self._function(manager().client(self._stops))

    def succeeded(self) -> None:
        """Tell the result."""
        self.done.emit(self.result)


class WorkTask(_Task):
    """Work without the backend: ``function(report, is_cancelled)``; ``done`` brings what it returns.

    ``reported(fraction, message)`` comes at every report. A function that sees ``is_cancelled()`` raises
    Cancelled.
    """

    done = pyqtSignal(object)
    reported = pyqtSignal(float, str)

    def __init__(self, title: str, function: Callable[[Report, IsCancelled], Any]) -> None:
        super().__init__(title)
        self._function = function
        self.result: Any = None

    def work(self) -> None:
        """Do it."""
        self.result = self._function(self._report, self.isCanceled)

    def succeeded(self) -> None:
        """Tell the result."""
        self.done.emit(self.result)

    def _report(self, fraction: float, message: str = "") -> None:
        self.setProgress(100.0 * fraction)
        self.reported.emit(fraction, message)


def _quiet() -> QgsTask.Flags:
    """Flags of a task that is no matter for the user: not asked about at QGIS's end, nor announced."""
    flags = QgsTask.Flag.CanCancel | QgsTask.Flag.CancelWithoutPrompt
    for name in ("Hidden", "Silent"):  # since QGIS 3.26
        if hasattr(QgsTask.Flag, name):
            flags |= getattr(QgsTask.Flag, name)
    return flags


def _pool() -> QThreadPool:
    """The threads that QGIS runs tasks in; newer versions have a pool of their own for them."""
    tasks = QgsApplication.taskManager()
    return tasks.threadPool() if hasattr(tasks, "threadPool") else QThreadPool.globalInstance()
