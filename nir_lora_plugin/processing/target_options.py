"""The parameters of carrying a model to rasters without labels (self-training), for advanced users."""

from __future__ import annotations

from typing import List

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterMultipleLayers,
)

from nir_lora_plugin.translation import translate

from .options import Option


def target_layers() -> List[QgsProcessingParameterDefinition]:
    """The rasters, and labels of theirs for scores."""
    rasters = QgsProcessingParameterMultipleLayers(
        "TARGET_LAYERS",
        translate("Processing", "Rasters without labels that the model is carried to"),
        QgsProcessing.SourceType.TypeRaster,
        optional=True,
    )
    rasters.setHelp(translate("Processing", "Self-training: the model teaches itself on them, in rounds."))
    labels = QgsProcessingParameterMultipleLayers(
        "TARGET_LABELS",
        translate("Processing", "Labels of those rasters, for scores alone"),
        QgsProcessing.SourceType.TypeMapLayer,
        optional=True,
    )
    for parameter in (rasters, labels):
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return [rasters, labels]


def target_options() -> List[Option]:
    """How it is carried over; without target rasters they mean nothing."""
    return [
        Option("target_bands", translate("Processing", "Bands of the target rasters")),
        Option(
            "target_values",
            translate("Processing", "Scale the target's pixels by its own range, or as the source's"),
            choices=("auto", "own", "source"),
        ),
        Option(
            "stabiliser",
            translate("Processing", "What keeps self-training steady"),
            translate("Processing", "LoRA, a slow average of the network that teaches (ema), or both."),
            choices=("lora", "ema", "lora+ema", "none"),
        ),
        Option("rounds", translate("Processing", "Rounds with pseudo-labels"), range=(0, None)),
        Option(
            "round_start",
            translate("Processing", "Weights that a round starts from"),
            choices=("continue", "pretrained"),
        ),
        Option(
            "class_shares",
            translate("Processing", "How often classes are said"),
            translate("Processing", "As in the source's labels, or as training on rare classes left it."),
            choices=("source", "trained"),
        ),
        Option(
            "min_confidence",
            translate("Processing", "Leave out pseudo-labels less sure than"),
            translate("Processing", "0: none are left out."),
            range=(0, 1),
        ),
        Option(
            "adversarial_weight",
            translate("Processing", "Weight of making both rasters' features alike"),
            translate("Processing", "0: no discriminators."),
        ),
        Option(
            "discriminator",
            translate("Processing", "What the discriminator tells apart"),
            choices=("binary", "class"),
        ),
    ]
