"""A raster layer as the backend gets it: its file, or a GeoTIFF that is written of it first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Union

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterExtent,
    QgsProcessingParameterNumber,
    QgsProcessingUtils,
    QgsRasterLayer,
)

from nir_lora_plugin.protocol import LayerRef
from nir_lora_plugin.translation import translate

if TYPE_CHECKING:
    from nir_lora_plugin.layers import ExportJob


@dataclass(frozen=True)
class RasterInput:
    """Made on the main thread; ``ready`` may be called on another."""

    source: Union[LayerRef, ExportJob]

    def ready(self, feedback: QgsProcessingFeedback) -> LayerRef:
        """The file, after writing it if need be.

        Raises:
            PluginError: It cannot be written, or that was cancelled.
        """
        if isinstance(self.source, LayerRef):
            return self.source
        feedback.setProgressText(translate("Processing", "Writing the layer to a GeoTIFF"))
        return self.source.run(lambda fraction, *_: feedback.setProgress(100 * fraction), feedback.isCanceled)


def extent_parameters() -> List[QgsProcessingParameterDefinition]:
    """What to write of a layer that is no file on this computer (web maps, databases)."""
    extent = QgsProcessingParameterExtent(
        "EXTENT", translate("Processing", "Extent to read of a layer that is no local file"), optional=True
    )
    pixel = QgsProcessingParameterNumber(
        "PIXEL_SIZE",
        translate("Processing", "Pixel size to read such a layer at [units of the layer's CRS]"),
        QgsProcessingParameterNumber.Type.Double,
        None,
        True,
        0,
    )
    note = translate("Processing", "Layers that are files on this computer are read as they are.")
    for parameter in (extent, pixel):
        parameter.setHelp(note)
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return [extent, pixel]


def raster_input(
    algorithm: QgsProcessingAlgorithm,
    layer: QgsRasterLayer,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
) -> RasterInput:
    """How the backend gets ``layer``; on the main thread.

    Raises:
        QgsProcessingException: The layer cannot be used.
        PluginError: Neither the layer nor the user says at which pixel size to read it.
    """
    from nir_lora_plugin.layers import layer_ref, prepare_export, why_not

    problem = why_not(layer)
    if problem:
        raise QgsProcessingException(problem)
    ref = layer_ref(layer)
    if ref is not None:
        return RasterInput(ref)
    extent = algorithm.parameterAsExtent(parameters, "EXTENT", context, layer.crs())
    extent = layer.extent() if extent.isEmpty() else extent
    resolution = algorithm.parameterAsDouble(parameters, "PIXEL_SIZE", context)  # 0: the layer's own
    path = QgsProcessingUtils.generateTempFilename("layer.tif")
    return RasterInput(prepare_export(layer, extent, resolution, path))
