"""nirlora:export"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
)

from nir_lora_plugin.protocol import ExportRequest, LayerRef
from nir_lora_plugin.translation import translate

from .algorithm import NirLoraAlgorithm, Parameters, model_parameter
from .options import Option
from .rasters import extent_parameters, raster_input


class ExportAlgorithm(NirLoraAlgorithm):
    """Write a model as one ONNX file."""

    kind = "export"
    icon_name = "export"
    request_type = ExportRequest

    def displayName(self) -> str:
        """In the toolbox."""
        return translate("Processing", "Export a model to ONNX")

    def shortDescription(self) -> str:
        """In a tooltip."""
        return translate("Processing", "Writes a model as one ONNX file that runs without PyTorch.")

    def about(self) -> str:
        """At the top of the help."""
        return translate(
            "Processing",
            "Writes a model as one ONNX file that runs without PyTorch, and compares both on real pieces of a"
            " raster; a file that does not agree with the model is not written.",
        )

    def tags(self) -> List[str]:
        """Words to find it by."""
        return ["onnx", "deepness", "share", "nir"]

    def files(self) -> List[QgsProcessingParameterDefinition]:
        """Model, raster, ONNX file."""
        raster = QgsProcessingParameterRasterLayer(
            "INPUT", translate("Processing", "Raster to compare on"), optional=True
        )
        raster.setHelp(translate("Processing", "Left out: the first raster that the model was trained on."))
        self.addOutput(QgsProcessingOutputNumber("MAX_DIFF", translate("Processing", "Largest difference")))
        self.addOutput(
            QgsProcessingOutputNumber("AGREEMENT", translate("Processing", "Share of equal pixels"))
        )
        self.addOutput(QgsProcessingOutputString("CHIPS", translate("Processing", "Compared on")))
        onnx = QgsProcessingParameterFileDestination(
            "OUTPUT", translate("Processing", "ONNX file"), translate("Processing", "ONNX (*.onnx)")
        )
        return [model_parameter(), raster, onnx, *extent_parameters()]

    def options(self) -> List[Option]:
        """What else can be told."""
        zero = translate("Processing", "0: chosen.")
        return [
            Option("tile_px", translate("Processing", "Side of a tile [raster pixels]"), zero),
            Option("num_chips", translate("Processing", "Pieces to compare on"), range=(1, None)),
            Option("max_difference", translate("Processing", "Largest difference allowed"), zero),
            Option(
                "min_agreement",
                translate("Processing", "Smallest share of equal pixels allowed"),
                range=(0, 1),
            ),
            Option("backbone", translate("Processing", "Where the backbone's weights are, when they moved")),
            Option("overwrite", translate("Processing", "Replace an existing file")),
        ]

    def prepare(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Read layers and paths."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        self.rasters = [] if layer is None else [raster_input(self, layer, parameters, context)]
        self._model = self.parameterAsFile(parameters, "MODEL", context)
        self._out = self.parameterAsFileOutput(parameters, "OUTPUT", context)

    def request(self, rasters: Sequence[LayerRef], fields: Dict[str, Any]) -> ExportRequest:
        """The request."""
        return ExportRequest(
            model=self._model, out=self._out, layer=rasters[0] if rasters else None, **fields
        )

    def results(self, result: Dict[str, Any], context: QgsProcessingContext) -> Dict[str, Any]:
        """The file, and how well it agrees."""
        return {
            "OUTPUT": result["onnx"],
            "MAX_DIFF": result["max_difference"],
            "AGREEMENT": result["agreement"],
            "CHIPS": result["chips"],
        }
