"""Augmentations that make sense for a nadir near-infrared image: orientation and illumination, no hue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of the augmentations.

    Attributes:
        orientation: Random flips and quarter turns (eight orientations, equally likely).
        gain: Standard deviation of the relative gain of each channel (illumination, calibration).
        offset: Standard deviation of the offset of each channel, in units of its value range.
    """

    orientation: bool = True
    gain: float = 0.15
    offset: float = 0.07


def orient(array: NDArray[S], turns: int, flip: bool) -> NDArray[S]:
    """Turn the last two axes by ``turns`` quarter turns, then mirror left-right if ``flip``."""
    turned = np.rot90(array, turns, axes=(-2, -1))
    return turned[..., ::-1] if flip else turned


def jitter(
    x: NDArray[np.float32],
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    rng: np.random.Generator,
    config: AugmentConfig,
) -> NDArray[np.float32]:
    """Change gain and offset of each channel as if the light had changed.

    ``x`` is standardised, ``x = (unit - mean) / std``; the change is made on ``unit`` (0..1 over the
    model's value range), so a dark pixel moves less than a bright one.

    Args:
        x: ``(C, H, W)`` standardised chip; changed in place.
        mean: ``(C,)`` as in the input transform.
        std: ``(C,)`` as in the input transform.
        rng: Source of randomness.
        config: Strengths.
    """
    channels = x.shape[0]
    gain = np.asarray(rng.normal(0.0, config.gain, channels), np.float32)
    offset = np.asarray(rng.normal(0.0, config.offset, channels), np.float32)
    x *= (1 + gain)[:, None, None]
    x += ((mean * gain + offset) / std)[:, None, None]
    return x
