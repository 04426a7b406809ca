"""How long and how to train: quick, thorough, or every setting by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, Optional, Sequence

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from nir_lora_plugin.protocol import TrainRequest

from .adapters import adapters, options_of
from .backbone_combo import BackboneCombo
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
    adapter_options: Dict[str, str] = field(default_factory=dict)
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
        adapter_options=dict(settings.adapter_options),
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
        self._on_adapter()
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
            backbone=self.backbone_combo.backbone(),
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
            adapter_options=options_of(self.options_edit.text()),
            rank=self.rank_spin.value(),
            head=str(self.head_combo.currentData()),
            epochs=10_000 if by_time else self.epochs_spin.value(),
            minutes=self.minutes_spin.value() if by_time else 0.0,
        )

    def set_backbone(self, name: str) -> None:
        """Choose a backbone by name, or by path of its weights."""
        self.backbone_combo.choose(name)
        self._on_changed()

    def show_backbones(self, backbones: Sequence[Dict[str, Any]]) -> None:
        """Offer what there is: records with ``name``, and what is said of each."""
        self.backbone_combo.show_backbones(backbones)
        self._on_changed()

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
        by_time = self.limit_combo.currentData() == "minutes"
        self.minutes_spin.setVisible(by_time)
        self.epochs_spin.setVisible(not by_time)
        self.changed.emit()

    def _on_adapter(self, *_: object) -> None:
        """Show what there is to set of the chosen adapter, and what it is."""
        chosen = adapters()[self.adapter_combo.currentIndex()]
        lora, options = chosen.name == "lora", bool(chosen.options)
        self.rank_spin.setVisible(lora)
        self.options_edit.setVisible(options)
        self._own_label.setVisible(lora or options)
        self._own_label.setText(self.tr("Rank") if lora else self.tr("Options"))
        self.adapter_combo.setToolTip(chosen.tip)
        self.options_edit.clear()  # another adapter's are not its own
        self.options_edit.setPlaceholderText(chosen.options)
        self.options_edit.setToolTip(
            self.tr("name=value, several with semicolons between; left empty: {}").format(chosen.options)
        )
        self._on_changed()

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
        self.backbone_combo = BackboneCombo()
        self.pretrained_check = QCheckBox(self.tr("Start from pretrained weights"))
        self.pretrained_check.setChecked(True)
        known = adapters()
        self.adapter_combo = _combo([(one.name, one.title) for one in known])
        for place, one in enumerate(known):
            self.adapter_combo.setItemData(place, one.tip, Qt.ItemDataRole.ToolTipRole)
        self.options_edit = QLineEdit()
        self.options_edit.editingFinished.connect(self._on_changed)
        self.rank_spin = QSpinBox()
        self.rank_spin.setRange(1, 256)
        self.rank_spin.setValue(4)
        heads = (("detail", self.tr("Detail")), ("linear", self.tr("Linear")), ("aspp", "ASPP"))
        self.head_combo = _combo((*heads, ("uper", "UPerNet")))
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
        for title, widget in (
            (self.tr("Backbone"), self.backbone_combo),
            ("", self.pretrained_check),
            (self.tr("Trains"), self.adapter_combo),
        ):
            form.addRow(title, widget)
        self._own_label = label(wrap=False)
        form.addRow(self._own_label, row(self.rank_spin, self.options_edit))
        form.addRow(self.tr("Head"), self.head_combo)
        limits = row(self.limit_combo, self.minutes_spin, self.epochs_spin)
        form.addRow(self.tr("Length"), limits)
        form.addRow(self.tr("Device"), self.device_combo)
        self.adapter_combo.currentIndexChanged.connect(self._on_adapter)
        for combo in (self.head_combo, self.limit_combo, self.device_combo):
            combo.currentIndexChanged.connect(self._on_changed)
        self.backbone_combo.chosen.connect(self._on_changed)
        self.pretrained_check.toggled.connect(self._on_changed)
        for spin in (self.rank_spin, self.minutes_spin, self.epochs_spin):
            spin.valueChanged.connect(self._on_changed)
        return part


def _combo(items: Sequence[Sequence[str]]) -> QComboBox:
    combo = QuietCombo()
    for value, title in items:
        combo.addItem(title, value)
    return combo
