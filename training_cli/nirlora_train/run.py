"""From a command to an exit code: signals, output streams, errors.

Exit codes: 0 the result exists; 2 bad input; 130 stopped by the user with nothing written; 1 all else.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import typer

from nirlora.errors import (
    InputError,
    JobCancelled,
    MismatchError,
    ModelError,
    NirLoraError,
    OutputPathError,
)
from nirlora.protocol import Progress

from .console import reporter

T = TypeVar("T")
ProgressCallback = Callable[[Progress], None]

_CANCELLED = 130
_BAD_INPUT = (InputError, MismatchError, ModelError, OutputPathError)
# Click itself, or the copy of it that newer versions of Typer carry.
_CLICK_ERROR: type[Any] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


class Failure(Exception):  # noqa: N818 - carries an exit code, is not shown
    """A command has printed its result, and the result is bad news."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def run_app(app: typer.Typer, argv: list[str], name: str) -> int:
    """Run ``app`` on ``argv`` and return the exit code; every error becomes one line and a hint."""
    as_json, debug = "--json" in argv, "--debug" in argv
    try:
        code = app(argv, prog_name=name, standalone_mode=False)
        if code == _CANCELLED:  # newer versions of Typer turn KeyboardInterrupt into this
            raise KeyboardInterrupt
        return int(code or 0)
    except Failure as failure:
        return failure.exit_code
    except (JobCancelled, KeyboardInterrupt, typer.Abort):
        return _fail(_CANCELLED, "cancelled", "Stopped; nothing was written.", "", as_json=as_json)
    except NirLoraError as error:
        code = 2 if isinstance(error, _BAD_INPUT) else 1
        _traceback(debug)
        return _fail(code, error.code, error.message, error.hint, as_json=as_json)
    except _CLICK_ERROR as error:
        hint = f"{name} --help lists the options."
        return _fail(2, "usage", error.format_message(), hint, as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()  # else Python complains about stdout while it shuts down
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort: a user never sees a traceback unasked
        _traceback(debug)
        return _fail(1, "internal", f"{type(error).__name__}: {error}", _fault_hint(debug), as_json=as_json)


def execute(job: Callable[[ProgressCallback], T], *, debug: bool = False, silent: bool = False) -> T:
    """Run ``job`` with a progress display; Ctrl-C or SIGTERM asks it to stop at its next message.

    A ``silent`` job sends no messages: Ctrl-C stops it at once.

    Whatever the job or a library prints goes to stderr: stdout is for the result. Warnings of libraries
    are shown with ``debug`` only; the result carries the job's own.
    """
    stop = threading.Event()

    with (
        reporter() as show,
        contextlib.nullcontext() if silent else _stop_on_signal(stop),
        contextlib.redirect_stdout(sys.stderr),
        warnings.catch_warnings(),
    ):
        if not debug:
            warnings.simplefilter("ignore")

        def progress(message: Progress) -> None:
            show(message)
            if stop.is_set():
                stop.clear()  # once: a job that keeps what it has still reports while it writes
                raise JobCancelled

        return job(progress)


def note(text: str) -> None:
    """Print one line on stderr."""
    print(text, file=sys.stderr, flush=True)


def emit_json(value: Any) -> None:
    """Print ``value`` as one line of strict JSON; NaN and infinity become null."""
    print(json.dumps(_finite(value), allow_nan=False), flush=True)


@contextlib.contextmanager
def _stop_on_signal(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(signum: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("stopping after this step; again to stop at once", file=sys.stderr, flush=True)

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(exit_code: int, code: str, message: str, hint: str, *, as_json: bool) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr, flush=True)
    if as_json:
        emit_json({"error": {"code": code, "message": message, "hint": hint}})
    return exit_code


def _traceback(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _fault_hint(debug: bool) -> str:
    if debug:
        return "This is a fault of the program."
    with tempfile.NamedTemporaryFile(
        "w", prefix="nirlora-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"{' '.join(sys.argv)}\n{traceback.format_exc()}")
    return f"This is a fault of the program. Details are in {log.name}; --debug shows them."


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
