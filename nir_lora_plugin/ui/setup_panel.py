"""The backend's set-up: its state, one button to make it right, and what happens meanwhile."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Callable, Optional

from qgis.PyQt.QtCore import QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QApplication,
    QFileDialog,
    QMenu,
    QMessageBox,
    QPlainTextEdit,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from nir_lora_plugin.backend_process.manager import manager
from nir_lora_plugin.backend_process.state import BackendState
from nir_lora_plugin.errors import SetupError
from nir_lora_plugin.protocol import ErrorInfo
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.tasks import WorkTask

from . import setup_work
from .widgets import Notice, QuietCombo, button, column, label, primary_button, row, tool_button

_LOOK_MS = 2000
_LINES = 2000
_STEPS = 1000
_USABLE = (BackendState.READY, BackendState.RUNNING)
_FOLDER_NAME = "nirlora"


class SetupPanel(QWidget):
    """Shows the backend's state and changes it.

    ``ready`` is emitted when work started here, or an installation elsewhere, has left a usable backend.
    """

    ready = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._state: Optional[BackendState] = None
        self._task: Optional[WorkTask] = None
        self._build()
        self._timer = QTimer(self)  # another QGIS may be installing
        self._timer.timeout.connect(self._look)
        self._timer.start(_LOOK_MS)
        self.refresh()
        running = setup_work.current_work()
        if running is not None:
            self._follow(running)

    def refresh(self) -> None:
        """Read the state from the disk and show it."""
        self._state, detail = manager().state()
        level, headline, action = setup_work.state_words(self._state)
        self.notice.show_text(f"<b>{headline}</b><br>{escape(detail)}", level)
        busy = self._task is not None
        own = manager().foreign_python is None
        self.action_button.setText(action)
        self.action_button.setVisible(bool(action) and own and not busy)
        self.intro.setVisible(self._state is BackendState.NOT_INSTALLED and not busy)
        self.build_row.setVisible(bool(action) and own and not busy)
        self.folder_label.setText(self.tr("Folder: {}").format(manager().home.root))
        self.own_action.setVisible(bool(Settings.PYTHON.get()))
        self.test_action.setEnabled(self._state in _USABLE)
        self.again_action.setEnabled(own and self._state is not BackendState.INSTALLING)
        self.remove_action.setEnabled(own and self._state not in (BackendState.NOT_INSTALLED,))
        self.more_button.setEnabled(not busy)

    def install(self, fresh: bool = False) -> None:
        """Install, resume, repair or update: whichever the state asks for."""
        self._start(self.tr("Setting up NIR-LoRA"), partial(setup_work.install_work, fresh))

    def test(self) -> None:
        """Test the backend on its device."""
        self._start(self.tr("Testing the backend"), setup_work.test_work)

    def adopt(self, python: str) -> None:
        """Test a Python that has nirlora, and use it if it passes."""
        self._start(
            self.tr("Testing {}").format(python),
            partial(setup_work.adopt_work, Path(python)),
            partial(self._use, python),
        )

    def use_own(self) -> None:
        """Use the environment that the plugin installs again."""
        manager().stop()
        Settings.PYTHON.reset()
        self.refresh()

    def set_folder(self, folder: str) -> None:
        """Keep the backend in ``folder``: in one of its own inside it, unless it is empty or a backend's."""
        chosen = Path(folder)
        known = (chosen / "installed.json").exists() or (chosen / "incomplete.json").exists()
        if not known and any(chosen.iterdir()):
            chosen = chosen / _FOLDER_NAME
        manager().stop()
        Settings.HOME.set(str(chosen))
        self.refresh()

    def remove(self) -> None:
        """Remove the installed backend."""
        self._start(self.tr("Removing the backend"), setup_work.remove_work)

    def copy_diagnostics(self) -> None:
        """Gather the diagnostics and put them on the clipboard."""
        task = WorkTask(self.tr("NIR-LoRA diagnostics"), setup_work.diagnostics_work())
        self.copy_button.setEnabled(False)
        task.done.connect(self._on_diagnostics)
        task.failed.connect(self._on_failed)
        task.start()

    def cancel(self) -> None:
        """Stop what runs; an installation can be resumed."""
        if self._task is not None:
            self.cancel_button.setEnabled(False)
            self._task.cancel()

    def _build(self) -> None:
        self.notice = Notice()
        self.intro = label(
            self.tr(
                "Training and segmenting run in a Python of their own, outside QGIS. Installing it downloads "
                "1 to 3 GB once, more for a GPU than for a CPU. QGIS's own Python is not touched."
            )
        )
        self.action_button = primary_button("")
        self.action_button.clicked.connect(lambda: self.install())
        self.build_combo = QuietCombo()
        for key, words in (
            ("auto", self.tr("What fits this computer")),
            ("cuda", self.tr("NVIDIA GPU")),
            ("cpu", self.tr("CPU only (smaller)")),
        ):
            self.build_combo.addItem(words, key)
        self.build_combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.build_combo.setCurrentIndex(max(0, self.build_combo.findData(Settings.BUILD.get())))
        self.build_combo.currentIndexChanged.connect(self._on_build)
        self.build_row = QWidget()
        column(self.build_row).addLayout(row(label(self.tr("Build:"), wrap=False), self.build_combo))
        self._build_work()
        self.folder_label = label(name="muted")
        self.copy_button = button(self.tr("Copy diagnostics"), "copy")
        self.copy_button.clicked.connect(self.copy_diagnostics)
        self.more_button = tool_button("settings", self.tr("More"), self.tr("More"))
        self.more_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more_button.setMenu(self._menu())
        layout = column(self)
        for widget in (self.notice, self.intro, self.build_row, self.action_button, self.work_box):
            layout.addWidget(widget)
        layout.addWidget(self.outcome)
        layout.addWidget(self.folder_label)
        layout.addLayout(row(self.copy_button, self.more_button, stretch=True))
        layout.addStretch(1)

    def _build_work(self) -> None:
        self.bar = QProgressBar()
        self.bar.setObjectName("job")
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _STEPS)
        self.lines = QPlainTextEdit()
        self.lines.setReadOnly(True)
        self.lines.setMaximumBlockCount(_LINES)
        self.lines.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.lines.setFixedHeight(110)
        self.cancel_button = button(self.tr("Cancel"), tip=self.tr("Stop; it can be resumed later"))
        self.cancel_button.clicked.connect(self.cancel)
        self.work_box = QWidget()
        layout = column(self.work_box)
        for widget in (self.bar, self.lines, self.cancel_button):
            layout.addWidget(widget)
        self.work_box.hide()
        self.outcome = Notice()

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        self.test_action = menu.addAction(self.tr("Test the backend"), self.test)
        self.again_action = menu.addAction(self.tr("Install again"), lambda: self.install(fresh=True))
        self.remove_action = menu.addAction(self.tr("Remove the backend …"), self._ask_remove)
        menu.addSeparator()
        menu.addAction(self.tr("Another folder …"), self._ask_folder)
        menu.addAction(self.tr("Use another Python …"), self._ask_python)
        self.own_action = menu.addAction(self.tr("Use the plugin's own environment"), self.use_own)
        return menu

    def _start(
        self,
        title: str,
        prepare: Callable[[], Callable[..., Any]],
        then: Optional[Callable[[str], None]] = None,
    ) -> None:
        if self._task is not None:
            return
        self.outcome.show_text("")
        self.lines.clear()
        try:
            task = setup_work.start_work(title, prepare())
        except SetupError as error:
            self._show_error(error.info)
            return
        if then is not None:
            task.done.connect(then)
        self._follow(task)

    def _follow(self, task: WorkTask) -> None:
        self._task = task
        task.reported.connect(self._on_reported)
        task.done.connect(self._on_done)
        task.failed.connect(self._on_failed)
        self.bar.setValue(0)
        self.cancel_button.setEnabled(True)
        self.work_box.show()
        self.refresh()

    def _on_reported(self, fraction: float, line: str) -> None:
        self.bar.setValue(round(_STEPS * fraction))
        if line:
            self.lines.appendPlainText(line)

    def _on_done(self, words: str) -> None:
        self._end()
        several = "\n" in words
        self.outcome.show_text(words, "warning" if several else "good")
        if self._state in _USABLE:
            self.ready.emit()

    def _on_failed(self, error: ErrorInfo) -> None:
        self._end()
        self._show_error(error)

    def _end(self) -> None:
        self._task = None
        self.work_box.hide()
        self.copy_button.setEnabled(True)
        self.refresh()

    def _show_error(self, error: ErrorInfo) -> None:
        level = "info" if error.code == "cancelled" else "error"
        self.outcome.show_text(f"{error.message}\n{error.hint}".strip(), level)

    def _use(self, python: str, _: str) -> None:
        manager().stop()
        Settings.PYTHON.set(python)

    def _on_diagnostics(self, text: str) -> None:
        QApplication.clipboard().setText(text)
        self.copy_button.setEnabled(True)
        self.outcome.show_text(self.tr("The diagnostics are on the clipboard."), "good")

    def _on_build(self, _: int) -> None:
        Settings.BUILD.set(self.build_combo.currentData())

    def _look(self) -> None:
        """See what another QGIS, or the backend itself, has changed."""
        if self._task is not None or not self.isVisible():
            return
        before = self._state
        self.refresh()
        if before is BackendState.INSTALLING and self._state in _USABLE:
            self.ready.emit()

    def _ask_remove(self) -> None:
        question = self.tr("Remove the backend from {}? Your models and maps stay.").format(
            manager().home.root
        )
        if QMessageBox.question(self, self.tr("NIR-LoRA"), question) == QMessageBox.StandardButton.Yes:
            self.remove()

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Folder for the backend"))
        if folder:
            self.set_folder(folder)

    def _ask_python(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, self.tr("A Python that has nirlora"))
        if path:
            self.adopt(path)
