"""What stands before the button of a run: what is missing, what it would take, and what is wrong with it."""

from __future__ import annotations

from typing import Optional, Sequence

from qgis.PyQt.QtWidgets import QPushButton, QWidget

from nir_lora_plugin.protocol import ErrorInfo

from .problem import problem_text
from .widgets import Notices, label


class RunPanel(QWidget):
    """A panel with a button that starts a run."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.notices = Notices()
        self.estimate_label = label(name="muted")
        self.missing_label = label(name="missing")
        self._run_button: Optional[QPushButton] = None
        self.show_missing("")
        self.show_estimate("")

    def before_run(self, run_button: QPushButton) -> Sequence[QWidget]:
        """Notices, estimate, what is missing, and the button, from top to bottom."""
        self._run_button = run_button
        return self.notices, self.estimate_label, self.missing_label, run_button

    def show_missing(self, missing: str) -> None:
        """What has to be done first; empty when the button may be pressed."""
        self.missing_label.setText(missing)
        self.missing_label.setVisible(bool(missing))
        if self._run_button is not None:
            self._run_button.setEnabled(not missing)

    def show_estimate(self, words: str) -> None:
        """One line about what it would take."""
        self.estimate_label.setText(words)
        self.estimate_label.setVisible(bool(words))

    def show_problems(self, problems: Sequence[Sequence[str]]) -> None:
        """Show what the backend finds wrong, as (level, sentence)."""
        self.notices.clear()
        for level, sentence in problems:
            self.notices.add(sentence, level)

    def show_failed_plan(self, error: ErrorInfo) -> None:
        """Show why there is no estimate; that the backend is gone is said elsewhere."""
        self.show_estimate("")
        gone = error.code == "backend_gone"
        self.show_problems([] if gone else [("error", problem_text(error))])
