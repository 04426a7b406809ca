"""The changes of a job as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from nirlora.errors import UnknownJob
from nirlora.jobs.queue import JobQueue
from nirlora.jobs.states import is_finished
from nirlora.protocol import JobRecord, to_dict

PING_S = 2.0
_LOOK_S = 0.05
_LEAST_S = 0.1  # between two events, except the last


async def job_events(jobs: JobQueue, job_id: str) -> AsyncIterator[str]:
    """``event: job`` at once and at every change until the final state, ``: ping`` in silence.

    Looking is cheap: a record is replaced, never changed, so a change is another object.
    """
    shown: JobRecord | None = None
    spoke = 0.0
    while True:
        try:
            record = jobs.get(job_id)
        except UnknownJob:  # removed while somebody watched
            return
        now = time.monotonic()
        if record is not shown and (is_finished(record) or now - spoke >= _LEAST_S):
            shown, spoke = record, now
            yield f"event: job\ndata: {json.dumps(to_dict(record))}\n\n"
            if is_finished(record):
                return
        elif now - spoke >= PING_S:
            spoke = now
            yield ": ping\n\n"
        await asyncio.sleep(_LOOK_S)
