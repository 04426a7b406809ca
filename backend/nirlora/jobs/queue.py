"""All jobs of this backend: in memory for reading, on the disk for surviving."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from nirlora.errors import JobRunning, UnknownJob
from nirlora.jobs.states import advanced, is_finished, moved
from nirlora.jobs.store import JobStore
from nirlora.protocol import JobRecord, Progress

_KEPT = 200  # finished jobs that are remembered
_SAVE_EVERY_S = 1.0  # progress on the disk; every change of state goes there at once


class JobQueue:
    """Records in the order of their submission. One thread changes them, any may read.

    Jobs that were running when their backend ended are ``interrupted`` from here on.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._records: dict[str, JobRecord] = {}
        self._saved_s = 0.0
        self.interrupted: list[JobRecord] = []
        for record in store.adopt():
            self._records[record.id] = record
            if record.state == "running":
                self.interrupted.append(self.move(record.id, "interrupted"))
        self._forget_old()

    def get(self, job_id: str) -> JobRecord:
        """The record of a job.

        Raises:
            UnknownJob: There is none.
        """
        try:
            return self._records[job_id]
        except KeyError:
            raise UnknownJob(
                f"There is no job {job_id!r}.", hint="It may have been removed from the list."
            ) from None

    def all(self) -> list[JobRecord]:
        """Every record, the newest first."""
        return list(self._records.values())[::-1]

    def queued(self) -> list[JobRecord]:
        """Those that wait, the next one first."""
        return [record for record in list(self._records.values()) if record.state == "queued"]

    def add(self, kind: str, request: Mapping[str, Any], title: str) -> JobRecord:
        """Put a new job at the end."""
        record = JobRecord(
            id=secrets.token_hex(8),
            kind=kind,
            state="queued",
            title=title,
            request=dict(request),
            created_s=time.time(),
        )
        return self.put(record)

    def move(self, job_id: str, state: str, **changes: Any) -> JobRecord:
        """Bring a job into its next state; see :func:`~nirlora.jobs.states.moved`."""
        return self.put(moved(self.get(job_id), state, **changes))

    def advance(self, job_id: str, progress: Progress) -> None:
        """Note what a running job says."""
        record = advanced(self.get(job_id), progress)
        self._records[job_id] = record
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self.put(record)

    def put(self, record: JobRecord) -> JobRecord:
        """Keep a record, in memory and on the disk."""
        self._store.save(record)
        self._saved_s = time.monotonic()
        self._records[record.id] = record
        return record

    def remove(self, job_id: str) -> None:
        """Forget a finished job.

        Raises:
            UnknownJob: There is none.
            JobRunning: It is not finished.
        """
        record = self.get(job_id)
        if not is_finished(record):
            raise JobRunning(f"The job {job_id} is {record.state}.", hint="Cancel it first.")
        self._store.remove(job_id)
        del self._records[job_id]

    def _forget_old(self) -> None:
        finished = [record.id for record in self._records.values() if is_finished(record)]
        for job_id in finished[:-_KEPT]:
            self.remove(job_id)
