"""Estimates of trainings, with a copy of the polygons: saving them would take "undo" away."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Dict, Optional, Tuple

from qgis.PyQt.QtCore import QObject, pyqtSignal

from nir_lora_plugin.client import Client
from nir_lora_plugin.protocol import ErrorInfo, TrainRequest

from .files import forget_scratch
from .session import call
from .training_flow import TrainingFlow


class TrainingPlanner(QObject):
    """Asks what a training would do; only the answer to the last question is told.

    Args:
        training: The step of the polygons, which copies them.
    """

    asked = pyqtSignal()
    planned = pyqtSignal(object)
    failed = pyqtSignal(object)  # ErrorInfo

    def __init__(self, training: TrainingFlow, parent: QObject) -> None:
        super().__init__(parent)
        self._training = training
        self._last: Optional[Tuple[TrainRequest, Any]] = None  # with the polygons as they were
        self._copy = ""  # scratch file of the last estimate

    def ask(self, request: TrainRequest, drawn: object) -> None:
        """Ask about ``request``, unless that was the last question, with the same polygons ``drawn``."""
        question = (request, drawn)
        if question == self._last:
            return
        copy = self._copy = self._training.copy()
        if not copy:
            return
        self._last = question
        self.asked.emit()
        layers = tuple(replace(layer, labels=copy) for layer in request.layers)
        call(
            self,
            self.tr("Estimating the training"),
            partial(_plan_and_forget, replace(request, layers=layers)),
            partial(self._on_planned, question),
            partial(self._on_failed, question),
        )

    def forget(self) -> None:
        """Ask again next time, and tell no answer that is still to come."""
        self._last = None

    def close(self) -> None:
        """Remove the copy of an estimate that nobody has begun."""
        forget_scratch(self._copy)

    def _on_planned(self, question: object, plan: Dict[str, Any]) -> None:
        if question == self._last:
            self.planned.emit(plan)

    def _on_failed(self, question: object, error: ErrorInfo) -> None:
        if question == self._last:
            self._last = None
            self.failed.emit(error)


def _plan_and_forget(request: TrainRequest, client: Client) -> Dict[str, Any]:
    try:
        return client.plan(request)
    finally:
        forget_scratch(request.layers[0].labels)
