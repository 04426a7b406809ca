"""The parameters of a training that are no layers and files; for the reader of the form, in plain words."""

from __future__ import annotations

from typing import List

from nir_lora_plugin.translation import translate

from .options import Option
from .target_options import target_options

# The backend's own, which the plugin cannot import; a test compares them.
ADAPTERS = (
    "lora", "frozen", "full", "layernorm", "bitfit", "adapter", "adaptformer", "convpass", "lorand",
    "vpt-shallow", "vpt-deep", "ivpt", "e2vpt", "mufa",
)  # fmt: skip
HEADS = ("detail", "linear", "aspp", "uper")


def train_options() -> List[Option]:
    """The basic ones first, then by subject: data, network, training, target."""
    return [*_basic(), *_data(), *_network(), *_schedule(), *target_options(), device_option()]


def bands_option(help_text: str) -> Option:
    """Which band is what."""
    return Option("bands", translate("Processing", "Bands"), help_text, basic=True)


def reflectance_options() -> List[Option]:
    """What pixel values mean, when the file does not say."""
    scale = translate("Processing", "Reflectance = pixel value * scale + offset. Left out: from the file.")
    return [
        Option("reflectance_scale", translate("Processing", "Reflectance scale"), scale, range=(None, None)),
        Option(
            "reflectance_offset", translate("Processing", "Reflectance offset"), scale, range=(None, None)
        ),
    ]


def device_option() -> Option:
    """Where to compute."""
    text = translate("Processing", "auto takes the GPU if there is one; else cpu, cuda, cuda:1, mps.")
    return Option("device", translate("Processing", "Device"), text)


def _basic() -> List[Option]:
    return [
        Option("class_field", translate("Processing", "Field with the class"), basic=True),
        bands_option(
            translate(
                "Processing",
                "What the model sees: nir, or nir,red,green, or band numbers such as 5,4,3, or an index"
                " such as ndvi. Left out: the near-infrared band, found by name, wavelength or sensor.",
            )
        ),
        Option(
            "max_seconds",
            translate("Processing", "Time limit [s]"),
            translate("Processing", "The training plans to be finished by then. 0: no limit."),
            basic=True,
        ),
        Option(
            "epochs",
            translate("Processing", "Epochs"),
            translate("Processing", "Passes; each ends with a validation on the held-out labels."),
            range=(1, None),
            basic=True,
        ),
    ]


def _data() -> List[Option]:
    return [
        Option(
            "classes",
            translate("Processing", "Classes"),
            translate(
                "Processing", "Keep only these, in this order, with commas between. Left out: all found."
            ),
        ),
        Option(
            "positive_class",
            translate("Processing", "Positive class"),
            translate("Processing", "A job of two classes: this one against the rest."),
        ),
        *reflectance_options(),
        Option(
            "point_buffer_m",
            translate("Processing", "Radius around labelled points [m]"),
            translate("Processing", "0: one pixel and a half."),
        ),
        Option(
            "val_fraction",
            translate("Processing", "Share of the labels held out for validation"),
            range=(0, 0.5),
        ),
    ]


def _network() -> List[Option]:
    return [
        Option(
            "preset",
            translate("Processing", "Preset"),
            translate(
                "Processing",
                "A paper's protocol: lora-nir with a positive class, transda with target rasters.",
            ),
        ),
        Option(
            "backbone",
            translate("Processing", "Backbone"),
            translate("Processing", "A name, or a file or folder of weights. Left out: the default."),
        ),
        Option("pretrained", translate("Processing", "Start from pretrained weights")),
        Option(
            "stem",
            translate("Processing", "How bands enter a network made for RGB"),
            choices=("auto", "replicate", "rgb", "by_role", "positional"),
        ),
        Option(
            "normalisation",
            translate("Processing", "How channels are normalised"),
            translate(
                "Processing", "backbone: by its mean and deviation; mean: only less the training's mean."
            ),
            choices=("backbone", "mean"),
        ),
        Option(
            "adapter",
            translate("Processing", "What of the backbone is trained"),
            translate("Processing", "lora: low-rank additions; frozen: nothing; full: everything."),
            choices=ADAPTERS,
        ),
        Option(
            "adapter_options",
            translate("Processing", "Options of the adapter"),
            translate("Processing", "NAME=VALUE, several with semicolons between. A wrong name lists them."),
        ),
        Option("rank", translate("Processing", "LoRA rank"), range=(1, None)),
        Option(
            "alpha",
            translate("Processing", "LoRA alpha"),
            translate("Processing", "The additions are scaled by alpha / rank. 0: alpha is the rank."),
        ),
        Option(
            "blocks",
            translate("Processing", "Blocks that are adapted"),
            translate("Processing", "all, or last:4 for the last four."),
        ),
        Option("head", translate("Processing", "Head"), choices=HEADS),
        Option("aspp_rates", translate("Processing", "Dilation rates of the aspp head")),
        Option(
            "zoom",
            translate("Processing", "Zoom [model input pixels per raster pixel]"),
            translate("Processing", "More finds finer detail and takes longer. 0: chosen."),
        ),
    ]


def _schedule() -> List[Option]:
    zero = translate("Processing", "0: chosen.")
    return [
        Option("chip_px", translate("Processing", "Side of a training chip [raster pixels]"), zero),
        Option("batch", translate("Processing", "Chips per step"), range=(1, None)),
        Option("steps_per_epoch", translate("Processing", "Steps per epoch"), zero),
        Option("learning_rate", translate("Processing", "Learning rate"), zero),
        Option(
            "patience",
            translate("Processing", "Stop after epochs without a better score"),
            translate("Processing", "0: never."),
        ),
        Option("seed", translate("Processing", "Seed of everything random"), range=(None, None)),
        Option(
            "resume",
            translate("Processing", "Resume"),
            translate("Processing", "Go on from the last checkpoint of the same training."),
        ),
        Option("overwrite", translate("Processing", "Replace an existing model")),
    ]
