"""The line about the backend: is it installed, is it up, on what device. Starts it, also when it ended."""

from __future__ import annotations

import threading
from typing import Callable

from qgis.PyQt.QtCore import QObject, QTimer

from nir_lora_plugin.backend_process.manager import manager
from nir_lora_plugin.backend_process.state import BackendState
from nir_lora_plugin.protocol import ErrorInfo, Health
from nir_lora_plugin.ui import text
from nir_lora_plugin.ui.dock import NirLoraDock
from nir_lora_plugin.ui.setup_panel import SetupPanel

from .session import Session, call

_LOOK_MS = 1000
_HERE = (BackendState.READY, BackendState.RUNNING)


class BackendFlow(QObject):
    """Ties the backend's state to the session and the dock."""

    def __init__(self, session: Session, dock: NirLoraDock) -> None:
        super().__init__(session)
        self._session, self._dock = session, dock
        self._phase = "off"  # off | starting | loading (torch, in the worker) | ready
        self._asking = False
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)
        dock.shown.connect(self._on_shown)
        dock.setup_wanted.connect(self._toggle_setup)
        dock.stop_wanted.connect(self._stop)
        session.backend_lost.connect(self.start)

    def start(self) -> None:
        """Have the backend running, and say so to everyone once it answers."""
        state, _ = manager().state()
        self._session.backend = state in _HERE
        if not self._session.backend:
            self._dock.show_status("off", self.tr("The backend is not set up"))
            self._show_setup()
            self._session.changed.emit()
            return
        if self._phase == "starting":
            return
        self._phase, self._session.stopped = "starting", False
        self._dock.show_status("starting", self.tr("The backend is starting …"))
        self._ask(self._on_started)

    def _on_shown(self, visible: bool) -> None:
        if not visible:
            self._timer.stop()
            return
        self._timer.start()
        if not self._session.backend or not manager().is_running:
            self.start()

    def _on_started(self, health: Health) -> None:
        self._show_health(health)
        self._session.backend_ready.emit()
        self._session.changed.emit()

    def _on_failed(self, error: ErrorInfo) -> None:
        self._asking = False
        if self._session.stopped:  # while it was asked
            self._show_off()
            return
        self._phase = "off"
        self._dock.show_status("error", error.message)
        self._session.messages.error(error)

    def _show_health(self, health: Health) -> None:
        self._asking = False
        self._phase = "ready" if health.device else "loading"
        words = (
            self.tr("Ready on {}").format(text.device(health.device))
            if health.device
            else self.tr("Loading networks …")
        )
        self._dock.show_status("ready" if health.device else "starting", words)

    def _ask(self, answered: Callable[[Health], None]) -> None:
        self._asking = True
        title = self.tr("Starting NIR-LoRA")
        call(self, title, lambda client: client.health(), answered, self._on_failed)

    def _look(self) -> None:
        """See whether the backend has gone, or come by another way (a Processing algorithm)."""
        if self._asking:
            return
        running = manager().is_running
        if running and self._phase == "off":
            self.start()
        elif running and self._phase == "loading":
            self._ask(self._show_health)
        elif not running and self._phase in ("loading", "ready"):
            self._show_off()

    def _show_off(self) -> None:
        self._phase = "off"
        self._dock.show_status("off", self.tr("Not running; the next action starts it"))

    def _stop(self) -> None:
        self._session.stopped = True
        threading.Thread(target=manager().stop, daemon=True).start()  # it may take a few seconds

    def _show_setup(self) -> None:
        if not self._dock.has_setup():
            panel = SetupPanel()
            panel.ready.connect(self._on_set_up)
            self._dock.show_setup(panel)

    def _toggle_setup(self) -> None:
        if self._dock.has_setup():
            self._dock.show_setup(None)
        else:
            self._show_setup()

    def _on_set_up(self) -> None:
        self._dock.show_setup(None)
        self.start()
