"""A job's progress as Processing shows it: the bar, its text, and a log of what changed."""

from __future__ import annotations

from typing import Container, Dict, List, Set

from qgis.core import QgsProcessingFeedback

from nir_lora_plugin.protocol import JobRecord
from nir_lora_plugin.translation import translate

from .words import with_parameters


class Follower:
    """Tells ``feedback`` about a job, each thing once."""

    def __init__(self, feedback: QgsProcessingFeedback, names: Container[str]) -> None:
        self._feedback = feedback
        self._names = names  # of the algorithm's parameters
        self._stage = ""
        self._miou = -1.0
        self._warnings: Set[str] = set()

    def see(self, record: JobRecord) -> None:
        """Take in the job as it is now."""
        progress = record.progress
        self._feedback.setProgress(100.0 * progress.fraction)
        if record.state == "queued":
            self._enter(translate("Processing", "Queued"))
        elif record.state == "running":
            self._enter(progress.stage)
        self._tell_metrics(progress.metrics)
        for warning in record.warnings:
            if warning not in self._warnings:
                self._warnings.add(warning)
                self._feedback.pushWarning(with_parameters(warning, self._names))

    def _enter(self, stage: str) -> None:
        if stage != self._stage:
            self._stage = stage
            self._feedback.setProgressText(stage)

    def _tell_metrics(self, metrics: Dict[str, float]) -> None:
        """A line for each new validation, not for each step."""
        miou = metrics.get("miou")
        if miou is None or miou == self._miou:
            return
        self._miou = miou
        parts: List[str] = [translate("Processing", "mIoU {:.3f}").format(miou)]
        if "loss" in metrics:
            parts.append(translate("Processing", "loss {:.3f}").format(metrics["loss"]))
        self._feedback.pushInfo(", ".join(parts))
