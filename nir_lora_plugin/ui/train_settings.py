"""How long and how to train: quick, thorough, or every setting by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Sequence

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from nir_lora_plugin.protocol import TrainRequest

from .widgets import QuietCombo, column, label, row

QUICK, THOROUGH, EXPERT = "quick", "thorough", "expert"
MODES = (QUICK, THOROUGH, EXPERT)


@dataclass(frozen=True)
class TrainSettings:
    """What the user chose; the rest of a training request comes from the steps before."""

    mode: str = QUICK
    backbone: str = ""  # "": the default
    pretrained: bool = True
    adapter: str = "lora"
    rank: int = 4
    head: str = "detail"
    epochs: int = 30
    minutes: float = 0.0  # 0: no limit
    patience: int = 0
    device: str = "auto"


PRESETS: Dict[str, TrainSettings] = {
    QUICK: TrainSettings(mode=QUICK, epochs=30, minutes=2.0),
    THOROUGH: TrainSettings(mode=THOROUGH, epochs=100, minutes=60.0, patience=15),
}


def apply(settings: TrainSettings, request: TrainRequest) -> TrainRequest:
    """``request`` with the fields that ``settings`` decide."""
    return replace(
        request,
        backbone=settings.backbone,
        pretrained=settings.pretrained,
        adapter=settings.adapter,
        rank=settings.rank,
        head=settings.head,
        epochs=settings.epochs,
        max_seconds=settings.minutes * 60.0,
        patience=settings.patience,
        device=settings.device,
    )


class TrainSettingsView(QWidget):
    """Three modes side by side; the form of settings is shown for the third."""

    changed = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._modes = QButtonGroup(self)
        titles = (self.tr("Quick"), self.tr("Thorough"), self.tr("Expert"))
        self._buttons = [self._mode_button(i, title) for i, title in enumerate(titles)]
        modes = row(*self._buttons)
        modes.setSpacing(0)
        self.words_label = label(name="muted")
        self._form = self._make_form()
        layout = column(self)
        layout.addLayout(modes)
        layout.addWidget(self.words_label)
        layout.addWidget(self._form)
        self._modes.buttonClicked.connect(self._on_changed)
        self.set_mode(QUICK)

    def mode(self) -> str:
        """``quick | thorough | expert``."""
        return MODES[max(0, self._modes.checkedId())]

    def set_mode(self, mode: str) -> None:
        """Choose a mode; an unknown one is taken as quick."""
        self._buttons[MODES.index(mode) if mode in MODES else 0].setChecked(True)
        self._on_changed()

    def settings(self) -> TrainSettings:
        """What is chosen. The backbone and the device count in every mode."""
        mode = self.mode()
        own = TrainSettings(
            backbone=self._backbone(),
            device=str(self.device_combo.currentData()),
            pretrained=self.pretrained_check.isChecked(),
        )
        if mode != EXPERT:
            return replace(PRESETS[mode], backbone=own.backbone, device=own.device, pretrained=own.pretrained)
        by_time = self.limit_combo.currentData() == "minutes"
        return replace(
            own,
            mode=EXPERT,
            adapter=str(self.adapter_combo.currentData()),
            rank=self.rank_spin.value(),
            head=str(self.head_combo.currentData()),
            epochs=10_000 if by_time else self.epochs_spin.value(),
            minutes=self.minutes_spin.value() if by_time else 0.0,
        )

    def set_backbone(self, name: str) -> None:
        """Choose a backbone by name, or by path of its weights."""
        place = self.backbone_combo.findData(name)
        if place >= 0:
            self.backbone_combo.setCurrentIndex(place)
        else:
            self.backbone_combo.setEditText(name)
            self.backbone_combo.lineEdit().setCursorPosition(0)  # the name matters more than the path
        self._on_changed()

    def show_backbones(self, backbones: Sequence[Dict[str, Any]]) -> None:
        """Offer what the backend knows: records with ``name``, and what it says of each."""
        before = self._backbone()
        self.backbone_combo.blockSignals(True)
        self.backbone_combo.clear()
        self.backbone_combo.addItem(self.tr("Default"), "")
        for record in backbones:
            name, cached = str(record.get("name", "")), record.get("cached", record.get("weights_cached"))
            mark = self.tr(" (on this computer)") if cached else ""
            self.backbone_combo.addItem(name + mark, name)
            about = ", ".join(
                str(v) for k, v in record.items() if k in ("description", "source", "licence") and v
            )
            self.backbone_combo.setItemData(self.backbone_combo.count() - 1, about, 3)  # Qt.ToolTipRole
        self.backbone_combo.blockSignals(False)
        self.set_backbone(before)

    def _backbone(self) -> str:
        place = self.backbone_combo.findText(self.backbone_combo.currentText())
        if place >= 0:
            return str(self.backbone_combo.itemData(place))
        return self.backbone_combo.currentText().strip()

    def _on_changed(self, *_: object) -> None:
        mode = self.mode()
        words = {
            QUICK: self.tr("Two minutes at most: a first map, to see where more polygons are needed."),
            THOROUGH: self.tr("Until the held-out polygons no longer improve, one hour at most."),
            EXPERT: "",
        }
        self.words_label.setText(words[mode])
        self.words_label.setVisible(bool(words[mode]))
        self._form.setVisible(mode == EXPERT)
        lora = self.adapter_combo.currentData() == "lora"
        self.rank_spin.setEnabled(lora)
        by_time = self.limit_combo.currentData() == "minutes"
        self.minutes_spin.setVisible(by_time)
        self.epochs_spin.setVisible(not by_time)
        self.changed.emit()

    def _mode_button(self, number: int, title: str) -> QToolButton:
        made = QToolButton()
        made.setObjectName("segment")
        made.setText(title)
        made.setCheckable(True)
        made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._modes.addButton(made, number)
        return made

    def _make_form(self) -> QWidget:
        part = QWidget()
        form = QFormLayout(part)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.backbone_combo = QuietCombo()
        self.backbone_combo.setEditable(True)
        self.backbone_combo.addItem(self.tr("Default"), "")
        self.backbone_combo.setToolTip(self.tr("A name from the list, or a file or folder of weights"))
        self.pretrained_check = QCheckBox(self.tr("Start from pretrained weights"))
        self.pretrained_check.setChecked(True)
        adapters = (("lora", "LoRA"), ("frozen", self.tr("Frozen backbone")), ("full", self.tr("Everything")))
        self.adapter_combo = _combo(adapters)
        self.rank_spin = QSpinBox()
        self.rank_spin.setRange(1, 256)
        self.rank_spin.setValue(4)
        heads = (("detail", self.tr("Detail")), ("linear", self.tr("Linear")), ("aspp", "ASPP"))
        self.head_combo = _combo(heads)
        self.limit_combo = _combo((("minutes", self.tr("Time")), ("epochs", self.tr("Epochs"))))
        self.minutes_spin = QDoubleSpinBox()
        self.minutes_spin.setRange(0.05, 10_000)
        self.minutes_spin.setDecimals(2)
        self.minutes_spin.setValue(10)
        self.minutes_spin.setSuffix(self.tr(" min"))
        self.epochs_spin = QSpinBox()
        self.epochs_spin.setRange(1, 10_000)
        self.epochs_spin.setValue(30)
        devices = (
            ("auto", self.tr("Chosen by itself")),
            ("cpu", "CPU"),
            ("cuda", "GPU (CUDA)"),
            ("mps", "GPU (Apple)"),
        )
        self.device_combo = _combo(devices)
        for title, field in (
            (self.tr("Backbone"), self.backbone_combo),
            ("", self.pretrained_check),
            (self.tr("Trains"), self.adapter_combo),
            (self.tr("Rank"), self.rank_spin),
            (self.tr("Head"), self.head_combo),
        ):
            form.addRow(title, field)
        limits = row(self.limit_combo, self.minutes_spin, self.epochs_spin)
        form.addRow(self.tr("Length"), limits)
        form.addRow(self.tr("Device"), self.device_combo)
        for combo in (self.adapter_combo, self.head_combo, self.limit_combo, self.device_combo):
            combo.currentIndexChanged.connect(self._on_changed)
        self.backbone_combo.currentIndexChanged.connect(self._on_changed)
        self.backbone_combo.lineEdit().editingFinished.connect(self._on_changed)
        self.pretrained_check.toggled.connect(self._on_changed)
        for spin in (self.rank_spin, self.minutes_spin, self.epochs_spin):
            spin.valueChanged.connect(self._on_changed)
        return part


def _combo(items: Sequence[Sequence[str]]) -> QComboBox:
    combo = QuietCombo()
    for value, title in items:
        combo.addItem(title, value)
    return combo
