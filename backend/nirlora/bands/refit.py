"""The input transform of a model for another field: the same channels in that field's own range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import RasterError

from .calibration import Calibration
from .fit import ALL_RASTERS_PX, resolution_of, robust_range
from .reader import ChannelReader
from .statistics import SAMPLE_PX, channel_stats, looks_like_reflectance, sample_channels
from .transform import RANGE, REFLECTANCE, InputTransform


def refit_transform(readers: Sequence[ChannelReader]) -> InputTransform:
    """The readers' transform with the value range and the resolution of their rasters, taken together.

    Names, roles and standardisation stay. Values count as reflectance only where both fields tell it.

    Args:
        readers: Rasters already matched to the channels of one transform.

    Raises:
        RasterError: A raster has no valid pixel.
    """
    transform = readers[0].transform
    limit = min(SAMPLE_PX, max(20_000, ALL_RASTERS_PX // len(readers)))
    samples = []
    kind = transform.kind
    for reader in readers:
        sample = sample_channels(reader.source, reader.channels, reader.calibration, limit)
        if sample.shape[1] == 0:
            raise RasterError(
                f"{reader.source.path} has no valid pixel.", hint="Check its nodata value and mask."
            )
        samples.append(sample)
        if not reader.calibration.known and not _tells_by_its_values(reader, sample):
            kind = RANGE
    if kind == RANGE and transform.kind == REFLECTANCE:  # some do not tell their scale: all as they are
        samples = [sample_channels(r.source, r.channels, _as_it_is(r.source.count), limit) for r in readers]
    pooled = channel_stats(np.concatenate(samples, axis=1))
    first = readers[0]
    channels = []
    for channel, bound, stats in zip(transform.channels, first.channels, pooled, strict=True):
        band = bound.bands[0] if channel.band else 0
        low, high = robust_range(stats)
        channels.append(
            replace(
                channel,
                band=band,
                description=first.source.descriptions[band - 1] if band else "",
                scale=first.calibration.scale[band - 1] if band and kind == REFLECTANCE else 1.0,
                offset=first.calibration.offset[band - 1] if band and kind == REFLECTANCE else 0.0,
                low=low,
                high=high,
                p1=stats.p1,
                median=stats.median,
                p99=stats.p99,
            )
        )
    return InputTransform(tuple(channels), resolution_of([r.source for r in readers]), kind)


def _tells_by_its_values(reader: ChannelReader, sample: NDArray[np.float32]) -> bool:
    stats = [s for c, s in zip(reader.channels, channel_stats(sample), strict=True) if not c.computed]
    return bool(stats) and looks_like_reflectance(reader.source, stats)


def _as_it_is(count: int) -> Calibration:
    return Calibration((1.0,) * count, (0.0,) * count)
