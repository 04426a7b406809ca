"""What a running job shows on stderr: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from nirlora.protocol import Progress

_STEP = 0.05  # of the whole job between two plain lines


class PlainReporter:
    """One line per stage, epoch and 5 %; for logs, so without bars, colours or time stamps."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._started = time.monotonic()
        self._last: tuple[str, float | None] = ("", None)
        self._next = self._fraction = 0.0

    def __enter__(self) -> PlainReporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        pass

    def __call__(self, progress: Progress) -> None:
        """Print the message if it says something new."""
        key = (progress.stage, progress.metrics.get("epoch"))
        if key == self._last and progress.fraction < self._next:
            return
        if progress.fraction < self._fraction:  # the next job of the same command
            self._started = time.monotonic()
        self._last, self._fraction = key, progress.fraction
        self._next = (int(progress.fraction / _STEP + 1e-9) + 1) * _STEP
        line = f"{progress.stage} {progress.fraction:4.0%}"
        details = describe(progress, self._started)
        print(f"{line}  {details}" if details else line, file=self._stream, flush=True)


class BarReporter:
    """A rich progress bar."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        self._started = time.monotonic()
        self._bars = Bars(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("{task.fields[details]}", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._bars.add_task("starting", total=1.0, details="")

    def __enter__(self) -> BarReporter:
        return self  # starts with the first message: quick commands show no bar

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Redraw the bar."""
        self._bars.start()
        if progress.fraction < self._bars.tasks[0].completed:  # the next job of the same command
            self._started = time.monotonic()
        self._bars.update(
            self._task,
            description=progress.stage,
            completed=progress.fraction,
            details=describe(progress, self._started),
        )


def reporter() -> PlainReporter | BarReporter:
    """The reporter that suits stderr."""
    return BarReporter() if sys.stderr.isatty() else PlainReporter()


def describe(progress: Progress, started: float | None = None) -> str:
    """Message, loss, validation IoU, speed and time left, as far as they are known.

    Args:
        progress: The message.
        started: ``time.monotonic()`` at the job's start, to estimate the time left when the job does not.
    """
    metrics, facts = progress.metrics, [progress.message] if progress.message else []
    if "loss" in metrics:
        facts.append(f"loss {metrics['loss']:.3f}")
    if "miou" in metrics:
        best = f" (best {metrics['best_miou']:.3f})" if "best_miou" in metrics else ""
        facts.append(f"val mIoU {metrics['miou']:.3f}{best}")
    if "accuracy" in metrics:
        facts.append(f"val accuracy {metrics['accuracy']:.3f}")
    if "px_per_s" in metrics:
        facts.append(speed(metrics["px_per_s"]))
    left = progress.eta_s
    if left is None and started is not None and 0.02 <= progress.fraction < 1:
        left = (time.monotonic() - started) / progress.fraction * (1 - progress.fraction)
    if left is not None and progress.fraction < 1:
        facts.append(f"ETA {duration(left)}")
    return " · ".join(facts)


def speed(px_per_s: float) -> str:
    """Pixels per second for people: ``3.2 Mpx/s``."""
    for factor, unit in ((1e6, "Mpx/s"), (1e3, "kpx/s")):
        if px_per_s >= factor:
            return f"{px_per_s / factor:.1f} {unit}"
    return f"{px_per_s:.0f} px/s"


def duration(seconds: float) -> str:
    """Seconds for people: ``42 s``, ``3:07 min`` or ``2:05 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
