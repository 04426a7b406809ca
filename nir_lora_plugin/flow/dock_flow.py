"""Makes the dock and everything behind it, and leads from step to step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Tuple

from qgis.core import QgsMapLayer, QgsMapLayerProxyModel
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import QObject, Qt

from nir_lora_plugin.ui import text
from nir_lora_plugin.ui.dock import NirLoraDock

from .adapt_flow import AdaptFlow
from .backend_flow import BackendFlow
from .carry_flow import CarryFlow
from .help import open_help
from .known_flow import KnownFlow
from .layer_flow import LayerFlow
from .models_flow import ModelsFlow
from .rasters import ProjectRasters
from .readiness import Facts, current_step, done_steps, missing_for_segment, missing_for_train
from .segment_flow import SegmentFlow
from .session import Session
from .train_flow import TrainFlow
from .training_flow import TrainingFlow

LAYER, TRAINING, TRAIN, SEGMENT = range(4)


class DockFlow(QObject):
    """The dock with its steps at work. ``close`` lets go of all of QGIS."""

    def __init__(self, iface: Any) -> None:
        super().__init__()
        layers, polygons = QgsMapLayerComboBox(), QgsMapLayerComboBox()
        layers.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        layers.setAllowEmptyLayer(False)
        polygons.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self._iface = iface
        self._current = -1
        self._adapt_note = ""  # what became of an adaptation that can be taken up again
        self._carried = ("", "")  # the last model that was carried over, and to which raster
        self.session = Session(iface, self)
        self.dock = dock = NirLoraDock(layers, polygons, iface.mainWindow())
        session = self.session
        self.backend = BackendFlow(session, dock)
        self.layer = LayerFlow(session, dock.layer_panel, layers)
        self.training = TrainingFlow(session, dock.training_panel)
        self.train = TrainFlow(session, dock.train_panel, dock.layer_panel.bands, self.training)
        self.segment = SegmentFlow(session, dock.segment_panel, dock.layer_panel.roles_given, polygons)
        self.models = ModelsFlow(session, dock.segment_panel.model_list)
        self._make_more()
        dock.step_opened.connect(self._on_step_opened)
        dock.log_wanted.connect(iface.openMessageLog)
        dock.help_wanted.connect(open_help)
        session.changed.connect(self._refresh)
        self.training.made.connect(self._on_training_made)
        self.train.started.connect(self._on_train_started)
        self.train.trained.connect(self._on_trained)
        self.segment.started.connect(self._on_segment_started)
        self._connect_more()
        self.layer.refresh()
        self._refresh()

    def _make_more(self) -> None:
        session, dock = self.session, self.dock
        settings, bands = dock.train_panel.settings_view, dock.layer_panel.bands
        self.known = KnownFlow(session)
        self.rasters = ProjectRasters(session)
        self.carry = CarryFlow(session, dock.carry_panel, settings, self.train, self.training, self.rasters)
        self.adapt = AdaptFlow(
            session, dock.adapt_panel, bands, lambda: settings.settings().device, self.rasters
        )

    def _connect_more(self) -> None:
        dock, known = self.dock, self.known
        known.backbones.connect(dock.train_panel.settings_view.show_backbones)
        known.backbones.connect(dock.adapt_panel.backbone_combo.show_backbones)
        known.jobs.connect(self.train.job.take_up)
        known.jobs.connect(self.adapt.job.take_up)
        dock.carry_card.toggled.connect(self.carry.set_open)
        dock.adapt_card.toggled.connect(self.adapt.set_open)
        dock.train_panel.target_wanted.connect(self._on_target_wanted)
        self.train.carried.connect(self._on_carried)
        self.adapt.started.connect(lambda: dock.open_more(dock.adapt_card))
        self.adapt.adapted.connect(lambda _: known.refresh())
        self.adapt.job.ended.connect(self._on_adapt_ended)
        self.adapt.use_wanted.connect(self._on_use_wanted)

    def place(self) -> None:
        """Put the dock at the right of QGIS's window, as a tab where there are others."""
        window = self._iface.mainWindow()
        self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        window.resizeDocks([self.dock], [self.dock.sizeHint().width()], Qt.Orientation.Horizontal)

    def segment_layer(self, layer: Optional[QgsMapLayer] = None) -> None:
        """Segment ``layer`` as the dock is set, or show there what is missing."""
        if layer is not None:
            self.layer.choose(layer)
        self.dock.show()
        self.dock.raise_()
        self.dock.open_step(SEGMENT)
        self.segment.segment_soon()

    def close(self) -> None:
        """Let go of QGIS: signals, tasks, dock."""
        self.train.close()
        self.carry.close()
        self.adapt.close()
        self.rasters.close()
        self.segment.close()
        self.training.close()
        self.dock.close()
        self._iface.removeDockWidget(self.dock)
        self.dock.setParent(None)
        self.dock.deleteLater()
        self.deleteLater()

    def _refresh(self) -> None:
        facts = self.session.facts()
        current, done = current_step(facts), done_steps(facts)
        for index, step in enumerate(self.dock.steps):
            step.set_state("current" if index == current else "done" if done[index] else "waiting")
        for index, words in enumerate(self._summaries(facts)):
            self.dock.steps[index].set_summary(words)
        adapting = facts.running == "adapt"
        self.dock.adapt_card.set_state("current" if adapting else "waiting")
        plain = self._adapt_note or self.tr("Let the network get used to your rasters first")
        self.dock.adapt_card.set_summary(self.tr("Running") if adapting else plain)
        if current != self._current:
            self._current = current
            self.dock.open_step(current)

    def _summaries(self, facts: Facts) -> Tuple[str, ...]:
        count = sum(number for _, number in facts.counts)
        drawn = self.tr("{} polygons in {} classes").format(count, len(facts.counts))
        model = self.session.model
        trained = model.name if model is not None else missing_for_train(facts)
        if model is not None and model.miou is not None:
            trained = self.tr("{}, IoU {:.2f}").format(model.name, model.miou)
        elif model is not None:
            trained = " ".join((model.name, text.date(model.date)))
        layer = " · ".join(part for part in (facts.layer, self.dock.layer_panel.summary()) if part)
        return (
            layer or self.tr("A raster with near infrared"),
            drawn if facts.training_layer else self.tr("What the map should tell apart"),
            self.tr("Running") if facts.running == "train" else trained,
            self.tr("Running") if facts.running == "segment" else missing_for_segment(facts),
        )

    def _on_step_opened(self, index: int, is_open: bool) -> None:
        if index == TRAIN:
            self.train.set_open(is_open)

    def _on_training_made(self) -> None:
        self.dock.open_step(LAYER, False)
        self.dock.open_step(TRAINING)

    def _on_train_started(self) -> None:
        self.dock.open_more(self.dock.carry_card, False)
        self.dock.open_step(LAYER, False)
        self.dock.open_step(TRAINING, False)
        self.dock.open_step(TRAIN)

    def _on_trained(self, model: str) -> None:
        self.models.refresh(model)
        self.dock.open_step(SEGMENT)

    def _on_adapt_ended(self, words: str, level: str, can_resume: bool) -> None:
        self._adapt_note = words if can_resume else ""
        self._refresh()

    def _on_carried(self, model: str, target: str) -> None:
        """The list has models of the chosen raster's folder, and this one lies beside the target."""
        self._carried = (model, target)
        self.models.refresh(model)

    def _on_target_wanted(self) -> None:
        model, target = self._carried
        layer = self.rasters.layer_of(target) or self._iface.addRasterLayer(target, Path(target).stem)
        if layer is not None:
            self.layer.choose(layer)
            self.models.refresh(model)
            self.dock.open_step(SEGMENT)

    def _on_use_wanted(self, backbone: str) -> None:
        view = self.dock.train_panel.settings_view
        view.pretrained_check.setChecked(True)
        view.set_backbone(backbone)
        self.dock.train_panel.show_setup()
        self.dock.open_step(TRAIN)

    def _on_segment_started(self) -> None:
        for index in (LAYER, TRAINING, TRAIN):
            self.dock.open_step(index, False)
        self.dock.open_step(SEGMENT)
