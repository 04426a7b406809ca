"""A run of a comparison, seen from the comparison: started, listened to, ended."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from nirlora.errors import NirLoraError, WorkerDied
from nirlora.protocol import EvaluateRequest, TrainRequest, to_dict


def run_in_process(
    train: TrainRequest,
    tests: Sequence[EvaluateRequest],
    say: Callable[[str, float, str], None],
) -> dict[str, Any]:
    """Train and score in a new process; see :func:`nirlora.comparison.worker.run` for what it gives.

    Args:
        train: The training.
        tests: What to score its model on.
        say: Called with stage, fraction and message; what it raises ends the process.

    Raises:
        NirLoraError: The run failed.
        WorkerDied: The process ended without a result.
    """
    isolated = ["-I"] if sys.flags.isolated else []
    task = {"train": to_dict(train), "tests": [to_dict(test) for test in tests]}
    process = subprocess.Popen(
        [sys.executable, *isolated, "-m", "nirlora.comparison.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=sys.platform != "win32",  # Ctrl-C in a terminal is the comparison's affair
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    try:
        return _follow(process, task, say)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _follow(
    process: subprocess.Popen[str], task: dict[str, Any], say: Callable[[str, float, str], None]
) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise WorkerDied("A run could not be started.")
    with contextlib.suppress(BrokenPipeError):  # below is said why it ended
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
    for line in process.stdout:
        message = json.loads(line)
        if "result" in message:
            result: dict[str, Any] = message["result"]
            return result
        if "error" in message:
            error = message["error"]
            kind = _kinds().get(error["code"], NirLoraError)
            raise kind(error["message"], hint=error["hint"], code=error["code"])
        say(*message["progress"])
    status = process.wait()
    raise WorkerDied(
        f"A run of the comparison ended without a result (exit status {status}).",
        hint="Was it out of memory? Give the same command again: what is finished is kept.",
    )


def _kinds(base: type[NirLoraError] = NirLoraError) -> dict[str, type[NirLoraError]]:
    """Code to class of all expected errors."""
    found = {base.code: base}
    for kind in base.__subclasses__():
        found |= _kinds(kind)
    return found
