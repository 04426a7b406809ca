"""The provider; QGIS's desktop and qgis_process both get it from the plugin's ``initProcessing``."""

from __future__ import annotations

from typing import List

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from nir_lora_plugin import paths

from .adapt import AdaptAlgorithm
from .evaluate import EvaluateAlgorithm
from .export import ExportAlgorithm
from .segment import SegmentAlgorithm
from .train import TrainAlgorithm

ALGORITHMS = (TrainAlgorithm, AdaptAlgorithm, SegmentAlgorithm, EvaluateAlgorithm, ExportAlgorithm)


class NirLoraProvider(QgsProcessingProvider):
    """The algorithms of NIR-LoRA."""

    def id(self) -> str:
        """Never changes: models and scripts name it."""
        return "nirlora"

    def name(self) -> str:
        """As the toolbox shows it."""
        return "NIR-LoRA"

    def icon(self) -> QIcon:
        """The plugin's own."""
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        """The same, for where QGIS wants a path."""
        return str(paths.resource("icon.svg"))

    def loadAlgorithms(self) -> None:
        """Called by QGIS when it is time."""
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())

    def supportsNonFileBasedOutput(self) -> bool:
        """The backend writes files, no layers in memory."""
        return False

    def supportedOutputRasterLayerExtensions(self) -> List[str]:
        """GeoTIFF."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> List[str]:
        """GeoPackage."""
        return ["gpkg"]
