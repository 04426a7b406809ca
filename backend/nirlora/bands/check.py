"""Does this raster fit the model? Compares value range and resolution with what training saw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import MismatchError

from .channels import Channel
from .statistics import ChannelStats, channel_stats, looks_like_reflectance, sample_channels
from .transform import REFLECTANCE, ChannelTransform

if TYPE_CHECKING:
    from nirlora.raster.grid import Window

    from .reader import ChannelReader

FACTOR = 10.0  # reflectance of one surface in two scenes differs by less; scales differ by 100 and more
RESOLUTION_WARN, RESOLUTION_REFUSE = 1.5, 4.0
# Scales in which rasters hold reflectance: DN * scale + offset.
_USUAL_SCALES = (
    (1e-4, 0.0),
    (1 / 32768, 0.0),
    (1 / 65535, 0.0),
    (1e-3, 0.0),
    (1 / 255, 0.0),
    (0.01, 0.0),
)


@dataclass(frozen=True)
class ScaleClash:
    """A channel whose values differ by a factor between two rasters, or a raster and a model."""

    channel: str
    raster: str
    other: str  # name of the raster it clashes with; "" is the model's training
    ratio: float  # this raster's values over the other's
    here: ChannelStats
    trained: ChannelStats


def check_reader(
    reader: ChannelReader, *, allow_mismatch: bool = False, place: Window | None = None
) -> list[str]:
    """Compare a raster with a model's training: bands, value range, resolution.

    Args:
        reader: The raster, already matched to the model's channels.
        place: The part that will be used, if not all: looked at where the raster is nearly empty.
        allow_mismatch: Say what does not fit as a warning instead of refusing.

    Returns:
        Warnings, the reader's own included.

    Raises:
        MismatchError: Values differ by a factor or lie far outside the training range, or the resolution
            differs more than four times; the message names the channel and the numbers.
    """
    sample = sample_channels(
        reader.source, reader.channels, reader.calibration, places=[place] if place else ()
    )
    warnings, errors = compare(reader, sample, PurePath(reader.source.path).name)
    if errors and not allow_mismatch:
        raise errors[0]
    return warnings + [f"{e.message} Used all the same, as was asked." for e in errors]


def compare(
    reader: ChannelReader, sample: NDArray[np.float32], name: str
) -> tuple[list[str], list[MismatchError]]:
    """What :func:`check_reader` finds, for pixels that were read already.

    Args:
        reader: The raster, or one of several that are alike.
        sample: Physical values ``(channels, pixels)`` of valid pixels.
        name: What the messages call it.

    Returns:
        Warnings, the reader's own included; and reasons to refuse it.
    """
    warnings = list(reader.warnings)
    errors: list[MismatchError] = []
    _check_resolution(reader, name, warnings, errors)
    if sample.shape[1] == 0:
        warnings.append(
            f"No valid pixel of {name} was found to compare with training; is it nodata everywhere?"
        )
        return warnings, []
    stats = channel_stats(sample)
    _check_calibration(reader, name, stats, warnings)
    for channel, trained, here in zip(reader.channels, reader.transform.channels, stats, strict=True):
        _check_values(channel, trained, here, name, reader.transform.kind, warnings, errors)
    return warnings, errors


def scale_ratio(here: ChannelStats, trained: tuple[float, float, float]) -> float:
    """Factor between two value ranges, 1.0 when they are of one scale.

    Median and 99th percentile must agree on a factor of ten or more: a bright roof or a lake moves only one.

    Args:
        here: Percentiles of this raster.
        trained: 1st, 50th and 99th percentile to compare with.
    """
    pairs = ((here.median, trained[1]), (here.p99, trained[2]))
    if any(value <= 0 or other <= 0 for value, other in pairs):
        return 1.0
    ratios = [value / other for value, other in pairs]
    if min(ratios) >= FACTOR or max(ratios) <= 1 / FACTOR:
        return math.sqrt(ratios[0] * ratios[1])
    return 1.0


def refuse_scale(clash: ScaleClash, kind: str) -> MismatchError:
    """The error for a clash of scales, with both ranges and the probable cure."""
    larger = clash.ratio > 1
    times = _round(clash.ratio if larger else 1 / clash.ratio)
    than = f"in {clash.other}" if clash.other else "in training"
    message = (
        f"Channel {clash.channel}: values of {clash.raster} are about {times} times "
        f"{'larger' if larger else 'smaller'} than {than}: {_range(clash.here)} here, "
        f"{_range(clash.trained)} {than}."
    )
    return MismatchError(message, hint=_cure(clash.ratio, kind, bool(clash.other)))


def _cure(ratio: float, kind: str, training: bool) -> str:
    if training:
        return "Bring the training rasters to one scale, or say the scale of those that do not tell it."
    if kind == REFLECTANCE and ratio > 1:
        scale = min(_USUAL_SCALES, key=lambda pair: abs(math.log(pair[0] * ratio)))[0]
        return (
            "This raster probably holds digital numbers (DN) and the model was trained on reflectance; "
            f"give --reflectance-scale {scale:.6g} "
            "(Landsat Collection 2: --reflectance-scale 0.0000275 --reflectance-offset -0.2)."
        )
    scale = 10.0 ** round(math.log10(1 / ratio))
    if ratio < 1:
        return (
            "This raster probably holds reflectance and the model was trained on digital numbers (DN); "
            f"give --reflectance-scale {scale:.6g}."
        )
    return f"The two are scaled differently; give --reflectance-scale {scale:.6g} if that is the factor."


def _check_values(
    channel: Channel,
    trained: ChannelTransform,
    here: ChannelStats,
    raster: str,
    kind: str,
    warnings: list[str],
    errors: list[MismatchError],
) -> None:
    was = ChannelStats(trained.p1, trained.low, trained.median, trained.high, trained.p99)
    ratio = 1.0 if channel.computed else scale_ratio(here, (trained.p1, trained.median, trained.p99))
    if ratio != 1.0:
        errors.append(refuse_scale(ScaleClash(trained.name, raster, "", ratio, here, was), kind))
        return
    outside = max(trained.p1 - here.median, here.median - trained.p99, 0.0)
    if outside == 0.0:
        return
    width = max(trained.p99 - trained.p1, trained.high - trained.low)
    message = (
        f"Channel {trained.name}: the median of {raster} is {here.median:.4g}, outside the "
        f"{trained.p1:.4g} to {trained.p99:.4g} of training "
        f"(median {trained.median:.4g}); the map may be wrong."
    )
    if outside > width:
        errors.append(
            MismatchError(
                message,
                hint="Train with polygons from this raster too, or --allow-mismatch.",
            )
        )
    else:
        warnings.append(message)


def _check_calibration(
    reader: ChannelReader, name: str, stats: tuple[ChannelStats, ...], warnings: list[str]
) -> None:
    bands = [s for c, s in zip(reader.channels, stats, strict=True) if not c.computed]
    if reader.transform.kind == REFLECTANCE and not reader.calibration.known:
        if not (bands and looks_like_reflectance(reader.source, bands)):
            warnings.append(
                f"The model was trained on reflectance and {name} does not say its scale; its values are "
                "taken as they are."
            )
    elif reader.transform.kind != REFLECTANCE and any(c.name == "savi" for c in reader.channels):
        warnings.append(
            f"SAVI needs reflectance and the scale of {name} is not known; without it SAVI is little "
            "else than 1.5 times NDVI. Give --reflectance-scale."
        )


def _check_resolution(
    reader: ChannelReader, name: str, warnings: list[str], errors: list[MismatchError]
) -> None:
    trained, here = reader.transform.resolution_m, reader.source.resolution_m
    if trained is None or here is None:
        if trained is not None:
            warnings.append(
                f"{name} has no coordinate reference system, so its resolution cannot be compared with the "
                f"{_metres(trained)} of training."
            )
        return
    ratio = max(here / trained, trained / here)
    if ratio <= RESOLUTION_WARN:
        return
    finer = "coarser" if here > trained else "finer"
    message = (
        f"Pixels of {name} are {_metres(here)}, {ratio:.2g} times {finer} than the "
        f"{_metres(trained)} of training."
    )
    if ratio > RESOLUTION_REFUSE:
        errors.append(
            MismatchError(message, hint=f"Resample the raster to about {_metres(trained)}, or train on it.")
        )
    else:
        warnings.append(f"{message} Objects have another size in pixels; the map may be worse.")


def _metres(value: float) -> str:
    return f"{value:.3g} m"


def _range(stats: ChannelStats) -> str:
    return f"{stats.p1:.4g} to {stats.p99:.4g} (median {stats.median:.4g})"


def _round(value: float) -> str:
    """Two leading digits: 9734 -> 9700."""
    digits = max(0, math.floor(math.log10(value)) - 1)
    return f"{round(value, -digits):.0f}"
