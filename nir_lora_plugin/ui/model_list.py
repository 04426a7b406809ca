"""The models at hand: choose one, bring one in, hand one on, remove one."""

from __future__ import annotations

from functools import partial
from pathlib import PurePath
from typing import List, Optional, Sequence

from qgis.PyQt.QtCore import QModelIndex, QRect, QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QFontMetrics, QPainter, QPalette
from qgis.PyQt.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from nir_lora_plugin.protocol import ModelInfo
from nir_lora_plugin.translation import translate

from . import text
from .style import ERROR, MUTED
from .widgets import column, label, row, tool_button

_INFO = Qt.ItemDataRole.UserRole
_MAX_ROWS = 4
_tr = partial(translate, "ModelList")


def carried(info: ModelInfo) -> str:
    """To which rasters a model was carried, in a few words; "" for most models."""
    names = [PurePath(path).name for path in info.carried_to]
    if not names:
        return ""
    if len(names) == 1:
        return _tr("for {}").format(names[0])
    return _tr("for {} and {} more").format(names[0], len(names) - 1)


class ModelDelegate(QStyledItemDelegate):
    """Two lines for a model: its name and score; its classes, date and size."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Two lines high."""
        return QSize(100, 2 * QFontMetrics(option.font).height() + 10)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Paint one model."""
        info: ModelInfo = index.data(_INFO)
        painter.save()
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if selected:
            painter.fillRect(option.rect, option.palette.brush(QPalette.ColorRole.Highlight))
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
        strong = option.palette.color(role)
        line_px = QFontMetrics(option.font).height()
        area = option.rect.adjusted(8, 5, -8, -5)
        bold = option.font
        bold.setBold(True)
        score = self.score(info)
        score_px = QFontMetrics(bold).horizontalAdvance(score) + 8
        painter.setFont(bold)
        painter.setPen(strong)
        first = QRect(area.left(), area.top(), area.width(), line_px)
        painter.drawText(first, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, score)
        name = QFontMetrics(bold).elidedText(info.name, Qt.TextElideMode.ElideMiddle, area.width() - score_px)
        painter.drawText(first, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        bold.setBold(False)
        painter.setFont(bold)
        painter.setPen(strong if selected else QColor(ERROR if info.problem else MUTED))
        second = first.translated(0, line_px)
        words = info.problem or self.details(info)
        words = QFontMetrics(bold).elidedText(words, Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(second, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()

    def score(self, info: ModelInfo) -> str:
        """The mean IoU, if there is one of the field that the model is for."""
        known = info.miou is not None and info.miou_of != "source"
        return self.tr("IoU {:.2f}").format(info.miou) if known else ""

    def details(self, info: ModelInfo) -> str:
        """The second line."""
        parts = [carried(info), ", ".join(info.classes), text.date(info.date), text.size(info.size_bytes)]
        return " · ".join(part for part in parts if part)


class ModelList(QWidget):
    """A short list of models with the buttons that act on the chosen one."""

    chosen = pyqtSignal()
    import_wanted = pyqtSignal()
    export_wanted = pyqtSignal()
    remove_wanted = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.list = QListWidget()
        self.list.setItemDelegate(ModelDelegate(self.list))
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setUniformItemSizes(True)
        self.list.currentItemChanged.connect(self._on_chosen)
        self.empty_label = label(
            self.tr("No model yet: train one above, or import a .nirlora file."), "muted"
        )
        self.import_button = tool_button(
            "import", self.tr("Use a .nirlora file from elsewhere"), self.tr("Import")
        )
        self.import_button.clicked.connect(self.import_wanted)
        self.export_button = tool_button("export", self.tr("Save a copy to hand on"), self.tr("Export"))
        self.export_button.clicked.connect(self.export_wanted)
        self.remove_button = tool_button("remove", self.tr("Delete the model file"), self.tr("Remove"))
        self.remove_button.clicked.connect(self.remove_wanted)
        layout = column(self)
        layout.addWidget(self.empty_label)
        layout.addWidget(self.list)
        layout.addLayout(row(self.import_button, self.export_button, self.remove_button, stretch=True))
        self.show_models([])

    def show_models(self, models: Sequence[ModelInfo], choose: str = "") -> None:
        """List ``models``; the one at path ``choose`` is chosen, else the one that was, else the first."""
        before = self.current()
        wanted = choose or (before.path if before else "")
        self.list.blockSignals(True)
        self.list.clear()
        for info in models:
            item = QListWidgetItem(info.name)
            item.setData(_INFO, info)
            item.setToolTip(self._tip(info))
            self.list.addItem(item)
        paths = [info.path for info in models]
        usable = [i for i, info in enumerate(models) if not info.problem]
        first = usable[0] if usable else -1
        self.list.setCurrentRow(paths.index(wanted) if wanted in paths else first)
        self.list.blockSignals(False)
        self.list.setVisible(bool(models))
        self.empty_label.setVisible(not models)
        line = self.list.sizeHintForRow(0) if models else 0
        self.list.setFixedHeight(line * min(len(models), _MAX_ROWS) + 2 * self.list.frameWidth() + 2)
        self._on_chosen()

    def models(self) -> List[ModelInfo]:
        """All that are listed."""
        return [self.list.item(i).data(_INFO) for i in range(self.list.count())]

    def current(self) -> Optional[ModelInfo]:
        """The chosen model."""
        item = self.list.currentItem()
        return item.data(_INFO) if item is not None else None

    def _on_chosen(self, *_: object) -> None:
        chosen = self.current() is not None
        self.export_button.setEnabled(chosen)
        self.remove_button.setEnabled(chosen)
        self.chosen.emit()

    def _tip(self, info: ModelInfo) -> str:
        lines = [info.path, self.tr("classes: {}").format(", ".join(info.classes))]
        if info.carried_to:
            lines.append(carried(info))
        if info.miou is not None and info.miou_of == "source":
            lines.append(
                self.tr("IoU {:.2f} on the field of its polygons; not known on the other").format(info.miou)
            )
        if info.channels:
            lines.append(self.tr("input: {}").format(", ".join(info.channels)))
        if info.backbone:
            lines.append(f"{info.backbone}, {info.adapter}")
        if info.resolution_m:
            lines.append(self.tr("trained at {:.3g} m pixels").format(info.resolution_m))
        return "\n".join([*lines, *([info.problem] if info.problem else [])])
