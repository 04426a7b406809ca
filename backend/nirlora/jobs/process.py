"""The worker process, seen from the backend: started, written to, listened to, killed."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nirlora.jobs.lines import decode, encode

_log = logging.getLogger("nirlora.worker")
_TAIL_LINES = 8


class WorkerProcess:
    """A running ``nirlora.jobs.worker``. What it prints on stderr goes to the log.

    Args:
        temporary: Its folder for temporary files.
        on_message: Called with every message, in a thread of its own.
        on_end: Called once with the exit status (negative: the signal that killed it) when it is gone.
    """

    def __init__(
        self,
        temporary: Path,
        on_message: Callable[[WorkerProcess, dict[str, Any]], None],
        on_end: Callable[[WorkerProcess, int], None],
    ) -> None:
        self._on_message, self._on_end = on_message, on_end
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        isolated = ["-I"] if sys.flags.isolated else []
        self._process = subprocess.Popen(
            [sys.executable, *isolated, "-m", "nirlora.jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
            start_new_session=sys.platform != "win32",  # Ctrl-C in a terminal is the backend's affair
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._errors = threading.Thread(target=self._log_errors, name="worker-log", daemon=True)
        self._errors.start()
        threading.Thread(target=self._listen, name="worker-messages", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The last lines it printed, for an error message."""
        return " | ".join(self._tail)

    def send(self, message: dict[str, Any]) -> None:
        """Give it a message. If it is gone, nothing happens: ``on_end`` tells."""
        stdin = self._process.stdin
        with contextlib.suppress(OSError, ValueError):
            if stdin is not None:
                stdin.write(encode(message))
                stdin.flush()

    def kill(self) -> None:
        """End it at once and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            try:
                message = decode(line)
            except ValueError:
                _log.warning("not a message: %r", line[:200])
                continue
            self._on_message(self, message)
        status = self._process.wait()
        self._errors.join(timeout=2)
        self._on_end(self, status)

    def _log_errors(self) -> None:
        for line in self._process.stderr or ():
            text = line.decode(errors="replace").rstrip()
            self._tail.append(text)
            _log.info("%s", text)
