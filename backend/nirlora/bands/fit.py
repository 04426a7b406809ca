"""Making the input transform from the training rasters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import BandsError, RasterError

from .calibration import Calibration, calibrate
from .channels import Channel, parse_bands
from .check import ScaleClash, refuse_scale, scale_ratio
from .detect import detect_roles
from .statistics import (
    SAMPLE_PX,
    ChannelStats,
    bands_of,
    channel_stats,
    looks_like_reflectance,
    sample_channels,
)
from .transform import CLIP_UNIT, RANGE, REFLECTANCE, ChannelTransform, InputTransform

if TYPE_CHECKING:
    from nirlora.raster.grid import Window
    from nirlora.raster.source import RasterSource

ALL_RASTERS_PX = 4_000_000  # looked at together


def fit_transform(
    sources: Sequence[RasterSource],
    bands: str = "",
    *,
    mean: Sequence[float] | None = (0.5,),
    std: Sequence[float] = (0.25,),
    scale: float | None = None,
    offset: float | None = None,
    places: Sequence[Sequence[Window]] = (),
) -> InputTransform:
    """Fit the transform to all training rasters together.

    Args:
        sources: Open rasters, at least one. Windows are sampled; memory stays bounded whatever their size.
        bands: See :func:`nirlora.bands.parse_bands`; empty is ``nir``.
        mean, std: What the backbone expects of values in 0..1, one for all channels or one each. A mean of
            None: that of the training rasters, channel by channel.
        scale, offset: ``reflectance = DN * scale + offset`` for all rasters, where the files do not say it.
        places: Per raster, where its labels are: looked at where the raster is nearly empty.

    Raises:
        BandsError: A channel is not in one of the rasters, or is another band role there.
        MismatchError: The rasters' values differ by a factor, as reflectance and digital numbers do.
        RasterError: A raster has no valid pixel.
    """
    roles = [detect_roles(s) for s in sources]
    channels = [parse_bands(bands, r, nbands=s.count) for s, r in zip(sources, roles, strict=True)]
    _same_channels(sources, channels)
    known = [calibrate(s, r, scale=scale, offset=offset) for s, r in zip(sources, roles, strict=True)]
    limit = min(SAMPLE_PX, max(20_000, ALL_RASTERS_PX // len(sources)))
    where = places or [()] * len(sources)

    def sample_all() -> list[NDArray[np.float32]]:
        together = zip(sources, channels, known, where, strict=True)
        return [_sample(s, c, k, limit, p) for s, c, k, p in together]

    samples = sample_all()
    stats = [channel_stats(sample) for sample in samples]
    kind = REFLECTANCE if _all_reflectance(sources, channels, known, stats) else RANGE
    if kind == RANGE and any(k.known for k in known):  # some tell their scale, some do not: all as they are
        known = [Calibration((1.0,) * s.count, (0.0,) * s.count) for s in sources]
        samples = sample_all()
        stats = [channel_stats(sample) for sample in samples]
    _same_scale(sources, channels, stats, kind)
    pooled = channel_stats(np.concatenate(samples, axis=1))
    fitted = tuple(
        _channel(c, s, known[0], roles[0].descriptions) for c, s in zip(channels[0], pooled, strict=True)
    )
    transform = InputTransform(fitted, resolution_of(sources), kind)
    return transform.with_normalisation(_means(transform, samples) if mean is None else mean, std)


def _sample(
    source: RasterSource,
    channels: Sequence[Channel],
    calibration: Calibration,
    limit_px: int,
    places: Sequence[Window],
) -> NDArray[np.float32]:
    sample = sample_channels(source, channels, calibration, limit_px, places)
    if sample.shape[1] == 0:
        bands = ", ".join(map(str, bands_of(channels)))
        raise RasterError(
            f"{source.path} has no valid pixel in bands {bands}.", hint="Check its nodata value and mask."
        )
    return sample


def _all_reflectance(
    sources: Sequence[RasterSource],
    channels: Sequence[tuple[Channel, ...]],
    known: Sequence[Calibration],
    stats: Sequence[tuple[ChannelStats, ...]],
) -> bool:
    for source, chosen, calibration, values in zip(sources, channels, known, stats, strict=True):
        bands = [v for c, v in zip(chosen, values, strict=True) if not c.computed]
        if not calibration.known and not (bands and looks_like_reflectance(source, bands)):
            return False
    return True


def _same_channels(sources: Sequence[RasterSource], channels: Sequence[tuple[Channel, ...]]) -> None:
    """A band given by number must not be red in one raster and near-infrared in the next."""
    for source, chosen in zip(sources, channels, strict=True):
        for first, here in zip(channels[0], chosen, strict=True):
            if first.role and here.role and first.role != here.role:
                raise BandsError(
                    f"Band {here.bands[0]} is {first.role} in {PurePath(sources[0].path).name} but "
                    f"{here.role} in {PurePath(source.path).name}.",
                    hint=f"Name the band by role instead, such as --bands {first.role}.",
                )


def _same_scale(
    sources: Sequence[RasterSource],
    channels: Sequence[tuple[Channel, ...]],
    stats: Sequence[tuple[ChannelStats, ...]],
    kind: str,
) -> None:
    for source, values in zip(sources[1:], stats[1:], strict=True):
        for channel, first, here in zip(channels[0], stats[0], values, strict=True):
            ratio = 1.0 if channel.computed else scale_ratio(here, (first.p1, first.median, first.p99))
            if ratio != 1.0:
                other = PurePath(sources[0].path).name
                raise refuse_scale(
                    ScaleClash(channel.name, PurePath(source.path).name, other, ratio, here, first), kind
                )


def _channel(
    channel: Channel, stats: ChannelStats, calibration: Calibration, descriptions: tuple[str, ...]
) -> ChannelTransform:
    band = 0 if channel.computed else channel.bands[0]
    low, high = robust_range(stats)
    return ChannelTransform(
        name=channel.name,
        role=channel.role,
        band=band,
        description=descriptions[band - 1] if band and descriptions else "",
        scale=calibration.scale[band - 1] if band else 1.0,
        offset=calibration.offset[band - 1] if band else 0.0,
        low=low,
        high=high,
        p1=stats.p1,
        median=stats.median,
        p99=stats.p99,
    )


def _means(transform: InputTransform, samples: Sequence[NDArray[np.float32]]) -> tuple[float, ...]:
    """Mean of every channel, in units of its range and clipped as model input is."""
    low, high = transform.column("low")[:, 0], transform.column("high")[:, 0]
    units = [np.clip((sample - low) / (high - low), *CLIP_UNIT) for sample in samples]
    return tuple(round(float(v), 6) for v in np.concatenate(units, axis=1).mean(axis=1))


def robust_range(stats: ChannelStats) -> tuple[float, float]:
    """Low and high, apart even for a constant band: then a tenth of its value, or 1, around it."""
    low, high = stats.p2, stats.p98
    if high - low > 1e-4 * max(abs(low), abs(high)):
        return low, high
    half = 0.05 * abs(stats.median) or 0.5
    return stats.median - half, stats.median + half


def resolution_of(sources: Sequence[RasterSource]) -> float | None:
    """The middle one of the known ground sampling distances, metres; None if none is known."""
    known = sorted(s.resolution_m for s in sources if s.resolution_m)
    return known[len(known) // 2] if known else None
