"""Carrying a model to a field without polygons: a training with target rasters, shown by the train step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

from qgis.PyQt.QtCore import QObject

from nir_lora_plugin.protocol import TrainRequest
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.ui.carry_panel import CarryPanel
from nir_lora_plugin.ui.train_settings import EXPERT, TrainSettingsView

from .files import SUFFIX, free_path, output_folder
from .planner import TrainingPlanner
from .rasters import ProjectRasters
from .readiness import missing_for_carry
from .session import Later, Session
from .train_flow import TrainFlow
from .training_flow import TrainingFlow

_PLAN_WAIT_MS = 500


class CarryFlow(QObject):
    """Ties the panel to the training step.

    Args:
        settings: Of the training step.
        train: The training step, which runs it.
        training: The step of the polygons.
        rasters: Of the project.
    """

    def __init__(
        self,
        session: Session,
        panel: CarryPanel,
        settings: TrainSettingsView,
        train: TrainFlow,
        training: TrainingFlow,
        rasters: ProjectRasters,
    ) -> None:
        super().__init__(session)
        self._session, self._panel, self._settings = session, panel, settings
        self._train, self._rasters = train, rasters
        self._is_open = False
        self._plan_later = Later(_PLAN_WAIT_MS, self._plan, self)
        self._planner = TrainingPlanner(training, self)
        panel.set_stabiliser(Settings.CARRY_STABILISER.get())
        panel.rounds_spin.setValue(Settings.CARRY_ROUNDS.get())
        panel.carry_wanted.connect(self._carry)
        panel.changed.connect(self._on_settings)
        settings.changed.connect(self._refresh)
        session.changed.connect(self._refresh)
        rasters.changed.connect(self._refresh)
        self._planner.asked.connect(lambda: panel.show_estimate(self.tr("Estimating …")))
        self._planner.planned.connect(panel.show_plan)
        self._planner.failed.connect(panel.show_failed_plan)

    def set_open(self, is_open: bool) -> None:
        """Whether the card is open: only then is anything looked at."""
        self._is_open = is_open
        self._refresh()

    def close(self) -> None:
        """Leave no scratch file."""
        self._planner.close()

    def request(self) -> Optional[TrainRequest]:
        """The run as it is set up now; None while something is missing."""
        plain, panel = self._train.request(), self._panel
        targets = self._rasters.refs(panel.rasters.chosen())
        if plain is None or not targets:
            return None
        field = Path(targets[0].path)  # beside it, where the list of its models looks
        out = free_path(output_folder(field), f"{self._train.stem()}_to_{field.stem}", SUFFIX)
        return replace(
            plain,
            out=str(out),
            target_layers=targets,
            target_bands=panel.bands_edit.text().strip(),
            stabiliser=panel.stabiliser(),
            rounds=panel.rounds_spin.value(),
            adapter="lora",  # the stabiliser decides
            adapter_options={},
            patience=0,  # no score of the target to wait for
        )

    def _on_settings(self) -> None:
        Settings.CARRY_STABILISER.set(self._panel.stabiliser())
        Settings.CARRY_ROUNDS.set(self._panel.rounds_spin.value())
        self._refresh()

    def _refresh(self) -> None:
        if not self._is_open:
            return
        panel, layer = self._panel, self._session.layer
        panel.show_expert(self._settings.mode() == EXPERT)
        panel.rasters.show_rows(self._rasters.rows(without=layer.id() if layer is not None else ""))
        missing = self._missing()
        panel.show_missing(missing)
        if missing:
            self._plan_later.stop()
            panel.show_estimate("")
        else:
            self._plan_later.start()

    def _missing(self) -> str:
        return missing_for_carry(self._session.facts(), len(self._panel.rasters.chosen()))

    def _plan(self) -> None:
        request = self.request()
        wanted = self._is_open and self._session.may_ask
        if wanted and not self._missing() and request is not None:
            self._planner.ask(request, self._session.facts().counts)

    def _carry(self) -> None:
        request = self.request()
        if request is not None:
            self._planner.forget()
            self._train.run(request)
