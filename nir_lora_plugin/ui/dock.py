"""The dock: a line about the backend, its set-up when it is needed, the four steps, and more below them."""

from __future__ import annotations

from typing import List, Optional, Tuple

from qgis.PyQt.QtCore import QSize, Qt, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import QDockWidget, QFrame, QMenu, QScrollArea, QToolButton, QVBoxLayout, QWidget

from .adapt_panel import AdaptPanel
from .carry_panel import CarryPanel
from .layer_panel import LayerPanel
from .segment_panel import SegmentPanel
from .step import IconHeader, StepCard, StepHeader
from .style import DONE, ERROR, MUTED, WARNING, stylesheet
from .train_panel import TrainPanel
from .training_panel import TrainingPanel
from .widgets import clear, column, label, row, tool_button

OBJECT_NAME = "NirLoraDock"  # QGIS restores the place of docks by it
_DOTS = {"ready": DONE, "starting": WARNING, "off": MUTED, "error": ERROR}


class NirLoraDock(QDockWidget):
    """Lays out what others fill.

    Args:
        layer_combo: Of the rasters, for the first step.
        polygon_combo: Of the polygon layers, for the last step.
    """

    shown = pyqtSignal(bool)
    step_opened = pyqtSignal(int, bool)  # by the user
    help_wanted = pyqtSignal()
    log_wanted = pyqtSignal()
    setup_wanted = pyqtSignal()
    stop_wanted = pyqtSignal()

    def __init__(
        self, layer_combo: QWidget, polygon_combo: QWidget, parent: Optional[QWidget] = None
    ) -> None:
        super().__init__("NIR-LoRA", parent)
        self.setObjectName(OBJECT_NAME)
        self.layer_panel = LayerPanel(layer_combo)
        self.training_panel = TrainingPanel()
        self.train_panel = TrainPanel()
        self.segment_panel = SegmentPanel(polygon_combo)
        self.carry_panel = CarryPanel()
        self.adapt_panel = AdaptPanel()
        self.steps = self._make_steps()
        self.carry_card, self.adapt_card = self._make_more()
        self.status_label = label(name="muted", wrap=False)
        self._dot = label(wrap=False)
        self._setup_place = column()
        inside = QWidget()
        steps = column(inside)
        steps.setContentsMargins(8, 8, 8, 8)
        steps.setSpacing(8)
        steps.addLayout(self._setup_place)
        for step in self.steps:
            steps.addWidget(step)
        more = label(self.tr("More"), "muted")
        more.setContentsMargins(4, 8, 0, 0)
        for part in (more, self.carry_card, self.adapt_card):
            steps.addWidget(part)
        steps.addStretch(1)
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll.setWidget(inside)
        content = QWidget()
        content.setStyleSheet(stylesheet())
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._make_header())
        layout.addWidget(self.scroll)
        self.setWidget(content)
        self._brought: Optional[StepCard] = None
        self._bring_timer = QTimer(self)
        self._bring_timer.setSingleShot(True)
        self._bring_timer.timeout.connect(self._scroll)
        self.setMinimumWidth(370)
        self.visibilityChanged.connect(self.shown)
        self.show_status("off", "")

    def sizeHint(self) -> QSize:
        """Wide enough for every step."""
        return QSize(400, 700)

    def show_status(self, dot: str, words: str) -> None:
        """Say how the backend is; ``dot`` is ``ready | starting | off | error``."""
        self._dot.setText(f'<span style="color: {_DOTS[dot]}; font-size: 14pt">●</span>')
        self.status_label.setText(words)
        self.status_label.setToolTip(words)

    def show_setup(self, panel: Optional[QWidget]) -> None:
        """Show the backend's set-up above the steps; None takes it away."""
        clear(self._setup_place)
        if panel is not None:
            self._setup_place.addWidget(panel)

    def has_setup(self) -> bool:
        """Whether the set-up is shown."""
        return self._setup_place.count() > 0

    def open_step(self, number: int, is_open: bool = True) -> None:
        """Open or close the step with this index (0..3), and bring an opened one into view."""
        step = self.steps[number]
        if step.is_open() != is_open:
            step.set_open(is_open)
            self.step_opened.emit(number, is_open)
        if is_open:
            self._bring(step)

    def open_more(self, card: StepCard, is_open: bool = True) -> None:
        """Open or close a card below the steps, and bring an opened one into view."""
        if card.is_open() != is_open:
            card.set_open(is_open)
            card.toggled.emit(is_open)
        if is_open:
            self._bring(card)

    def _bring(self, card: StepCard) -> None:
        """Scroll to ``card`` once what has opened and closed has its new place."""
        self._brought = card
        self._bring_timer.start()

    def _scroll(self) -> None:
        if self._brought is not None:
            self.scroll.widget().layout().activate()
            self.scroll.ensureWidgetVisible(self._brought, 0, 8)
            self.scroll.ensureWidgetVisible(self._brought.header, 0, 8)  # of a tall one the beginning

    def _make_steps(self) -> List[StepCard]:
        parts = (
            (self.tr("Layer"), self.layer_panel),
            (self.tr("Training polygons"), self.training_panel),
            (self.tr("Train"), self.train_panel),
            (self.tr("Segment NIR layer"), self.segment_panel),
        )
        steps = [StepCard(StepHeader(number, title), panel) for number, (title, panel) in enumerate(parts, 1)]
        for index, step in enumerate(steps):
            step.toggled.connect(lambda is_open, index=index: self.step_opened.emit(index, is_open))
        return steps

    def _make_more(self) -> Tuple[StepCard, StepCard]:
        carry = StepCard(IconHeader("carry", self.tr("Carry the model to another field")), self.carry_panel)
        carry.set_summary(self.tr("A field without polygons of its own"))
        adapt = StepCard(IconHeader("adapt", self.tr("Adapt to rasters without labels")), self.adapt_panel)
        for card in (carry, adapt):  # at the end, where an opened one would be out of sight
            card.toggled.connect(lambda is_open, card=card: self._bring(card) if is_open else None)
        return carry, adapt

    def _make_header(self) -> QWidget:
        header = QWidget()
        more = tool_button("settings", self.tr("Backend and log"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(more)
        for words, signal in (
            (self.tr("Set up the backend …"), self.setup_wanted),
            (self.tr("Stop the backend"), self.stop_wanted),
            (self.tr("Show the log"), self.log_wanted),
        ):
            menu.addAction(words).triggered.connect(lambda _=False, signal=signal: signal.emit())
        more.setMenu(menu)
        self.help_button = tool_button("help", self.tr("How it works"))
        self.help_button.clicked.connect(lambda: self.help_wanted.emit())
        layout = row(self._dot, self.status_label, self.help_button, more)
        layout.setContentsMargins(10, 4, 8, 0)
        layout.setStretch(1, 1)
        header.setLayout(layout)
        return header
