"""One step of the dock: a numbered header that opens and closes, and a body."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtCore import QRectF, QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qgis.PyQt.QtWidgets import QFrame, QSizePolicy, QVBoxLayout, QWidget

from .icons import icon
from .style import ACCENT, DONE, MUTED, WAITING
from .widgets import restyle

_COLORS = {"waiting": WAITING, "current": ACCENT, "done": DONE}
_BADGE_PX = 22


class StepHeader(QWidget):
    """Number (or a tick), title, one line of summary, and an arrow; painted, so that it never clips oddly."""

    clicked = pyqtSignal()

    def __init__(self, number: int, title: str, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._number, self._title = number, title
        self.summary, self.state, self.open = "", "waiting", False
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        """Two lines of text, or the badge."""
        return QSize(200, max(_BADGE_PX + 14, 2 * QFontMetrics(self.font()).height() + 12))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open or close."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space and Return do what a click does."""
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the whole header."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_badge(painter)
        left, right = 10 + _BADGE_PX + 10, self.width() - 28
        bold = self.font()
        bold.setBold(True)
        lines = QFontMetrics(bold)
        text_px = lines.height()
        top = (self.height() - text_px * (2 if self.summary else 1)) / 2
        painter.setFont(bold)
        plain = self.palette().windowText().color()
        painter.setPen(QColor(MUTED) if self.state == "waiting" else plain)
        painter.drawText(QRectF(left, top, right - left, text_px), Qt.AlignmentFlag.AlignVCenter, self._title)
        if self.summary:
            painter.setFont(self.font())
            painter.setPen(QColor(MUTED))
            shown = QFontMetrics(self.font()).elidedText(
                self.summary, Qt.TextElideMode.ElideRight, int(right - left)
            )
            painter.drawText(
                QRectF(left, top + text_px, right - left, text_px), Qt.AlignmentFlag.AlignVCenter, shown
            )
        self._paint_arrow(painter)

    def _paint_badge(self, painter: QPainter) -> None:
        circle = QRectF(10, (self.height() - _BADGE_PX) / 2, _BADGE_PX, _BADGE_PX)
        color = QColor(_COLORS[self.state])
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawEllipse(circle)
        painter.setPen(QPen(QColor("white"), 2))
        if self.state == "done":
            x, y = circle.left(), circle.top()
            painter.drawLine(int(x + 6), int(y + 11), int(x + 10), int(y + 15))
            painter.drawLine(int(x + 10), int(y + 15), int(x + 16), int(y + 7))
            return
        bold = self.font()
        bold.setBold(True)
        painter.setFont(bold)
        painter.drawText(circle, Qt.AlignmentFlag.AlignCenter, str(self._number))

    def _paint_arrow(self, painter: QPainter) -> None:
        x, y = self.width() - 18, self.height() // 2
        painter.setPen(QPen(QColor(MUTED), 1.6))
        if self.open:
            painter.drawLine(x - 4, y - 2, x, y + 2)
            painter.drawLine(x, y + 2, x + 4, y - 2)
        else:
            painter.drawLine(x - 2, y - 4, x + 2, y)
            painter.drawLine(x + 2, y, x - 2, y + 4)


class IconHeader(StepHeader):
    """The header of what is no step: an icon in place of the number."""

    def __init__(self, icon_name: str, title: str, parent: Optional[QWidget] = None) -> None:
        super().__init__(0, title, parent)
        self._icon = icon(icon_name)

    def _paint_badge(self, painter: QPainter) -> None:
        place = QRectF(10, (self.height() - _BADGE_PX) / 2, _BADGE_PX, _BADGE_PX)
        self._icon.paint(painter, place.toRect())


class StepCard(QFrame):
    """A step: ``waiting`` (something before it is missing), ``current`` or ``done``."""

    toggled = pyqtSignal(bool)  # by the user

    def __init__(self, header: StepHeader, body: QWidget, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("step")
        self.header = header
        self.body = body
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(body)
        self.header.clicked.connect(self._on_clicked)
        self.set_state("waiting")
        self.set_open(False)

    @property
    def state(self) -> str:
        """``waiting | current | done``."""
        return self.header.state

    def set_state(self, state: str) -> None:
        """Colour the step."""
        self.header.state = state
        restyle(self, "state", state)
        self.header.update()

    def set_summary(self, text: str) -> None:
        """The line under the title: what was chosen, or what is missing."""
        self.header.summary = text
        self.header.setToolTip(text)
        self.header.update()

    def is_open(self) -> bool:
        """Whether the body is shown."""
        return self.header.open

    def set_open(self, is_open: bool) -> None:
        """Show or hide the body."""
        self.header.open = is_open
        self.body.setVisible(is_open)
        self.header.update()

    def _on_clicked(self) -> None:
        self.set_open(not self.is_open())
        self.toggled.emit(self.is_open())
