"""The parameters of adapting to rasters without labels that are no layers and files."""

from __future__ import annotations

from typing import List

from nir_lora_plugin.translation import translate

from .options import Option
from .train_options import bands_option, device_option, reflectance_options


def adapt_options() -> List[Option]:
    """The basic ones first, then by subject: data, network, objective, run."""
    return [*_basic(), *reflectance_options(), *_network(), *_objective(), *_run(), device_option()]


def _basic() -> List[Option]:
    return [
        bands_option(
            translate(
                "Processing",
                "What the backbone gets used to: nir, or nir,red,green, or band numbers such as 5,4,3. Left"
                " out: the near-infrared band, found by name, wavelength or sensor.",
            )
        ),
        Option(
            "backbone",
            translate("Processing", "Backbone"),
            translate(
                "Processing",
                "What to go on with: a name, a file or folder of weights, or an adapted backbone. Left out:"
                " the default.",
            ),
            basic=True,
        ),
        Option(
            "objective",
            translate("Processing", "How it learns"),
            translate(
                "Processing",
                "mae: by drawing hidden parts of the image; dino: by agreeing on different views of a place,"
                " several times slower and for large batches.",
            ),
            choices=("mae", "dino"),
            basic=True,
        ),
        Option(
            "max_seconds",
            translate("Processing", "Time limit [s]"),
            translate("Processing", "The run plans to be finished by then. 0: no limit."),
            basic=True,
        ),
    ]


def _network() -> List[Option]:
    return [
        Option("pretrained", translate("Processing", "Start from pretrained weights")),
        Option(
            "stem",
            translate("Processing", "How bands enter a network made for RGB"),
            choices=("auto", "replicate", "rgb", "own", "by_role", "positional"),
        ),
        Option(
            "unfreeze",
            translate("Processing", "Blocks that train whole"),
            translate(
                "Processing",
                "last; 1,last; numbers from 1; none; all. Left out: last, or all of a network with random"
                " weights.",
            ),
        ),
        Option("rank", translate("Processing", "LoRA rank in the other blocks"), _no_lora()),
        Option(
            "alpha",
            translate("Processing", "LoRA alpha"),
            translate("Processing", "The additions are scaled by alpha / rank. 0: alpha is the rank."),
        ),
        Option(
            "patch_embedding",
            translate("Processing", "Whether the entry of the network trains"),
            translate("Processing", "auto: if the bands are new to it."),
            choices=("auto", "train", "freeze"),
        ),
        Option(
            "zoom",
            translate("Processing", "Zoom [model input pixels per raster pixel]"),
            translate("Processing", "More finds finer detail and takes longer. 0: chosen."),
        ),
        Option(
            "chip_px",
            translate("Processing", "Side of a training chip [raster pixels]"),
            translate("Processing", "0: chosen."),
        ),
    ]


def _objective() -> List[Option]:
    return [
        Option("mask_ratio", translate("Processing", "mae: share of hidden parts"), range=(0.1, 0.95)),
        Option(
            "decoder",
            translate("Processing", "mae: file with weights of a published decoder"),
            translate("Processing", "Left out: a new decoder."),
        ),
        Option("decoder_rank", translate("Processing", "mae: LoRA rank in a published decoder"), _no_lora()),
        Option(
            "centering",
            translate("Processing", "dino: how the teacher is balanced"),
            choices=("center", "sinkhorn"),
        ),
        Option(
            "prototypes",
            translate("Processing", "dino: size of the head"),
            translate("Processing", "0: chosen."),
        ),
        Option("local_crops", translate("Processing", "dino: small views of each chip")),
    ]


def _run() -> List[Option]:
    zero = translate("Processing", "0: chosen.")
    return [
        Option("batch", translate("Processing", "Chips at a time"), range=(1, None)),
        Option("accumulate", translate("Processing", "Times as many for each step"), range=(1, None)),
        Option("steps", translate("Processing", "Steps"), zero),
        Option("learning_rate", translate("Processing", "Learning rate"), zero),
        Option("seed", translate("Processing", "Seed of everything random"), range=(None, None)),
        Option(
            "resume",
            translate("Processing", "Resume"),
            translate("Processing", "Go on from the last checkpoint of the same run."),
        ),
        Option("overwrite", translate("Processing", "Replace an existing backbone")),
    ]


def _no_lora() -> str:
    return translate("Processing", "0: no LoRA.")
