"""nirlora:segment"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Sequence

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from nir_lora_plugin.protocol import LayerRef, SegmentRequest
from nir_lora_plugin.translation import translate

from .algorithm import NirLoraAlgorithm, Parameters, model_parameter
from .files import move
from .inputs import area_path
from .options import Option
from .rasters import extent_parameters, raster_input
from .styling import style_when_loaded
from .train_options import bands_option, device_option, reflectance_options


class SegmentAlgorithm(NirLoraAlgorithm):
    """Apply a model to a raster."""

    kind = "segment"
    icon_name = "segment"
    request_type = SegmentRequest

    def displayName(self) -> str:
        """In the toolbox."""
        return translate("Processing", "Segment NIR layer")

    def shortDescription(self) -> str:
        """In a tooltip."""
        return translate(
            "Processing", "Applies a model to a raster: a class for every pixel, on the raster's own grid."
        )

    def about(self) -> str:
        """At the top of the help."""
        return translate(
            "Processing",
            "Applies a model to a raster. The map lies on exactly the grid of the raster, with a class in"
            " every pixel and 255 where the raster has no data. A table of areas, in hectares, is written"
            " beside it.",
        )

    def tags(self) -> List[str]:
        """Words to find it by."""
        return ["nir", "predict", "inference", "deep learning", "classification", "segmentation", "map"]

    def files(self) -> List[QgsProcessingParameterDefinition]:
        """Raster, model, area, and what to write."""
        area = QgsProcessingParameterFeatureSource(
            "AOI",
            translate("Processing", "Area: polygons outside of which nothing is mapped"),
            [QgsProcessing.SourceType.TypeVectorPolygon],
            optional=True,
        )
        self.addOutput(QgsProcessingOutputString("AREA_TABLE", translate("Processing", "Areas (JSON)")))
        self.addOutput(QgsProcessingOutputNumber("HECTARES", translate("Processing", "Mapped area [ha]")))
        self.addOutput(QgsProcessingOutputNumber("VALID_PIXELS", translate("Processing", "Mapped pixels")))
        self.addOutput(QgsProcessingOutputNumber("SECONDS", translate("Processing", "Time [s]")))
        return [
            QgsProcessingParameterRasterLayer("INPUT", translate("Processing", "Raster")),
            model_parameter(),
            area,
            *self._destinations(),
            *extent_parameters(),
        ]

    def _destinations(self) -> List[QgsProcessingParameterDefinition]:
        areas = QgsProcessingParameterFileDestination(
            "AREAS",
            translate("Processing", "Table of areas"),
            translate("Processing", "Table (*.csv)"),
            optional=True,
            createByDefault=False,
        )
        areas.setHelp(translate("Processing", "Left out: beside the map."))
        return [
            QgsProcessingParameterRasterDestination("OUTPUT", translate("Processing", "Map")),
            QgsProcessingParameterRasterDestination(
                "CONFIDENCE", translate("Processing", "Confidence"), optional=True, createByDefault=False
            ),
            QgsProcessingParameterRasterDestination(
                "PROBABILITIES",
                translate("Processing", "Probability of every class"),
                optional=True,
                createByDefault=False,
            ),
            QgsProcessingParameterVectorDestination(
                "POLYGONS",
                translate("Processing", "Polygons"),
                QgsProcessing.SourceType.TypeVectorPolygon,
                optional=True,
                createByDefault=False,
            ),
            areas,
        ]

    def options(self) -> List[Option]:
        """What else can be told."""
        bands = translate(
            "Processing",
            "Which band of this raster is what, when the file does not say: nir=4,red=3. Left out: found.",
        )
        zero = translate("Processing", "0: chosen.")
        return [
            Option(
                "min_area_m2",
                translate("Processing", "Leave out polygons smaller than [m²]"),
                basic=True,
            ),
            bands_option(bands),
            *reflectance_options(),
            Option(
                "allow_mismatch",
                translate("Processing", "Map even if the raster does not fit the model"),
                translate("Processing", "Bands, value range or pixel size differ from the training's."),
            ),
            Option("tile_px", translate("Processing", "Side of a tile [raster pixels]"), zero),
            Option("overlap_px", translate("Processing", "Overlap of tiles [raster pixels]"), zero),
            Option("batch", translate("Processing", "Tiles at a time"), zero),
            Option(
                "backbone",
                translate("Processing", "Where the backbone's weights are, when they moved"),
            ),
            Option("overwrite", translate("Processing", "Replace an earlier map")),
            device_option(),
        ]

    def prepare(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Read layers and paths."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        self.rasters = [raster_input(self, layer, parameters, context)]
        self._model = self.parameterAsFile(parameters, "MODEL", context)
        self._aoi = area_path(self, parameters, "AOI", context, feedback)
        self._wanted = {
            name: self.parameterAsOutputLayer(parameters, name, context)
            for name in ("OUTPUT", "CONFIDENCE", "PROBABILITIES", "POLYGONS")
        }
        self._wanted["AREAS"] = self.parameterAsFileOutput(parameters, "AREAS", context)

    def request(self, rasters: Sequence[LayerRef], fields: Dict[str, Any]) -> SegmentRequest:
        """The request."""
        return SegmentRequest(
            layer=rasters[0],
            model=self._model,
            out=self._wanted["OUTPUT"],
            confidence=bool(self._wanted["CONFIDENCE"]),
            probabilities=bool(self._wanted["PROBABILITIES"]),
            polygons=self._wanted["POLYGONS"],
            aoi=self._aoi,
            **fields,
        )

    def results(self, result: Dict[str, Any], context: QgsProcessingContext) -> Dict[str, Any]:
        """The files where they are wanted, and the areas as numbers."""
        made = {kind.upper(): path for kind, path in result["outputs"].items()} | {"OUTPUT": result["map"]}
        outputs = {name: move(made.get(name, ""), wanted) for name, wanted in self._wanted.items()}
        style_when_loaded(outputs, result, context)
        areas = result["areas"]
        return {
            **{name: path for name, path in outputs.items() if path},
            "AREA_TABLE": json.dumps({area["name"]: area["hectares"] for area in areas}),
            "HECTARES": sum(area["hectares"] for area in areas),
            "VALID_PIXELS": result["valid_pixels"],
            "SECONDS": result["seconds"],
        }
