"""Step 2: the polygon layer, its classes, and drawing."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QWidget

from .widgets import Notices, clear, column, label, primary_button, row, tool_button


class TrainingPanel(QWidget):
    """Make the layer, then classes and drawing; the class table is put in by :meth:`show_layer`."""

    make_wanted = pyqtSignal()
    choose_wanted = pyqtSignal()
    draw_wanted = pyqtSignal(bool)
    undo_wanted = pyqtSignal()
    save_wanted = pyqtSignal()
    take_over_wanted = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.make_button = primary_button(self.tr("Make training polygons"))
        self.make_button.clicked.connect(self.make_wanted)
        self.choose_button = tool_button(
            "open", self.tr("Open a GeoPackage with polygons"), self.tr("Open others …")
        )
        self.choose_button.clicked.connect(self.choose_wanted)
        self.missing_label = label(name="missing")
        self._start = self._make_start()
        self._work = self._make_work()
        layout = column(self)
        layout.setContentsMargins(12, 2, 12, 12)
        layout.addWidget(self._start)
        layout.addWidget(self._work)
        self.show_no_layer("")

    def show_no_layer(self, missing: str, beside: str = "") -> None:
        """Offer to make the layer.

        Args:
            missing: What has to be done first; empty when the button may be pressed.
            beside: Name of training polygons that already lie beside the raster.
        """
        clear(self._table_place)
        self._work.hide()
        self._start.show()
        self.make_button.setEnabled(not missing)
        self.choose_button.setEnabled(not missing)
        self.make_button.setText(
            self.tr("Open {}").format(beside) if beside else self.tr("Make training polygons")
        )
        self.missing_label.setText(missing)
        self.missing_label.setVisible(bool(missing))

    def show_layer(self, name: str, table: QWidget) -> None:
        """Work with a layer called ``name``, whose class table is ``table``."""
        clear(self._table_place)
        self._table_place.addWidget(table)
        self.name_label.setText(self.tr("In {}").format(name))
        self._start.hide()
        self._work.show()

    def show_drawing(self, drawing: bool, class_name: str) -> None:
        """Say what the next polygon will be, and whether the drawing tool is at work."""
        self.draw_button.setChecked(drawing)
        self.draw_button.setEnabled(bool(class_name))
        self.draw_button.setText(
            self.tr("Drawing {}").format(class_name) if drawing else self.tr("Draw {}").format(class_name)
        )
        if drawing:
            hint = self.tr("Click the corners on the map, then right-click to finish the polygon.")
        elif not class_name:
            hint = self.tr("Add a class first: what should the map tell apart?")
        else:
            hint = ""
        self.hint_label.setText(hint)
        self.hint_label.setVisible(bool(hint))

    def show_state(self, unsaved: bool, can_undo: bool, problems: Sequence[Tuple[str, str]]) -> None:
        """Show what is to be saved and what is wrong, as (level, sentence)."""
        self.save_button.setEnabled(unsaved)
        self.undo_button.setEnabled(can_undo)
        self.notices.clear()
        for level, sentence in problems:
            self.notices.add(sentence, level)

    def _make_start(self) -> QWidget:
        part = QWidget()
        layout = column(part)
        layout.addWidget(
            label(
                self.tr(
                    "Draw a few polygons of everything the map should tell apart. "
                    "What is left undrawn is unknown, not background."
                ),
                "muted",
            )
        )
        layout.addWidget(self.missing_label)
        layout.addWidget(self.make_button)
        layout.addLayout(row(self.choose_button, stretch=True))
        return part

    def _make_work(self) -> QWidget:
        part = QWidget()
        layout = column(part)
        self.name_label = label(name="muted")
        self._table_place = column()
        self.draw_button = tool_button(
            "draw", self.tr("Draw polygons of the chosen class"), " ", checkable=True
        )
        self.draw_button.clicked.connect(self.draw_wanted)
        self.undo_button = tool_button("undo", self.tr("Take the last change back"), self.tr("Undo"))
        self.undo_button.clicked.connect(self.undo_wanted)
        self.save_button = tool_button("save", self.tr("Write the polygons to the file"), self.tr("Save"))
        self.save_button.clicked.connect(self.save_wanted)
        self.take_over_button = tool_button(
            "take_over", self.tr("Take polygons over from another layer"), self.tr("Take over …")
        )
        self.take_over_button.clicked.connect(self.take_over_wanted)
        self.hint_label = label(name="muted")
        self.notices = Notices()
        top = row(self.name_label, self.take_over_button)
        top.setStretch(0, 1)
        layout.addLayout(top)
        layout.addLayout(self._table_place)
        for made in (self.draw_button, self.undo_button, self.save_button, self.take_over_button):
            made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        layout.addLayout(row(self.draw_button, self.undo_button, self.save_button, stretch=True))
        layout.addWidget(self.hint_label)
        layout.addWidget(self.notices)
        return part
