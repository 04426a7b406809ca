"""The one who decides: which job runs, when a worker is started or killed, what a job has come to.

Everything is done in one thread, one action after the other, so that no two can meet in the middle. Other
threads hand in actions: the HTTP routes those of the user, the worker's listener those of its messages.
"""

from __future__ import annotations

import logging
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from nirlora.errors import JobFinished, JobRunning, NirLoraError, OptionError, WorkerDied
from nirlora.jobs.footprint import Footprint, Outputs
from nirlora.jobs.kinds import checked_request, job_kind, title_of
from nirlora.jobs.locks import FileLock
from nirlora.jobs.process import WorkerProcess
from nirlora.jobs.queue import JobQueue
from nirlora.jobs.states import is_finished
from nirlora.protocol import ErrorInfo, JobRecord, JobSubmission, Progress, from_dict

T = TypeVar("T")
_log = logging.getLogger(__name__)

GRACE_S = 1.2  # for a cancelled job to stop by itself; then its process is killed
_TRY_AGAIN_S = 0.5  # while another backend computes


@dataclass
class _Run:
    """The job that runs: its footprint, and when its process is killed (None: it is not)."""

    id: str
    footprint: Footprint
    kill_at: float | None = None


class Supervisor:
    """Runs the jobs of a queue in a worker process, one at a time.

    Args:
        jobs: The queue.
        folder: The state folder.
        temporary: Where the worker's temporary files go; nobody else's lie there.
        log_path: For messages.
        warm: Keep a worker ready; else it is started by the first job.
    """

    def __init__(
        self, jobs: JobQueue, folder: Path, temporary: Path, log_path: Path, *, warm: bool = True
    ) -> None:
        self.jobs = jobs
        self.device = ""
        self._temporary, self._log_path, self._warm = temporary, log_path, warm
        self._device_lock = FileLock(folder / "device.lock")
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._questions: dict[str, Future[dict[str, Any]]] = {}
        self._worker: WorkerProcess | None = None
        self._ready = False
        self._warming = warm  # until the first worker is started
        self._run: _Run | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._loop, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start working, after tidying up behind jobs that a dead backend left."""
        for record in self.jobs.interrupted:
            self._footprint(record).remove_unfinished()
        self._inbox.put(self._warm_up)
        self._thread.start()

    def stop(self) -> None:
        """Kill the worker; a running job is interrupted. Returns when all is written down."""
        if self._thread.is_alive():
            self._do(self._shut_down)
            self._thread.join()

    def kill_worker(self) -> None:
        """From any thread, at once: for a process that has no time to say good-bye."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    @property
    def worker_state(self) -> str:
        """``off | starting | ready | busy``."""
        if self._worker is None:
            return "starting" if self._warming else "off"
        if self._run is not None:
            return "busy"
        return "ready" if self._ready else "starting"

    @property
    def worker_pid(self) -> int:
        """Process id of the worker, 0 without one."""
        worker = self._worker
        return worker.pid if worker else 0

    def submit(self, submission: JobSubmission) -> JobRecord:
        """Queue a job whose mistakes, as far as they show at once, are refused.

        Raises:
            ProtocolError, NirLoraError: See :func:`~nirlora.jobs.kinds.checked_request`.
        """
        request = checked_request(submission.kind, submission.request)
        title = submission.title or title_of(submission.kind, request)
        return self._do(lambda: self.jobs.add(submission.kind, submission.request, title))

    def resume(self, job_id: str) -> JobRecord:
        """Queue a job again that did not end well; a training goes on from its checkpoint.

        Raises:
            UnknownJob, JobRunning: There is none, or it is not over.
            JobFinished: It has its result already.
        """
        record = self.jobs.get(job_id)
        if record.state == "done":
            raise JobFinished(f"The job {job_id} is done.", hint="Submit a new one to run it again.")
        if not is_finished(record):
            raise JobRunning(f"The job {job_id} is {record.state}.", hint="Wait for its end, or cancel it.")
        request = record.request | ({"resume": True} if job_kind(record.kind).resumable else {})
        return self.submit(JobSubmission(record.kind, request, record.title))

    def cancel(self, job_id: str, *, keep: bool = False) -> JobRecord:
        """Stop a job: at once if it is queued, else within two seconds.

        Args:
            job_id: Which.
            keep: Let a training finish its step and write the best model so far.

        Raises:
            UnknownJob, JobFinished: There is nothing to cancel.
            OptionError: Something else than a training was to be kept.
        """
        return self._do(lambda: self._cancel(job_id, keep))

    def remove(self, job_id: str) -> None:
        """Forget a finished job.

        Raises:
            UnknownJob, JobRunning: There is none, or it is not over.
        """
        self._do(lambda: self.jobs.remove(job_id))

    def ask(self, name: str, argument: Any) -> dict[str, Any]:
        """Ask the worker, starting it if needed; see ``questions.py``. Answers come while a job runs, too.

        Raises:
            NirLoraError: What the worker raised; WorkerDied if it ended twice over the question.
        """
        try:
            return self._do(lambda: self._ask(name, argument)).result()
        except WorkerDied:  # perhaps killed for the sake of a cancelled job
            return self._do(lambda: self._ask(name, argument)).result()

    # ---- All below runs in the supervisor's thread.

    def _loop(self) -> None:
        while not self._stopped:
            try:
                self._inbox.get(timeout=self._patience_s())()
            except queue.Empty:
                pass
            except Exception:  # noqa: BLE001 - the next action must be done all the same
                _log.exception("an action failed")
            self._kill_if_late()
            self._start_next()

    def _patience_s(self) -> float | None:
        if self._run is None:
            return _TRY_AGAIN_S if self.jobs.queued() else None
        if self._run.kill_at is None:
            return None
        return max(0.0, self._run.kill_at - time.monotonic())

    def _do(self, action: Callable[[], T]) -> T:
        """Have the supervisor's thread do something, and wait for it."""
        done: Future[T] = Future()

        def attempt() -> None:
            try:
                done.set_result(action())
            except Exception as error:  # noqa: BLE001 - it is raised where the action came from
                done.set_exception(error)

        self._inbox.put(attempt)
        return done.result()

    def _start_next(self) -> None:
        waiting = self.jobs.queued()
        if self._stopped or self._run is not None or not waiting or not self._device_lock.take():
            return
        record = waiting[0]
        worker = self._worker or self._start_worker()
        text = "" if self._ready else "starting the process that computes"
        record = self.jobs.move(record.id, "running", progress=Progress("prepare", 0.0, text))
        self._run = _Run(record.id, self._footprint(record))
        worker.send({"do": "run", "id": record.id, "kind": record.kind, "request": record.request})

    def _warm_up(self) -> None:
        if self._warm and self._worker is None:
            self._start_worker()
        self._warming = False

    def _start_worker(self) -> WorkerProcess:
        self._ready = False
        self._worker = WorkerProcess(
            self._temporary,
            lambda worker, message: self._inbox.put(lambda: self._heard(worker, message)),
            lambda worker, status: self._inbox.put(lambda: self._ended(worker, status)),
        )
        _log.info("worker %d started", self._worker.pid)
        return self._worker

    def _cancel(self, job_id: str, keep: bool) -> JobRecord:
        record = self.jobs.get(job_id)
        if is_finished(record):
            raise JobFinished(
                f"The job {job_id} is {record.state} already.", hint="Nothing is to be cancelled."
            )
        if keep and not job_kind(record.kind).resumable:
            raise OptionError(f"A {record.kind} job such as {job_id} has nothing to keep half-way.")
        if record.state == "queued":
            return self.jobs.move(job_id, "cancelled")
        run, worker = self._run, self._worker
        if run is None or worker is None or run.id != job_id:
            raise RuntimeError(f"job {job_id} is running, but not here")
        worker.send({"do": "cancel", "id": job_id, "keep": keep})
        if not keep and run.kill_at is None:
            run.kill_at = time.monotonic() + GRACE_S
        return self.jobs.put(replace(record, progress=replace(record.progress, message="stopping")))

    def _ask(self, name: str, argument: Any) -> Future[dict[str, Any]]:
        worker = self._worker or self._start_worker()
        question = secrets.token_hex(8)
        answer: Future[dict[str, Any]] = Future()
        self._questions[question] = answer
        worker.send({"do": "ask", "id": question, "name": name, "argument": argument})
        return answer

    def _heard(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        """Take a message of the worker; what a killed one still said is not heard."""
        if worker is not self._worker:
            return
        what, sender = message["what"], message["id"]
        if what == "ready":
            self._ready, self.device = True, message["device"]
        elif sender in self._questions:
            answer = self._questions.pop(sender)
            if what == "answer":
                answer.set_result(message["result"])
            else:
                answer.set_exception(_raised(self._error(message)))
        elif self._run is not None and sender == self._run.id:
            self._heard_of_job(self._run, what, message)

    def _heard_of_job(self, run: _Run, what: str, message: dict[str, Any]) -> None:
        if what == "progress":
            if run.kill_at is None:
                self.jobs.advance(run.id, from_dict(Progress, message["progress"]))
        elif what == "changed":
            self.jobs.put(replace(self.jobs.get(run.id), request=message["request"]))
        elif what == "done":
            result = message["result"]
            self._finish("done", result=result, warnings=tuple(result.get("warnings", ())))
        elif what == "cancelled":
            self._finish("cancelled")
        else:
            self._finish("failed", error=self._error(message))

    def _ended(self, worker: WorkerProcess, status: int) -> None:
        """A worker is gone, and was not killed by us."""
        if worker is not self._worker:
            return
        _log.error("worker %d ended with %d", worker.pid, status)
        was_ready = self._ready
        self._forget_worker()
        error = self._death(status, worker.last_words)
        for answer in self._take_questions():
            answer.set_exception(_raised(error))
        if self._run is not None:
            self._finish("cancelled") if self._run.kill_at else self._finish("failed", error=error)
        if was_ready:  # one that cannot even start is tried again by the next job
            self._warm_up()

    def _kill_if_late(self) -> None:
        run = self._run
        if run is None or run.kill_at is None or time.monotonic() < run.kill_at:
            return
        worker = self._worker
        if worker is not None:
            _log.info("job %s did not stop by itself; worker %d is killed", run.id, worker.pid)
            worker.kill()
        self._forget_worker()
        self._finish("cancelled")
        for answer in self._take_questions():
            answer.set_exception(WorkerDied("The process that computes was stopped.", hint="Ask again."))
        self._warm_up()

    def _finish(self, state: str, **changes: Any) -> None:
        """The running job has come to its end; tidy up, and let others have the device."""
        run = self._run
        if run is None:
            raise RuntimeError("no job runs")
        if state == "cancelled":
            run.footprint.remove_made()
        elif state != "done":
            run.footprint.remove_unfinished()
        self._run = None
        self._device_lock.release()
        record = self.jobs.move(run.id, state, **changes)
        _log.info("job %s (%s) is %s", record.id, record.title, state)

    def _shut_down(self) -> None:
        worker = self._worker
        if worker is not None:
            worker.kill()
        self._forget_worker()
        if self._run is not None:
            self._finish("interrupted")
        for answer in self._take_questions():
            answer.set_exception(WorkerDied("The backend is shutting down."))
        self._stopped = True

    def _forget_worker(self) -> None:
        self._worker, self._ready = None, False
        for left in self._temporary.iterdir():
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    def _take_questions(self) -> list[Future[dict[str, Any]]]:
        questions, self._questions = list(self._questions.values()), {}
        return questions

    def _footprint(self, record: JobRecord) -> Footprint:
        kind = job_kind(record.kind)
        try:
            return Footprint(kind.outputs(from_dict(kind.request, record.request)))
        except NirLoraError as error:  # what the job will say itself
            _log.info("outputs of job %s are not known: %s", record.id, error)
            return Footprint(Outputs())

    def _error(self, message: dict[str, Any]) -> ErrorInfo:
        error = from_dict(ErrorInfo, message["error"])
        if error.code == "internal":
            return replace(error, hint=f"This is a fault of the program. Details are in {self._log_path}.")
        return error

    def _death(self, status: int, last_words: str) -> ErrorInfo:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        hint = "Perhaps the memory was full: close other programs, or use smaller tiles or batches."
        if not self.device and last_words:
            hint = f"The installation may be damaged: {last_words}."
        return ErrorInfo(
            WorkerDied.code,
            f"The process that computes {how} in the middle of its work.",
            f"{hint} Details are in {self._log_path}.",
        )


def _raised(error: ErrorInfo) -> Exception:
    """The error to raise where a question came from; it keeps the code that it had in the worker."""
    kind: type[NirLoraError] = WorkerDied if error.code == WorkerDied.code else NirLoraError
    return kind(error.message, hint=error.hint, code=error.code)
