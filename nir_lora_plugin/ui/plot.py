"""Loss and validation IoU of a training, painted as it runs."""

from __future__ import annotations

import math
from typing import Iterable, List, Optional, Tuple

from qgis.PyQt.QtCore import QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qgis.PyQt.QtWidgets import QSizePolicy, QWidget

from .style import IOU, LOSS, MUTED

MAX_POINTS = 600  # more than the plot has pixels; older points are thinned out beyond it
Point = Tuple[float, float]


class Curve:
    """Points with growing x, thinned to at most ``MAX_POINTS``."""

    def __init__(self) -> None:
        self.points: List[Point] = []

    def add(self, x: float, y: float) -> None:
        """Append a point; one that is no number is left out."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        self.points.append((x, y))
        if len(self.points) > MAX_POINTS:
            self.points = self.points[:-1:2] + self.points[-1:]

    def nearest(self, x: float) -> Optional[Point]:
        """The point closest to ``x``, None without points."""
        return min(self.points, key=lambda p: abs(p[0] - x), default=None)


def nice_ceiling(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten, for the top of an axis."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))


class TrainingPlot(QWidget):
    """Left axis: loss. Right axis: validation IoU, 0 to 1. Along x: share of the training that is done.

    Args:
        scored: Whether there is an IoU at all.
    """

    def __init__(self, scored: bool = True, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._scored = scored
        self.loss, self.iou = Curve(), Curve()
        self._hover: Optional[float] = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Loss and validation IoU") if scored else self.tr("loss"))

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(300, 150)

    def clear(self) -> None:
        """Forget both curves."""
        self.loss, self.iou, self._hover = Curve(), Curve(), None
        self.update()

    def add(self, fraction: float, loss: Optional[float], miou: Optional[float]) -> None:
        """Add what one progress message says; an IoU is a new point only when it changed."""
        if loss is not None:
            self.loss.add(fraction, loss)
        if miou is not None and (not self.iou.points or self.iou.points[-1][1] != miou):
            self.iou.add(fraction, miou)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the curves under the mouse."""
        position = event.position() if hasattr(event, "position") else event.localPos()
        frame = self._frame()
        share = (position.x() - frame.left()) / max(1.0, frame.width())
        self._hover = share if 0 <= share <= 1 else None
        self.update()

    def leaveEvent(self, event: object) -> None:
        """Stop reading."""
        self._hover = None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint axes, curves, legend."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() - 1))
        painter.setFont(font)
        frame, top = self._frame(), nice_ceiling(max((y for _, y in self.loss.points), default=1.0))
        self._paint_axes(painter, frame, top)
        painter.setClipRect(frame.adjusted(-3, -3, 3, 3))
        self._paint_curve(painter, frame, self.loss.points, top, LOSS)
        last = (
            [(self.loss.points[-1][0], self.iou.points[-1][1])]
            if self.loss.points and self.iou.points
            else []
        )
        self._paint_curve(painter, frame, [*self.iou.points, *last], 1.0, IOU)
        painter.setBrush(QColor(IOU))
        for point in self._place(frame, self.iou.points, 1.0):
            painter.drawEllipse(point, 2.6, 2.6)
        painter.setClipping(False)
        self._paint_legend(painter, frame, top)

    def _frame(self) -> QRectF:
        text_px = QFontMetrics(self.font()).height()
        return QRectF(34, text_px + 6, self.width() - 34 - 30, self.height() - 2 * text_px - 12)

    def _paint_axes(self, painter: QPainter, frame: QRectF, top: float) -> None:
        grid = QColor(128, 134, 142, 60)
        text_px = painter.fontMetrics().height()
        for share in (0.0, 0.5, 1.0):
            y = frame.bottom() - share * frame.height()
            painter.setPen(QPen(grid, 1))
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            painter.setPen(QColor(LOSS))
            left = QRectF(0, y - text_px / 2, frame.left() - 5, text_px)
            painter.drawText(
                left, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{share * top:.3g}"
            )
            if not self._scored:
                continue
            painter.setPen(QColor(IOU))
            right = QRectF(frame.right() + 5, y - text_px / 2, 26, text_px)
            painter.drawText(
                right, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, f"{share:.3g}"
            )
        painter.setPen(QColor(MUTED))
        for share in (0.0, 0.5, 1.0):
            x = frame.left() + share * frame.width()
            where = QRectF(x - 30, frame.bottom() + 3, 60, text_px)
            painter.drawText(where, Qt.AlignmentFlag.AlignCenter, f"{share:.0%}")

    def _paint_curve(
        self, painter: QPainter, frame: QRectF, points: Iterable[Point], top: float, color: str
    ) -> None:
        painter.setPen(QPen(QColor(color), 1.8))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(self._place(frame, points, top)))

    def _place(self, frame: QRectF, points: Iterable[Point], top: float) -> List[QPointF]:
        return [
            QPointF(frame.left() + x * frame.width(), frame.bottom() - min(1.0, y / top) * frame.height())
            for x, y in points
        ]

    def _paint_legend(self, painter: QPainter, frame: QRectF, top: float) -> None:
        loss, iou = self.loss.points[-1:], self.iou.points[-1:]
        if self._hover is not None:
            painter.setPen(QPen(QColor(MUTED), 1, Qt.PenStyle.DotLine))
            x = frame.left() + self._hover * frame.width()
            painter.drawLine(QPointF(x, frame.top()), QPointF(x, frame.bottom()))
            loss = [p for p in (self.loss.nearest(self._hover),) if p]
            iou = [p for p in (self.iou.nearest(self._hover),) if p]
        words = self.tr("loss") + (f" {loss[0][1]:.3f}" if loss else "")
        painter.setPen(QColor(LOSS))
        line = QRectF(frame.left(), 0, frame.width(), painter.fontMetrics().height() + 2)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
        if not self._scored:
            return
        words = self.tr("validation IoU") + (f" {iou[0][1]:.2f}" if iou else "")
        painter.setPen(QColor(IOU))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
