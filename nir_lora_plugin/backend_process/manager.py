"""The one backend of this QGIS: which Python, is it there, start it, start it again."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Optional, Tuple

from nir_lora_plugin import paths
from nir_lora_plugin.client import Client
from nir_lora_plugin.errors import BackendGone, SetupError
from nir_lora_plugin.translation import translate

from .home import Home, find_home
from .launcher import Backend
from .state import BackendState, read_state

_tr = partial(translate, "Setup")


@dataclass(frozen=True)
class Choice:
    """What the user chose. ``home`` and ``python`` are paths, "" for the default."""

    home: str = ""
    python: str = ""


class BackendManager:
    """Owns the backend process; any thread may call.

    Args:
        choice: Asked at every turn, so that a changed setting takes effect at the next start.
    """

    def __init__(self, choice: Callable[[], Choice]) -> None:
        self._choice = choice
        self._lock = threading.Lock()
        self._backend: Optional[Backend] = None
        self._client: Optional[Client] = None
        self._closed = False
        self.stops = 0
        """How often it was stopped by hand; see :meth:`client`."""

    @property
    def home(self) -> Home:
        """The folder of the own environment, the state and the logs."""
        return find_home(self._choice().home)

    @property
    def foreign_python(self) -> Optional[Path]:
        """A Python that is used instead of the own environment (NIRLORA_PYTHON, or the user's choice)."""
        named = os.environ.get("NIRLORA_PYTHON") or self._choice().python
        return Path(named) if named else None

    @property
    def is_running(self) -> bool:
        """Whether the backend process lives; never blocks."""
        backend = self._backend
        return backend is not None and backend.is_running

    @property
    def log_path(self) -> Path:
        """What the backend prints."""
        return Backend(Path(), self.home.state).log_path

    def state(self) -> Tuple[BackendState, str]:
        """The state and a sentence about it; reads a few small files and never blocks."""
        if self.is_running:
            backend = self._backend
            version = backend.handshake.version if backend and backend.handshake else ""
            running = _tr("Version {} is running.").format(version)
            return BackendState.RUNNING, running if version else _tr("It is starting.")
        python = self.foreign_python
        if python is None:
            return read_state(self.home.root, paths.plugin_version(), paths.wheel_sha256())
        if python.is_file():
            return BackendState.READY, _tr("Uses {}.").format(python)
        return BackendState.BROKEN, _not_there(python)

    def python(self) -> Path:
        """The Python that runs the backend.

        Raises:
            SetupError: None is installed, or not wholly.
        """
        python = self.foreign_python
        if python is None:
            state, detail = read_state(self.home.root, paths.plugin_version(), paths.wheel_sha256())
            if state is not BackendState.READY:
                hint = _tr("Open the NIR-LoRA dock: its set-up installs, repairs and updates the backend.")
                raise SetupError(detail, hint=hint, code=state.name.lower())
            return self.home.python
        if not python.is_file():
            raise SetupError(
                _not_there(python),
                hint=_tr("Choose another one in the set-up panel, or install the plugin's own."),
                code="no_python",
            )
        return python

    def client(self, stops: Optional[int] = None) -> Client:
        """A client of the running backend, which is started if it does not run (any more).

        Blocks while it starts, so it is not for the main thread, qgis_process excepted.

        Args:
            stops: ``self.stops`` when the wish arose: one that waited while the backend was stopped by hand
                does not start it again. None: it is started in any case.

        Raises:
            SetupError: No backend is installed.
            BackendGone: It does not start, or not any more.
        """
        with self._lock:
            if self._client is None or not self.is_running:
                if stops is not None and stops != self.stops:
                    raise BackendGone(_tr("The backend was stopped."), code="backend_stopped")
                python, state_dir = self.python(), self.home.state
                self._client = None
                backend = self._backend = Backend(python, state_dir)
                if self._closed:  # also by another thread, just now
                    raise BackendGone(_tr("The plugin was unloaded."), code="backend_stopped")
                self._client = backend.start()
            return self._client

    def stop(self) -> None:
        """End the backend, also one that is just starting. A later ``client`` starts a new one."""
        self.stops += 1
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.stop()

    def close(self) -> None:
        """End the backend for good: threads that are still under way must not start another."""
        self._closed = True
        self.stop()


def _not_there(python: Path) -> str:
    return _tr("The chosen Python is not there: {}.").format(python)


_manager: Optional[BackendManager] = None


def manager() -> BackendManager:
    """The one manager of this QGIS."""
    global _manager
    if _manager is None:
        _manager = BackendManager(_choice_from_settings)
    return _manager


def _choice_from_settings() -> Choice:
    from nir_lora_plugin.settings import Settings  # the rest of this file needs no QGIS

    return Choice(home=Settings.HOME.get(), python=Settings.PYTHON.get())
