"""Run a program, line by line, so that it can be stopped at any time."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Callable, Deque, Mapping, Optional, Sequence, cast

from nir_lora_plugin.errors import Cancelled
from nir_lora_plugin.translation import translate

from .environment import popen_options

_tr = partial(translate, "Setup")

_KEPT_LINES = 400


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit code (-1: it could not be started) and its last lines."""

    code: int
    output: str

    @property
    def last_json(self) -> str:
        """The last line that is a JSON object, "" if there is none."""
        lines = (line for line in reversed(self.output.splitlines()) if line.startswith("{"))
        return next(lines, "")


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    on_line: Callable[[str], None] = lambda line: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    timeout_s: float = 0.0,
) -> Outcome:
    """Run ``command`` to its end; stdout and stderr come as one stream of lines.

    Args:
        timeout_s: Kill it after this time; 0: no limit.

    Raises:
        Cancelled: ``is_cancelled`` said so; the program and its children are gone.
    """
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=Path(sys.prefix).anchor,  # no folder of ours that could then not be removed
            **popen_options(),
        )
    except OSError as error:
        return Outcome(-1, f"{command[0]}: {error}")
    timer = threading.Timer(timeout_s, kill_tree, [process])
    timer.daemon = True
    if timeout_s:
        timer.start()
    lines: queue.Queue[Optional[str]] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    kept: Deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        while True:
            if is_cancelled():
                raise Cancelled(_tr("The installation was stopped."))
            try:
                line = lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line is None:
                return Outcome(process.wait(), "\n".join(kept))
            kept.append(line)
            on_line(line)
    finally:
        timer.cancel()
        if process.poll() is None:
            kill_tree(process)
            process.wait()


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that ``popen_options`` started, with its children."""
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, **popen_options())
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has just ended
        return


def _read(stream: Optional[IO[bytes]], lines: queue.Queue[Optional[str]]) -> None:
    """Put lines on the queue, None at the end; a carriage return ends a line too."""
    with cast(IO[bytes], stream) as source:
        for raw in source:
            for text in raw.decode("utf-8", "replace").replace("\r", "\n").splitlines():
                if text.strip():
                    lines.put(text.rstrip())
    lines.put(None)
