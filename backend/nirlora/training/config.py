"""From what the user asked for to the numbers of a run: chip size, zoom, rates, steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nirlora.adapters import adapter_spec
from nirlora.errors import OptionError
from nirlora.models.backbones import Backbone
from nirlora.protocol import TrainRequest
from nirlora.training.augment import AugmentConfig
from nirlora.training.limits import check_limits

# A token of a ViT/16 covers 16 x 16 model pixels, coarser than most field objects; upsampling the read
# until a token covers about this many raster pixels is what small objects need.
TOKEN_GOAL_PX = 8
# Side of a chip in tokens of that size, with any patch. (Measured on the RedEdge orchard and NAIP tiles with
# Galileo-nano, patch 8: chips of 24 tokens are better than chips of 12; see docs/results.md.)
CHIP_TOKENS = 24
# Peak rate of the head at a token width of 768, as the adapters' own rates are; measured on narrow backbones.
HEAD_RATE = 1.6e-3


@dataclass(frozen=True)
class Recipe:
    """Numbers of a run that follow from the request and the backbone.

    Attributes:
        chip_px: Side of a training chip in raster pixels.
        input_px: Side of the same chip in model pixels, a multiple of ``patch``.
        zoom: ``input_px / chip_px``.
        head_rate: Peak learning rate of the head.
        backbone_rate: Peak learning rate of what is trained inside the backbone.
        balance: Power of the inverse class frequency that weighs the cross-entropy; 0: all classes alike.
    """

    chip_px: int
    input_px: int
    head_rate: float
    backbone_rate: float
    weight_decay: float
    schedule: str
    dice_weight: float
    balance: float
    clip_norm: float
    backbone_warmup: float
    augment: AugmentConfig

    @property
    def zoom(self) -> float:
        """Model pixels per raster pixel."""
        return self.input_px / self.chip_px


def apply_preset(request: TrainRequest) -> TrainRequest:
    """Return ``request`` with the fields that its preset fixes.

    ``lora-nir`` is the binary protocol of Ulku et al. 2024: DeepLab ASPP head with one output, LoRA of
    rank 4 and unit scale on q and v of all blocks, 224 px chips at zoom 1, batch 8, 70 epochs, Adam at
    1e-4 falling 9 % every five epochs, cross-entropy only, no augmentation, last weights. Pixels are
    standardised as the backbone expects; the authors' code only subtracts the mean of the training
    images, which ``normalisation="mean"`` does. Their split is :func:`nirlora.training.folds.k_fold`. A run
    that names no backbone gets one of theirs, ViT-B/16.

    ``transda`` is the protocol of Chen et al. 2022 (arXiv:2203.07988) for self-training: UPerNet head, one
    rate of 6e-5, batches of 8 and 8, a warm-up and three rounds of 10,000 steps, plain cross-entropy; square
    chips of 768 px stand for its crops. The stabiliser and the backbone (theirs is Swin) are left open; LoRA
    has rank 8 and alpha 16.

    Raises:
        OptionError: Unknown preset, lora-nir without a positive class, or transda without a target.
    """
    if not request.preset:
        return request
    if request.preset == "transda":
        return _transda(request)
    if request.preset != "lora-nir":
        raise OptionError(f"There is no preset {request.preset!r}.", hint="Presets: lora-nir, transda.")
    if not request.positive_class:
        raise OptionError(
            "--preset lora-nir is a binary protocol and needs the class to find.",
            hint="Add --positive-class NAME, for example --positive-class crop.",
        )
    return replace(
        request,
        backbone=request.backbone or "vit-base",
        adapter="lora",
        rank=4,
        alpha=4.0,
        blocks="all",
        adapter_options={},
        head="aspp",
        aspp_rates=(12, 24, 36),
        zoom=1.0,
        chip_px=224,
        batch=8,
        epochs=70,
        learning_rate=1e-4,
        patience=0,
    )


def _transda(request: TrainRequest) -> TrainRequest:
    if not request.target_layers:
        raise OptionError(
            "--preset transda carries a model to a field without labels and needs that field.",
            hint="Add --target-layer RASTER.",
        )
    return replace(
        request,
        rank=8,
        alpha=16.0,
        head="uper",
        zoom=1.0,
        chip_px=768,
        batch=8,
        epochs=100,
        steps_per_epoch=100,
        learning_rate=6e-5,
        rounds=3,
        round_start="pretrained",
        class_shares="trained",
        min_confidence=0.0,
        adversarial_weight=0.001,
    )


def make_recipe(
    request: TrainRequest, patch: int, width: int, stride: int = 0, token_px: int = TOKEN_GOAL_PX
) -> Recipe:
    """Choose chip size, zoom and rates.

    Args:
        request: The request, its preset already applied.
        patch: The input's sides must be multiples of this, in model pixels.
        width: Token width of the backbone; narrow ones bear (and need) larger steps.
        stride: Model pixels per token; 0: ``patch``.
        token_px: Raster pixels that a token should cover.

    Raises:
        OptionError: A size, rate or fraction is out of its range.
    """
    check_limits(request)
    stride = stride or patch
    zoom = request.zoom or default_zoom(stride, token_px)
    wanted_input = request.chip_px * zoom if request.chip_px else default_input_px(stride, token_px)
    step = common_step(patch, zoom)
    input_px = max(step, round(wanted_input / step) * step)
    chip_px = max(1, round(input_px / zoom))
    scale = math.sqrt(768 / width)
    rate = request.learning_rate
    paper = request.preset == "lora-nir"
    plain = bool(request.preset)  # published protocols: cross-entropy alone
    return Recipe(
        chip_px=chip_px,
        input_px=input_px,
        head_rate=rate or HEAD_RATE * scale,
        backbone_rate=rate or adapter_spec(request.adapter).learning_rate * scale,
        weight_decay=0.0 if paper else 0.01,
        schedule=request.preset or "cosine",
        dice_weight=0.0 if plain else 1.0,
        balance=0.0 if plain else 0.5,
        clip_norm=0.0 if plain else 1.0,
        backbone_warmup=0.0 if plain else 0.2,
        augment=AugmentConfig(orientation=False, gain=0.0, offset=0.0) if paper else AugmentConfig(),
    )


def recipe_of(request: TrainRequest, backbone: Backbone) -> Recipe:
    """:func:`make_recipe` for ``backbone``, whose weights do not matter."""
    width, token_px = backbone.token_width, backbone.spec.token_px
    return make_recipe(request, backbone.patch, width, backbone.stride, token_px)


def steps_per_epoch(request: TrainRequest, labelled_px: int, chip_px: int) -> int:
    """Steps that show each labelled pixel about four times an epoch, between 20 and 100."""
    if request.steps_per_epoch:
        return request.steps_per_epoch
    chips = 4 * labelled_px / (chip_px * chip_px)
    return int(min(100, max(20, math.ceil(chips / request.batch))))


def class_weights(pixels: Sequence[int], balance: float) -> tuple[float, ...]:
    """Weights of the cross-entropy, ``(mean pixels / pixels of the class) ** balance``.

    Args:
        pixels: Labelled training pixels of each class; classes without any weigh as if they had one.
        balance: 0 gives no weights (an empty tuple), 1 makes all classes count alike.
    """
    if balance == 0:
        return ()
    mean = sum(pixels) / len(pixels)
    return tuple((mean / max(count, 1)) ** balance for count in pixels)


def default_zoom(stride: int, token_px: int) -> float:
    """Model pixels per raster pixel by which a token of ``stride`` covers ``token_px``; at least 1."""
    return max(1.0, stride / token_px)


def default_input_px(stride: int, token_px: int) -> int:
    """Side of a chip in model pixels: as much ground for large tokens as for those of the usual size."""
    return CHIP_TOKENS * stride * TOKEN_GOAL_PX // max(token_px, TOKEN_GOAL_PX)


def common_step(patch: int, zoom: float) -> int:
    """Smallest multiple of the patch that is a whole number of raster pixels at this zoom, or the patch."""
    for multiple in range(1, 9):
        raster_px = patch * multiple / zoom
        if abs(raster_px - round(raster_px)) < 1e-6:
            return patch * multiple
    return patch
