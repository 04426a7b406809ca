"""nirlora:evaluate"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Sequence

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterRasterLayer,
)

from nir_lora_plugin.protocol import EvaluateRequest, LayerRef
from nir_lora_plugin.translation import translate

from .algorithm import NirLoraAlgorithm, Parameters, model_parameter
from .inputs import labels_path
from .options import Option
from .rasters import extent_parameters, raster_input
from .train_options import bands_option, device_option, reflectance_options


class EvaluateAlgorithm(NirLoraAlgorithm):
    """Compare a model's map of a raster with reference labels."""

    kind = "evaluate"
    icon_name = "report"
    request_type = EvaluateRequest

    def displayName(self) -> str:
        """In the toolbox."""
        return translate("Processing", "Evaluate a model")

    def shortDescription(self) -> str:
        """In a tooltip."""
        return translate("Processing", "Compares a model's map of a raster with reference labels.")

    def about(self) -> str:
        """At the top of the help."""
        return translate(
            "Processing",
            "Maps a raster and compares the map with reference labels that the model was not trained on:"
            " IoU, F1, precision and recall of every class, their means, and the confusion matrix.",
        )

    def tags(self) -> List[str]:
        """Words to find it by."""
        return ["accuracy", "iou", "f1", "confusion matrix", "validation", "nir"]

    def files(self) -> List[QgsProcessingParameterDefinition]:
        """Raster, model, reference, scores."""
        scores = QgsProcessingParameterFileDestination(
            "OUTPUT",
            translate("Processing", "Scores"),
            translate("Processing", "JSON (*.json)"),
            optional=True,
        )
        self.addOutput(QgsProcessingOutputNumber("MIOU", translate("Processing", "Mean IoU")))
        self.addOutput(QgsProcessingOutputNumber("MEAN_F1", translate("Processing", "Mean F1")))
        self.addOutput(QgsProcessingOutputNumber("ACCURACY", translate("Processing", "Accuracy")))
        self.addOutput(
            QgsProcessingOutputNumber("LABELLED_PIXELS", translate("Processing", "Labelled pixels"))
        )
        self.addOutput(QgsProcessingOutputString("METRICS", translate("Processing", "Scores (JSON)")))
        return [
            QgsProcessingParameterRasterLayer("INPUT", translate("Processing", "Raster")),
            model_parameter(),
            QgsProcessingParameterMapLayer(
                "LABELS", translate("Processing", "Reference: polygons, points or a raster of classes")
            ),
            scores,
            *extent_parameters(),
        ]

    def options(self) -> List[Option]:
        """What else can be told."""
        bands = translate(
            "Processing",
            "Which band of this raster is what, when the file does not say: nir=4,red=3. Left out: found.",
        )
        return [
            Option("class_field", translate("Processing", "Field with the class"), basic=True),
            bands_option(bands),
            *reflectance_options(),
            Option(
                "allow_mismatch", translate("Processing", "Go on even if the raster does not fit the model")
            ),
            Option("backbone", translate("Processing", "Where the backbone's weights are, when they moved")),
            device_option(),
        ]

    def prepare(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Read layers and paths."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        self.rasters = [raster_input(self, layer, parameters, context)]
        self._model = self.parameterAsFile(parameters, "MODEL", context)
        reference = self.parameterAsLayer(parameters, "LABELS", context)
        self._labels = labels_path(reference, context, feedback)
        self._out = self.parameterAsFileOutput(parameters, "OUTPUT", context)

    def request(self, rasters: Sequence[LayerRef], fields: Dict[str, Any]) -> EvaluateRequest:
        """The request."""
        return EvaluateRequest(layer=replace(rasters[0], labels=self._labels), model=self._model, **fields)

    def results(self, result: Dict[str, Any], context: QgsProcessingContext) -> Dict[str, Any]:
        """The scores as numbers and as a file."""
        metrics = result["metrics"]
        outputs = {
            "MIOU": metrics.get("miou"),
            "MEAN_F1": metrics.get("mean_f1"),
            "ACCURACY": metrics.get("accuracy"),
            "LABELLED_PIXELS": result["labelled_pixels"],
            "METRICS": json.dumps(metrics),
        }
        if not self._out:
            return outputs
        try:
            Path(self._out).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise QgsProcessingException(f"{self._out}: {error.strerror or error}") from error
        return {"OUTPUT": self._out, **outputs}
