"""Small parts that every step uses: labels, buttons, notices, rows."""

from __future__ import annotations

from typing import Callable, List, Optional

from qgis.PyQt.QtCore import QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QWheelEvent
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .icons import icon

SPACING = 6


def column(parent: Optional[QWidget] = None, margin: int = 0) -> QVBoxLayout:
    """A vertical layout with the dock's spacing."""
    layout = QVBoxLayout(parent) if parent is not None else QVBoxLayout()
    layout.setContentsMargins(margin, margin, margin, margin)
    layout.setSpacing(SPACING)
    return layout


def row(*items: QWidget, stretch: bool = False) -> QHBoxLayout:
    """Widgets side by side; ``stretch`` keeps them to the left."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACING)
    for item in items:
        layout.addWidget(item)
    if stretch:
        layout.addStretch(1)
    return layout


def label(text: str = "", name: str = "", wrap: bool = True) -> QLabel:
    """A label; ``name`` picks its style: ``muted`` or ``missing``."""
    made = QLabel(text)
    made.setObjectName(name)
    made.setWordWrap(wrap)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if wrap:  # a long word (a path) must not widen the dock
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return made


def primary_button(text: str, icon_name: str = "") -> QPushButton:
    """The one button of a step that moves on."""
    made = QPushButton(text)
    made.setObjectName("primary")
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    if icon_name:
        made.setIcon(icon(icon_name))
        made.setIconSize(QSize(18, 18))
    return made


def button(text: str, icon_name: str = "", tip: str = "") -> QPushButton:
    """A plain push button."""
    made = QPushButton(text)
    made.setToolTip(tip)
    if icon_name:
        made.setIcon(icon(icon_name))
    return made


def tool_button(icon_name: str, tip: str, text: str = "", checkable: bool = False) -> QToolButton:
    """A small button with an icon, and a word beside it where ``text`` is given."""
    made = QToolButton()
    made.setIcon(icon(icon_name))
    made.setToolTip(tip)
    made.setCheckable(checkable)
    made.setAutoRaise(not text)
    if text:
        made.setText(text)
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    return made


def restyle(widget: QWidget, name: str, value: str) -> None:
    """Set the property that the style sheet looks at, and have it looked at again."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def clear(layout: QLayout) -> None:
    """Remove and delete every widget of ``layout``."""
    while layout.count():
        widget = layout.takeAt(0).widget()
        if widget is not None:
            widget.setParent(None)
            widget.deleteLater()


class QuietCombo(QComboBox):
    """A combo box that leaves the mouse wheel to the scroll area around it."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Pass it on."""
        event.ignore()


class Notice(QFrame):
    """One sentence that matters, in the colour of its ``level`` (a key of TINTS), with at most one remedy."""

    pressed = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self._text = label()
        self._button = QToolButton()
        self._button.clicked.connect(self.pressed)
        layout = column(self)
        layout.setContentsMargins(9, 6, 8, 6)
        layout.addWidget(self._text)
        layout.addLayout(row(self._button, stretch=True))
        self.hide()

    def show_text(self, text: str, level: str = "info", action: str = "") -> None:
        """Show ``text``, or nothing when it is empty."""
        restyle(self, "level", level)
        self._text.setText(text)
        self._button.setText(action)
        self._button.setVisible(bool(action))
        self.setVisible(bool(text))

    def text(self) -> str:
        """What is shown; empty when nothing is."""
        return self._text.text() if not self.isHidden() else ""


class Notices(QWidget):
    """A list of notices, replaced as a whole."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._layout = column(self)
        self.hide()

    def clear(self) -> None:
        """Show none."""
        clear(self._layout)
        self.hide()

    def add(
        self, text: str, level: str = "warning", action: str = "", do: Optional[Callable[[], None]] = None
    ) -> None:
        """Show one more."""
        notice = Notice()
        if do is not None:
            notice.pressed.connect(do)
        self._layout.addWidget(notice)
        notice.show_text(text, level, action)
        self.show()

    def texts(self) -> List[str]:
        """What is shown, in order."""
        notices = (self._layout.itemAt(i).widget() for i in range(self._layout.count()))
        return [notice.text() for notice in notices if isinstance(notice, Notice)]
