"""The process that owns torch and the device: ``python -m nirlora.jobs.worker``.

It reads messages from stdin and writes messages to stdout, one JSON object a line (see ``lines.py``):

    run id kind request        -> ready device | progress id progress | changed id request
    cancel id keep                done id result | cancelled id | failed id error
    ask id name argument       -> answer id result | failed id error

One job at a time, in the main thread; questions are answered meanwhile. It ends with its stdin.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

from nirlora.errors import JobCancelled, NirLoraError
from nirlora.jobs.lines import decode, encode
from nirlora.protocol import ErrorInfo, Progress, ProtocolError, to_dict

_LEAST_S = 0.05  # between two messages of one stage


class Worker:
    """Runs what it is told, and tells.

    Args:
        out: Where messages go.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._writing = out, threading.Lock()
        self._jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._wishes: dict[str, bool] = {}  # job -> keep, of those to be cancelled
        self._loaded = threading.Event()  # torch and what stands on it

    def listen(self, lines: BinaryIO) -> None:
        """Take messages until there are no more; then the backend is gone, and so is this process."""
        for line in lines:
            message = decode(line)
            if message["do"] == "cancel":
                self._wishes[message["id"]] = message["keep"]
            else:
                (self._questions if message["do"] == "ask" else self._jobs).put(message)
        os._exit(0)  # at once, whatever the main thread computes

    def answer_questions(self) -> None:
        """Answer what is asked, for ever."""
        from nirlora.jobs.questions import answer

        self._loaded.wait()  # two threads that import torch's libraries at once get in each other's way
        while True:
            asked = self._questions.get()

            def reply(asked: dict[str, Any] = asked) -> None:
                self._tell("answer", asked["id"], result=answer(asked["name"], asked["argument"]))

            self._guard(asked["id"], reply)

    def run_jobs(self) -> None:
        """Import what is slow to import, say so, and run jobs for ever."""
        from nirlora.inference.devices import describe_device, resolve_device
        from nirlora.jobs.execute import Reporter, execute
        from nirlora.jobs.warm import WarmModel

        warm = WarmModel()
        self._loaded.set()
        self._tell("ready", device=describe_device(resolve_device("auto")))
        while True:
            job = self._jobs.get()

            def run(job: dict[str, Any] = job) -> None:
                report = Reporter(
                    self._progress_of(job["id"]), lambda data: self._tell("changed", job["id"], request=data)
                )
                result = execute(job["kind"], job["request"], report, warm)
                self._tell("done", job["id"], result=result)

            self._guard(job["id"], run)
            self._wishes.pop(job["id"], None)

    def _progress_of(self, job_id: str) -> Callable[[Progress], None]:
        """The callback of a job: says where it is, and stops it when that is wished."""
        last = ("", float("-inf"))

        def progress(message: Progress) -> None:
            nonlocal last
            now = time.monotonic()
            if message.stage != last[0] or now - last[1] >= _LEAST_S:
                last = message.stage, now
                self._tell("progress", job_id, progress=_progress_json(message))
            keep = self._wishes.pop(job_id, None)
            if keep is not None:
                raise JobCancelled(keep=keep)

        return progress

    def _guard(self, id: str, work: Callable[[], None]) -> None:
        """Do ``work``; however it fails, the backend is told and this process goes on."""
        try:
            work()
        except JobCancelled:
            self._tell("cancelled", id)
        except NirLoraError as error:
            self._fail(id, ErrorInfo(error.code, error.message, error.hint))
        except ProtocolError as error:
            self._fail(id, ErrorInfo("bad_request", str(error)))
        except MemoryError as error:
            text = str(error) or "The machine ran out of memory."
            self._fail(id, ErrorInfo("device", text, "Use smaller tiles or batches."))
        except Exception as error:  # noqa: BLE001 - a fault of the program must not end the worker
            traceback.print_exc()
            self._fail(id, ErrorInfo("internal", f"{type(error).__name__}: {error}"))

    def _fail(self, id: str, error: ErrorInfo) -> None:
        self._tell("failed", id, error=to_dict(error))

    def _tell(self, what: str, id: str = "", **values: Any) -> None:
        with self._writing:
            self._out.write(encode({"what": what, "id": id, **values}))
            self._out.flush()


def _progress_json(message: Progress) -> dict[str, Any]:
    """Without the numbers that are none, which JSON has no word for."""
    values = to_dict(message)
    values["metrics"] = {k: v for k, v in message.metrics.items() if math.isfinite(v)}
    return values


def main() -> None:
    """Serve the backend at the other end of stdin and stdout."""
    # Threads that wait by spinning slow torch down as soon as another program wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.simplefilter("ignore")  # those of libraries; results carry their own
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not look like a message
    sys.stdout = sys.stderr
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
    worker = Worker(out)
    for job in (lambda: worker.listen(sys.stdin.buffer), worker.answer_questions):
        threading.Thread(target=job, daemon=True).start()
    try:
        worker.run_jobs()
    except BaseException:  # noqa: BLE001 - torch cannot be loaded, say
        # Not sys.exit: a thread that reads stdin makes Python abort.
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    main()
