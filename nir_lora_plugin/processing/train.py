"""nirlora:train"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Dict, List, Sequence

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
)

from nir_lora_plugin.protocol import LayerRef, TrainRequest
from nir_lora_plugin.translation import translate

from .algorithm import NirLoraAlgorithm, Parameters
from .files import move
from .inputs import labels_path, paired
from .options import Option
from .rasters import extent_parameters, raster_input
from .target_options import target_layers
from .train_options import train_options


class TrainAlgorithm(NirLoraAlgorithm):
    """Train a model on the labelled pixels of one or more rasters."""

    kind = "train"
    icon_name = "train"
    request_type = TrainRequest

    def displayName(self) -> str:
        """In the toolbox."""
        return translate("Processing", "Train a model")

    def shortDescription(self) -> str:
        """In a tooltip."""
        return translate("Processing", "Trains a model on the labelled pixels of one or more rasters.")

    def about(self) -> str:
        """At the top of the help."""
        return translate(
            "Processing",
            "Trains a model on the labelled pixels of one or more rasters: a few polygons with a class each"
            " are enough, what is not labelled is ignored. Part of the polygons is held out, and the scores"
            " say how well the model does there.",
        )

    def tags(self) -> List[str]:
        """Words to find it by."""
        return ["nir", "lora", "fine-tune", "deep learning", "classification", "segmentation", "vit"]

    def files(self) -> List[QgsProcessingParameterDefinition]:
        """Rasters, labels, model and report."""
        rasters = QgsProcessingParameterMultipleLayers(
            "INPUT", translate("Processing", "Rasters"), QgsProcessing.SourceType.TypeRaster
        )
        labels = QgsProcessingParameterMultipleLayers(
            "LABELS",
            translate("Processing", "Labels: polygons, points or a raster of classes"),
            QgsProcessing.SourceType.TypeMapLayer,
            optional=True,
        )
        labels.setHelp(
            translate(
                "Processing",
                "One layer for all rasters, or one for each in the same order. Left out: the file"
                " <raster>_training.gpkg beside each raster, which the dock makes.",
            )
        )
        model = QgsProcessingParameterFileDestination(
            "OUTPUT", translate("Processing", "Model"), translate("Processing", "NIR-LoRA model (*.nirlora)")
        )
        report = QgsProcessingParameterFileDestination(
            "REPORT",
            translate("Processing", "Report"),
            translate("Processing", "HTML page (*.html)"),
            optional=True,
            createByDefault=False,
        )
        report.setHelp(translate("Processing", "Left out: beside the model."))
        self.addOutput(QgsProcessingOutputNumber("MIOU", translate("Processing", "mIoU of held-out labels")))
        self.addOutput(QgsProcessingOutputNumber("SECONDS", translate("Processing", "Time [s]")))
        self.addOutput(QgsProcessingOutputString("CLASSES", translate("Processing", "Classes")))
        self.addOutput(QgsProcessingOutputString("METRICS", translate("Processing", "Scores (JSON)")))
        return [rasters, labels, model, report, *target_layers(), *extent_parameters()]

    def options(self) -> List[Option]:
        """Everything a training can be told."""
        return train_options()

    def prepare(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Read layers and paths."""
        layers = self.parameterAsLayerList(parameters, "INPUT", context)
        if not layers:
            raise QgsProcessingException(translate("Processing", "There is no raster to train on."))
        targets = self.parameterAsLayerList(parameters, "TARGET_LAYERS", context)
        self.rasters = [raster_input(self, layer, parameters, context) for layer in (*layers, *targets)]
        self._labels = [*self._labels_of("LABELS", len(layers), parameters, context, feedback)]
        self._labels += self._labels_of("TARGET_LABELS", len(targets), parameters, context, feedback)
        self._sources = len(layers)
        self._out = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        self._report = self.parameterAsFileOutput(parameters, "REPORT", context)

    def request(self, rasters: Sequence[LayerRef], fields: Dict[str, Any]) -> TrainRequest:
        """The request."""
        layers = tuple(replace(ref, labels=labels) for ref, labels in zip(rasters, self._labels))
        sources, targets = layers[: self._sources], layers[self._sources :]
        return TrainRequest(layers=sources, target_layers=targets, out=self._out, **fields)

    def _labels_of(
        self,
        name: str,
        count: int,
        parameters: Parameters,
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> List[str]:
        layers = self.parameterAsLayerList(parameters, name, context)
        return paired([labels_path(layer, context, feedback) for layer in layers], count)

    def results(self, result: Dict[str, Any], context: QgsProcessingContext) -> Dict[str, Any]:
        """Model, report and scores."""
        metrics = result["metrics"]
        return {
            "OUTPUT": result["model"],
            "REPORT": move(result["report"], self._report),
            "MIOU": metrics.get("miou"),
            "SECONDS": result["seconds"],
            "CLASSES": ",".join(info["name"] for info in result["classes"]),
            "METRICS": json.dumps(metrics),
        }
