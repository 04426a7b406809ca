"""From what the user asked for to the numbers of a run, and what cannot be asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nirlora.adapters import adapter_spec
from nirlora.errors import OptionError
from nirlora.protocol import ClassifyTrainRequest
from nirlora.training.config import TOKEN_GOAL_PX, common_step, default_input_px, default_zoom
from nirlora.training.limits import LIMITS, check_numbers

IMAGE_PX = 224
# Peak rate of the head at a token width of 768. (On standardised features of Galileo-nano, NAIP crops and
# orchard parcels: three times the rate of heads that draw maps is better in 150 steps, no worse in 600.)
HEAD_RATE = 5e-3
LEAST_TOKENS = 8  # a side of a chip, however small the parcels
MIN_STEPS = 20  # of an epoch
_OWN = {"input_px": (0.0, 4096.0), "label_smoothing": (0.0, 0.9), "val_fraction": (0.0, 0.95)}
_DEFAULT = ClassifyTrainRequest()
_OF_PARCELS = ("zoom", "chip_px", "class_field", "reflectance_scale", "reflectance_offset")
_OF_IMAGES = ("input_px",)
_LIMITS = {k: v for k, v in LIMITS.items() if k != "point_buffer_m"} | _OWN


@dataclass(frozen=True)
class Sizes:
    """What the network sees.

    Attributes:
        chip_px: Side in raster pixels; of images their own side, for the record.
        input_px: Side in model pixels, a multiple of the patch.
    """

    chip_px: int
    input_px: int

    @property
    def zoom(self) -> float:
        """Model pixels per raster pixel."""
        return self.input_px / self.chip_px


def check_request(request: ClassifyTrainRequest) -> None:
    """Refuse what cannot be trained, before anything is read.

    Raises:
        OptionError: A number is out of its range; or both images and layers were given, or neither.
    """
    check_numbers(request, _LIMITS)
    if bool(request.images) == bool(request.layers):
        given = "both" if request.images else "neither"
        raise OptionError(
            f"A folder of images or rasters with parcels was expected, got {given}.",
            hint="Give --images FOLDER, or --layer RASTER with --labels PARCELS.",
        )
    for name in _OF_PARCELS if request.images else _OF_IMAGES:
        if getattr(request, name) != getattr(_DEFAULT, name):
            kind = "parcels" if request.images else "images"
            raise OptionError(
                f"--{name.replace('_', '-')} is an option of {kind}.", hint="Leave it out for these data."
            )


def image_sizes(request: ClassifyTrainRequest, patch: int, side_px: int) -> Sizes:
    """Sizes for images of about ``side_px``: the wanted input side, at a multiple of the patch."""
    wanted = request.input_px or IMAGE_PX
    return Sizes(max(1, side_px), max(patch, round(wanted / patch) * patch))


def parcel_sizes(
    request: ClassifyTrainRequest,
    patch: int,
    stride: int,
    parcel_px: float,
    token_px: int = TOKEN_GOAL_PX,
) -> Sizes:
    """Sizes for parcels of about ``parcel_px``: a chip holds most of them with something around.

    Args:
        request: The request.
        patch: The input's side is a multiple of this.
        stride: Model pixels per feature of the backbone.
        parcel_px: Typical longer side of a parcel, in raster pixels.
        token_px: Raster pixels that a token should cover.
    """
    zoom = request.zoom or default_zoom(stride, token_px)
    wanted = request.chip_px * zoom
    if not wanted:
        wanted = min(max(1.25 * parcel_px * zoom, LEAST_TOKENS * stride), default_input_px(stride, token_px))
    step = common_step(patch, zoom)
    input_px = max(step, round(wanted / step) * step)
    return Sizes(max(1, round(input_px / zoom)), input_px)


def learning_rates(request: ClassifyTrainRequest, width: int) -> tuple[float, float]:
    """Peak rates of the head and of what is trained inside a backbone of token width ``width``."""
    if request.learning_rate:
        return request.learning_rate, request.learning_rate
    scale = math.sqrt(768 / width)
    return HEAD_RATE * scale, adapter_spec(request.adapter).learning_rate * scale


def steps_per_epoch(request: ClassifyTrainRequest, num_samples: int) -> int:
    """Steps of one pass over the training samples, at least 20."""
    return request.steps_per_epoch or max(MIN_STEPS, math.ceil(num_samples / request.batch))
