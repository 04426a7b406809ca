"""Start, handshake, stop: one backend process. Qt-free."""

from __future__ import annotations

import atexit
import json
import secrets
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import IO, Optional, Sequence, cast

from nir_lora_plugin.client import Client
from nir_lora_plugin.errors import BackendGone
from nir_lora_plugin.protocol import PROTOCOL, Handshake, ProtocolError, from_dict
from nir_lora_plugin.translation import translate

from .environment import popen_options, scrubbed_environment
from .logs import rotate, tail

_tr = partial(translate, "Setup")

START_S = 60.0
STOP_S = 4.0
_SERVER = ("-I", "-m", "nirlora.server")


class Backend:
    """A backend process of this program; it ends when this program does, however that happens.

    Args:
        python: The Python that has ``nirlora``.
        state_dir: Folder of the job list and the logs.
        program: Arguments of ``python``.
        start_s: How long starting may take.
    """

    def __init__(
        self, python: Path, state_dir: Path, *, program: Sequence[str] = _SERVER, start_s: float = START_S
    ) -> None:
        self.python = python
        self.log_path = state_dir / "backend-stderr.log"
        self.handshake: Optional[Handshake] = None
        self._state_dir = state_dir
        self._program = tuple(program)
        self._start_s = start_s
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._stopped = False
        self._gave_up = False
        self._log_start = 0  # the log goes on from earlier runs

    @property
    def is_running(self) -> bool:
        """Whether the process lives; never blocks."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Client:
        """Start the process and wait until it listens. Blocks, usually for less than a second.

        Raises:
            BackendGone: It cannot be started, ends at once, or speaks another protocol; the message has the
                last lines of its log.
        """
        token = secrets.token_urlsafe(32)
        process = self._process = self._spawn()
        atexit.register(self.stop)
        if self._stopped:  # by another thread, before there was anything to stop
            self.stop()
        timer = threading.Timer(self._start_s, self._give_up)
        timer.daemon = True
        timer.start()
        line = _exchange(process, token)
        timer.cancel()
        threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
        try:
            self.handshake = self._checked(line)
        except BackendGone:
            self.stop()
            raise
        return Client(self.handshake.port, token, explain=self.last_words)

    def stop(self) -> None:
        """End the process: its stdin closes, and after a few seconds it is killed. May be called twice."""
        self._stopped = True
        atexit.unregister(self.stop)
        process = self._process
        if process is None:
            return
        _close(process.stdin)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_words(self) -> str:
        """How the process ended, with the last lines of its log; "" while it lives or when it was stopped."""
        process = self._process
        if process is None or self._stopped:
            return ""
        try:
            code = process.wait(0.5)  # its connections close a moment before it ends
        except subprocess.TimeoutExpired:
            return ""
        said = tail(self.log_path, 6, self._log_start)
        ended = _tr("It ended with {}.").format(_how(code))
        last = _tr("Its last words ({}):").format(self.log_path)
        return f"{ended} {last}\n{said}" if said else ended

    def _give_up(self) -> None:
        self._gave_up = True
        if self._process is not None:
            self._process.kill()

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = scrubbed_environment()
        environment["NIRLORA_STATE_DIR"] = str(self._state_dir)
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._log_start = rotate(self.log_path)
            with self.log_path.open("ab") as log:
                return subprocess.Popen(
                    [str(self.python), *self._program],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    cwd=self._state_dir,
                    **popen_options(),
                )
        except OSError as error:
            hint = _tr("Repair the backend in the set-up panel, or choose another Python there.")
            message = _tr("The backend cannot be started with {}: {}.")
            raise BackendGone(message.format(self.python, error), hint=hint, code="backend_start") from error

    def _checked(self, line: bytes) -> Handshake:
        """The handshake in ``line``; raises BackendGone if it is none that this plugin understands."""
        if not line and self._stopped:
            raise BackendGone(_tr("The backend was stopped while it started."), code="backend_stopped")
        if not line:
            late = _tr("It said nothing within {:.0f} s.").format(self._start_s)
            parts = [_tr("The backend did not start."), late if self._gave_up else ""]
            raise BackendGone(
                " ".join(filter(None, [*parts, self.last_words()])),
                hint=_tr("Repair the backend in the set-up panel; its diagnostics say more."),
                code="backend_start",
            )
        try:
            handshake = from_dict(Handshake, json.loads(line))
        except (ValueError, ProtocolError) as error:
            raise _mismatch(_tr("a handshake that cannot be read ({})").format(error)) from error
        if handshake.protocol != PROTOCOL:
            got = _tr("protocol {} (version {})")
            raise _mismatch(got.format(handshake.protocol, handshake.version))
        return handshake


def _exchange(process: subprocess.Popen[bytes], token: str) -> bytes:
    """Give the token, take the handshake line; b"" when the process is gone."""
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    try:
        stdin.write(json.dumps({"token": token}).encode() + b"\n")
        stdin.flush()
        return stdout.readline()
    except (OSError, ValueError):  # ended, or stopped by another thread
        return b""


def _mismatch(got: str) -> BackendGone:
    return BackendGone(
        _tr("The backend speaks {}; this plugin needs protocol {}.").format(got, PROTOCOL),
        hint=_tr("Update the backend in the set-up panel."),
        code="protocol_mismatch",
    )


def _how(code: int) -> str:
    words = _tr("signal {}") if code < 0 else _tr("exit code {}")
    return words.format(abs(code))


def _drain(stream: IO[bytes]) -> None:
    """Read on, so that a program that prints can never block; ends with the process."""
    with stream:
        while stream.read(4096):
            pass


def _close(stream: Optional[IO[bytes]]) -> None:
    """Close a pipe whose other end may be gone."""
    if stream is not None:
        try:
            stream.close()
        except OSError:
            return
