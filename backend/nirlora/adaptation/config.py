"""From what the user asked for to the numbers of a run: sizes, rates, decoder and head."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nirlora.protocol import AdaptRequest
from nirlora.training.augment import AugmentConfig
from nirlora.training.config import TOKEN_GOAL_PX, common_step, default_input_px, default_zoom

# Peak rates of the backbone at a token width of 768, and of what is new around it; see docs/results.md.
_RATES = {"mae": 4e-4, "dino": 2e-4}
_NEW_RATES = {"mae": 2e-3, "dino": 5e-4}
_WIDE = 768  # from this width on, decoder and head have the published sizes
_LOCAL_SHARE = 7 / 16  # side of a local view over that of a global one: 98 of 224 px
_PASSES, _LEAST_STEPS, _MOST_STEPS = 100, 300, 20_000


@dataclass(frozen=True)
class BackboneSize:
    """Patch in model pixels, width of tokens, number of blocks, raster pixels that a token should cover."""

    patch: int
    width: int
    depth: int
    token_px: int = TOKEN_GOAL_PX


@dataclass(frozen=True)
class AdaptRecipe:
    """Numbers of a run that follow from the request and the backbone.

    Attributes:
        chip_px: Side of a chip in raster pixels.
        input_px: Side of a (global) view in model pixels.
        local_px: Side of a local view in model pixels.
        zoom: ``input_px / chip_px``.
        steps: Optimiser steps.
        rate: Peak learning rate of the backbone.
        new_rate: Of decoder, heads and mask token.
        backbone_warmup: Share of the run over which the backbone's rate rises, where anything around it
            starts random; see training/schedule.py.
        weight_decay: At the start and at the end of the run.
        betas: Of AdamW.
        layer_decay: Factor of the rate from one block to the one below it.
        scale: Share of a chip's area that a (global) view shows.
        local_scale: Of a local view.
        decoder: Depth, width and heads of a new MAE decoder.
        head: Hidden width, bottleneck and prototypes of the DINO head.
    """

    chip_px: int
    input_px: int
    local_px: int
    zoom: float
    steps: int
    rate: float
    new_rate: float
    backbone_warmup: float
    weight_decay: tuple[float, float]
    betas: tuple[float, float]
    layer_decay: float
    scale: tuple[float, float]
    local_scale: tuple[float, float]
    decoder: tuple[int, int, int]
    head: tuple[int, int, int]
    augment: AugmentConfig
    clip_norm: float


def make_recipe(request: AdaptRequest, size: BackboneSize, valid_px: int, pretrained: bool) -> AdaptRecipe:
    """Choose sizes, rates and length.

    Sizes of decoder and head, scales of views, weight decay, betas and layer decay are those of the published
    runs (He et al. 2021; Oquab et al. 2023; ExPLoRA's scripts) for backbones from ViT-B on, smaller for
    smaller ones. The rate is our own: the published ones are for batches of 1024.

    Args:
        request: Checked.
        size: Of the backbone.
        valid_px: Valid pixels of all rasters.
        pretrained: Whether the backbone knows something that a random decoder or head could spoil.
    """
    patch, width = size.patch, size.width
    zoom = request.zoom or default_zoom(patch, size.token_px)
    wanted = request.chip_px * zoom if request.chip_px else default_input_px(patch, size.token_px)
    step = common_step(patch, zoom)
    input_px = max(step, round(wanted / step) * step)
    chip_px = max(1, round(input_px / zoom))
    wide, mae = width >= _WIDE, request.objective == "mae"
    narrow = max(64, round(width / 48) * 32)  # two thirds of the encoder's, in whole heads of 32
    passes = math.ceil(_PASSES * valid_px / chip_px**2 / (request.batch * request.accumulate))
    return AdaptRecipe(
        chip_px=chip_px,
        input_px=input_px,
        local_px=max(1, round(input_px * _LOCAL_SHARE / patch)) * patch,
        zoom=input_px / chip_px,
        steps=request.steps or min(max(passes, _LEAST_STEPS), _MOST_STEPS),
        rate=request.learning_rate or _RATES[request.objective] * math.sqrt(_WIDE / width),
        new_rate=request.learning_rate or _NEW_RATES[request.objective],
        backbone_warmup=0.2 if pretrained else 0.0,
        weight_decay=(0.0, 0.0) if mae else (0.04, 0.4),
        betas=(0.9, 0.95) if mae else (0.9, 0.999),
        layer_decay=1.0 if mae else 0.9,
        scale=(0.2, 1.0) if mae else (0.32, 1.0),
        local_scale=(0.05, 0.32),
        decoder=(8, 512, 16) if wide else (max(2, size.depth // 3), narrow, narrow // 32),
        head=(2048 if wide else 512, 256, request.prototypes or (65_536 if wide else 4_096)),
        augment=AugmentConfig(),
        clip_norm=3.0,
    )
