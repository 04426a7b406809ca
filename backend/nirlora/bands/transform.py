"""The input transform of a model: which channels, in which range, standardised how. Stored in the model file.

    physical = DN * scale + offset            scale, offset: per raster (calibration.py)
    unit     = (physical - low) / (high - low)   low, high: the model's, 2nd and 98th percentile of training
    input    = (clip(unit, -1, 2) - mean) / std  mean, std: what the backbone expects of values in 0..1

The clip keeps sun glint and broken pixels from leaving what a network can take; it lies far outside the
range of training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import ModelError
from nirlora.protocol import ProtocolError, from_dict, to_dict

CLIP_UNIT = (-1.0, 2.0)
REFLECTANCE, RANGE = "reflectance", "range"


@dataclass(frozen=True)
class ChannelTransform:
    """One channel of a model.

    Attributes:
        name: ``nir``, ``ndvi``, or ``b5`` for a band that the user gave by number.
        role: Band role, ``""`` unknown; the index's name for a computed channel.
        band: 1-based band in the first training raster; 0 for a computed channel.
        description: That band's own name in the file.
        scale, offset: DN to physical in the first training raster (for the record; each raster has its own).
        low, high: Physical values that become 0 and 1.
        p1, median, p99: Percentiles of the training rasters, physical.
        mean, std: Standardisation of unit values.
    """

    name: str
    role: str
    band: int
    description: str
    scale: float
    offset: float
    low: float
    high: float
    p1: float
    median: float
    p99: float
    mean: float = 0.5
    std: float = 0.25


@dataclass(frozen=True)
class InputTransform:
    """How pixel values become model input.

    Attributes:
        channels: In model order.
        resolution_m: Ground sampling distance of training, None when it was unknown.
        kind: ``reflectance`` when all training rasters told their scale, else ``range`` (values as
            in the file).
    """

    channels: tuple[ChannelTransform, ...]
    resolution_m: Optional[float] = None  # noqa: UP045 - the codec reads this form
    kind: str = RANGE

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names in model order."""
        return tuple(c.name for c in self.channels)

    @property
    def roles(self) -> tuple[str, ...]:
        """Channel roles in model order, ``""`` unknown."""
        return tuple(c.role for c in self.channels)

    def column(self, field: str) -> NDArray[np.float64]:
        """One number of every channel, shaped ``(channels, 1, 1)``."""
        return np.array([getattr(c, field) for c in self.channels], dtype=np.float64)[:, None, None]

    def limits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest standardised value of each channel, ``(channels, 1, 1)``."""
        mean, std = self.column("mean"), self.column("std")
        low, high = ((unit - mean) / std for unit in CLIP_UNIT)
        return low.astype(np.float32), high.astype(np.float32)

    def gain_and_bias(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``input = physical * gain + bias`` before the clip, each ``(channels, 1, 1)``."""
        gain = 1.0 / ((self.column("high") - self.column("low")) * self.column("std"))
        return gain, -self.column("low") * gain - self.column("mean") / self.column("std")

    def apply(self, physical: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise ``(channels, rows, cols)`` physical values; the result is float32 of the same shape."""
        gain, bias = (v.astype(np.float32) for v in self.gain_and_bias())
        with np.errstate(all="ignore"):
            out: NDArray[np.float32] = np.multiply(physical, gain, dtype=np.float32)
            out += bias
            np.clip(out, *self.limits(), out=out)
        return out

    def with_normalisation(self, mean: Sequence[float], std: Sequence[float]) -> InputTransform:
        """The same with other ``mean`` and ``std`` per channel (a single value counts for all)."""
        means, stds = (_per_channel(v, len(self.channels)) for v in (mean, std))
        parts = zip(self.channels, means, stds, strict=True)
        return replace(self, channels=tuple(replace(c, mean=m, std=s) for c, m, s in parts))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        plain: dict[str, Any] = to_dict(self)
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InputTransform:
        """Strict inverse of :meth:`to_dict`.

        Raises:
            ModelError: A field is missing, unknown, of the wrong type or without meaning.
        """
        try:
            transform: InputTransform = from_dict(cls, data)
        except ProtocolError as error:
            raise _damaged(str(error)) from error
        problem = _problem(transform)
        if problem:
            raise _damaged(problem)
        return transform


def _per_channel(values: Sequence[float], count: int) -> tuple[float, ...]:
    given = tuple(float(v) for v in values)
    return given * count if len(given) == 1 else given


def _damaged(what: str) -> ModelError:
    return ModelError(
        f"The input transform of the model is damaged: {what}.",
        hint="Take the model file from its source again.",
    )


def _problem(transform: InputTransform) -> str:
    """What makes the transform unusable, ``""`` if nothing."""
    if transform.kind not in (REFLECTANCE, RANGE):
        return f"kind is {transform.kind!r}, expected {REFLECTANCE} or {RANGE}"
    if not transform.channels:
        return "it has no channels"
    if len(set(transform.names)) < len(transform.names) or "" in transform.names:
        return f"channel names {list(transform.names)} are not unique words"
    resolution = transform.resolution_m
    if resolution is not None and not (math.isfinite(resolution) and resolution > 0):
        return f"resolution_m is {resolution}, expected a positive number"
    for channel in transform.channels:
        numbers = [v for v in vars(channel).values() if isinstance(v, float)]
        if not all(math.isfinite(v) for v in numbers):
            return f"channel {channel.name} has a number that is not finite"
        if channel.low >= channel.high or channel.std <= 0 or channel.band < 0:
            return f"channel {channel.name} has low {channel.low}, high {channel.high}, std {channel.std}"
    return ""
