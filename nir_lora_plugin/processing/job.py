"""One job of the backend, followed to its end by a thread that may wait. Qt-free."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Callable, Iterator

from nir_lora_plugin.client import Client, Request
from nir_lora_plugin.errors import BackendError, BackendGone, Cancelled, PluginError
from nir_lora_plugin.protocol import ErrorInfo, JobRecord

LOOK_S = 0.1  # how often somebody's wish to stop is looked for


def run_job(
    client: Client,
    kind: str,
    request: Request,
    title: str,
    seen: Callable[[JobRecord], None],
    is_cancelled: Callable[[], bool],
    breathe: Callable[[], None] = lambda: None,
) -> JobRecord:
    """Submit a job and wait; return it when it is done.

    Args:
        client: Of the running backend.
        kind: One of JOB_KINDS.
        request: What to do.
        title: For lists of jobs.
        seen: Called with the record at every change.
        is_cancelled: Asked ten times a second, in another thread; once True, the job is cancelled.
        breathe: Called in this thread at least every few seconds.

    Raises:
        Cancelled: It was stopped, here or in the list of jobs.
        PluginError: It failed or was refused, or the backend is gone.
    """
    record = client.submit(kind, request, title)
    seen(record)
    with _cancelling(client, record.id, is_cancelled):
        for change in client.events(record.id):
            breathe()
            if change is not None:
                record = change
                seen(record)
    if record.state == "done":
        return record
    if record.state == "cancelled":
        raise Cancelled()
    info = record.error or ErrorInfo(record.state, f"The job was {record.state}.")
    raise PluginError(info.message, hint=info.hint, code=info.code)


@contextmanager
def _cancelling(client: Client, job_id: str, is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """While inside, a thread of its own cancels the job when asked: events may be seconds apart."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            if is_cancelled():
                try:
                    client.cancel(job_id)
                except (BackendError, BackendGone):
                    return  # finished in the meantime, or gone: the stream of events says which
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
