"""Batches of pretraining: parts of tiles at other scales, in other light, of which some channels are shown.

Batch ``step`` depends on nothing but the seed and ``step``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nirlora.adaptation.masks import visible_patches
from nirlora.raster.resample import resample
from nirlora.training.augment import orient
from pretraining.sources import SIDE
from pretraining.tiles import TileSet

RED, NIR = 0, 3
MEAN, STD = 0.5, 0.25  # of unit values, as the backbone expects them
CLIP_UNIT = (-1.0, 2.0)  # as the product clips
NDVI_MEAN, NDVI_STD = 0.1, 0.2
_SHOWN = (  # red, green, blue, near-infrared; how often
    ((0, 0, 0, 1), 0.50),
    ((1, 1, 1, 0), 0.15),
    ((1, 1, 1, 1), 0.10),
    ((1, 0, 0, 1), 0.10),
    ((0, 1, 1, 1), 0.05),
    ((1, 0, 0, 0), 0.04),
    ((0, 1, 0, 0), 0.03),
    ((0, 0, 1, 0), 0.03),
)

Batch = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class DrawSpec:
    """How batches are made.

    Attributes:
        batch: Images of 128 px in a batch; of others as many as have about the same area.
        patch: Model pixels a side.
        mask_ratio: Share of the patches that the encoder does not see.
        sides: Sides of images in model pixels, one of them for each batch.
        zoom: Least and greatest number of model pixels per tile pixel.
        gain, offset: Deviations of the change of light of each channel.
    """

    batch: int = 16
    patch: int = 8
    mask_ratio: float = 0.6
    sides: tuple[int, ...] = (96, 128, 192)
    zoom: tuple[float, float] = (0.5, 2.0)
    gain: float = 0.2
    offset: float = 0.1


@dataclass(frozen=True)
class Draws:
    """Where batches come from; :class:`~pretraining.objective.PretrainObjective` tells what is in them."""

    tiles: TileSet
    spec: DrawSpec
    seed: int

    def batch(self, step: int) -> Batch:
        """``images``, ``clean``, ``ndvi``, ``shown`` and ``keep``."""
        rng = np.random.default_rng((self.seed, step))
        side = int(rng.choice(self.spec.sides))
        count = max(1, round(self.spec.batch * (128 / side) ** 2))
        places = np.full((side // self.spec.patch) ** 2, True)
        parts = [self._image(side, rng) for _ in range(count)]
        clean, ndvi = (np.stack([part[i] for part in parts]) for i in (0, 1))
        shown = np.stack([_channels_shown(rng) for _ in range(count)])
        keep = np.stack([visible_patches(places, self.spec.mask_ratio, rng) for _ in range(count)])
        return {"images": self._light(clean, rng), "clean": clean, "ndvi": ndvi, "shown": shown, "keep": keep}

    def _image(self, side: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Standardised channels (4, side, side) of a part of a tile, and its NDVI (1, side, side)."""
        tiles = self.tiles
        index = min(int(np.searchsorted(np.cumsum(tiles.share), rng.random())), len(tiles.share) - 1)
        zoom = math.exp(rng.uniform(math.log(self.spec.zoom[0]), math.log(self.spec.zoom[1])))
        part = min(SIDE, max(self.spec.patch, round(side / zoom)))
        top, left = (int(i) for i in rng.integers(SIDE - part + 1, size=2))
        raw = tiles.values[index, :, top : top + part, left : left + part].astype(np.float32)
        raw, _ = resample(raw, np.full((part, part), True), (side, side))
        raw = orient(raw, int(rng.integers(4)), bool(rng.integers(2)))
        low, high = tiles.low[index][:, None, None], tiles.high[index][:, None, None]
        unit = np.clip((raw - low) / (high - low), *CLIP_UNIT)
        ndvi = (raw[NIR] - raw[RED]) / (raw[NIR] + raw[RED] + 1)
        standard = (ndvi[None] - NDVI_MEAN) / NDVI_STD
        return ((unit - MEAN) / STD).astype(np.float32), standard.astype(np.float32)

    def _light(self, clean: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """The images as if the light of every channel had changed; as ``nirlora.training.augment.jitter``."""
        shape = (*clean.shape[:2], 1, 1)
        gain = rng.normal(0, self.spec.gain, shape).astype(np.float32)
        offset = rng.normal(0, self.spec.offset, shape).astype(np.float32)
        lit: NDArray[np.float32] = clean * (1 + gain) + (MEAN * gain + offset) / STD
        return lit


def _channels_shown(rng: np.random.Generator) -> NDArray[np.float32]:
    """1 for the channels that the encoder sees of an image (4,), else 0."""
    return np.array(_SHOWN[int(rng.choice(len(_SHOWN), p=[p for _, p in _SHOWN]))][0], np.float32)
