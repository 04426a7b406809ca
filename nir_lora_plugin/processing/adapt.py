"""nirlora:adapt"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
)

from nir_lora_plugin.protocol import AdaptRequest, LayerRef
from nir_lora_plugin.translation import translate

from .adapt_options import adapt_options
from .algorithm import NirLoraAlgorithm, Parameters
from .files import move
from .options import Option
from .rasters import extent_parameters, raster_input

_SUFFIX = ".nirlora-backbone"


class AdaptAlgorithm(NirLoraAlgorithm):
    """Go on pretraining a backbone on rasters that nobody has labelled."""

    kind = "adapt"
    icon_name = "adapt"
    request_type = AdaptRequest

    def displayName(self) -> str:
        """In the toolbox."""
        return translate("Processing", "Adapt to rasters without labels")

    def shortDescription(self) -> str:
        """In a tooltip."""
        return translate("Processing", "Lets a network get used to rasters that nobody has labelled.")

    def about(self) -> str:
        """At the top of the help."""
        return translate(
            "Processing",
            "Goes on with the pretraining of a backbone on rasters without labels (ExPLoRA), so that it knows"
            " the sensor and the fields before it is trained on a few polygons. The file that comes out is a"
            " backbone of trainings: give it to Train a model as Backbone. A training is better for it on"
            " some fields and not on others: compare.",
        )

    def tags(self) -> List[str]:
        """Words to find it by."""
        return ["explora", "self-supervised", "pre-training", "mae", "dino", "lora", "nir", "backbone"]

    def files(self) -> List[QgsProcessingParameterDefinition]:
        """Rasters, backbone file and report."""
        rasters = QgsProcessingParameterMultipleLayers(
            "INPUT", translate("Processing", "Rasters"), QgsProcessing.SourceType.TypeRaster
        )
        rasters.setHelp(translate("Processing", "Every valid pixel is looked at; labels are not needed."))
        backbone = QgsProcessingParameterFileDestination(
            "OUTPUT",
            translate("Processing", "Adapted backbone"),
            translate("Processing", "NIR-LoRA backbone (*.nirlora-backbone)"),
        )
        report = QgsProcessingParameterFileDestination(
            "REPORT",
            translate("Processing", "Report"),
            translate("Processing", "HTML page (*.html)"),
            optional=True,
            createByDefault=False,
        )
        report.setHelp(translate("Processing", "Left out: beside the backbone."))
        self.addOutput(QgsProcessingOutputNumber("STEPS", translate("Processing", "Steps")))
        self.addOutput(QgsProcessingOutputNumber("FIRST_LOSS", translate("Processing", "Loss at the start")))
        self.addOutput(QgsProcessingOutputNumber("LAST_LOSS", translate("Processing", "Loss at the end")))
        self.addOutput(QgsProcessingOutputNumber("SECONDS", translate("Processing", "Time [s]")))
        return [rasters, backbone, report, *extent_parameters()]

    def options(self) -> List[Option]:
        """Everything an adaptation can be told."""
        return adapt_options()

    def prepare(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Read layers and paths."""
        layers = self.parameterAsLayerList(parameters, "INPUT", context)
        if not layers:
            raise QgsProcessingException(translate("Processing", "There is no raster to adapt to."))
        self.rasters = [raster_input(self, layer, parameters, context) for layer in layers]
        self._out = _whole(self.parameterAsFileOutput(parameters, "OUTPUT", context))
        self._report = self.parameterAsFileOutput(parameters, "REPORT", context)

    def request(self, rasters: Sequence[LayerRef], fields: Dict[str, Any]) -> AdaptRequest:
        """The request."""
        return AdaptRequest(layers=tuple(rasters), out=self._out, **fields)

    def results(self, result: Dict[str, Any], context: QgsProcessingContext) -> Dict[str, Any]:
        """Backbone, report and losses."""
        losses = result["losses"]
        return {
            "OUTPUT": result["backbone"],
            "REPORT": move(result["report"], self._report),
            "STEPS": result["steps"],
            "FIRST_LOSS": losses.get("first", {}).get("loss"),
            "LAST_LOSS": losses.get("last", {}).get("loss"),
            "SECONDS": result["seconds"],
        }


def _whole(path: str) -> str:
    """The suffix has a hyphen, before which QGIS takes its end to be."""
    return path + _SUFFIX[len(".nirlora") :] if path.endswith(".nirlora") else path
