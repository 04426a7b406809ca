"""Images as samples: read whole, brought to one size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nirlora.bands import Channel, InputTransform, detect_roles, parse_bands
from nirlora.bands.calibration import Calibration
from nirlora.bands.statistics import ChannelStats, bands_of, channel_stats, physical_values
from nirlora.bands.transform import ChannelTransform
from nirlora.classification.samples import View, ViewSpec, augmented, token_weights
from nirlora.errors import RasterError
from nirlora.raster.grid import Window
from nirlora.raster.source import RasterSource, open_raster

Bound = tuple[tuple[Channel, ...], Calibration]  # an image's bands and how its values become physical ones
_BYTE = 255.0
_T = TypeVar("_T", bound=np.generic)
_SAMPLED_IMAGES, _SAMPLED_PX = 400, 4096
_CROP_AREA = (0.5, 1.0)  # share of an image that a training view shows
_CROP_RATIO = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class ImageFormat:
    """What all images of a set share.

    Attributes:
        channels: The model's channels as bands.
        calibration: How their values become physical ones.
        count: Bands in a file.
        dtype: Their type.
        side_px: Median side of the images.
    """

    channels: tuple[Channel, ...]
    calibration: Calibration
    count: int
    dtype: str
    side_px: int


def check_images(
    paths: Sequence[str],
    bind: Callable[[RasterSource], Bound],
    tick: Callable[[int], None],
    *,
    every: bool = False,
) -> ImageFormat:
    """Open every image and see that all are alike, so that nothing fails in the middle of a training.

    Args:
        paths: The images.
        bind: Gives the model's channels in an image.
        tick: Told the number of images looked at; may raise to stop.
        every: Bind each of them, and see that all agree; else the first one speaks for all.

    Raises:
        RasterError: A file is damaged, or has another number of bands, type, or place of a channel than the
            first.
        BandsError: A channel is not in an image that was bound.
    """
    first: ImageFormat | None = None
    sides = []
    for number, path in enumerate(paths):
        if number % 256 == 0:
            tick(number)
        with open_raster(path) as source:
            if first is None:
                first = ImageFormat(*bind(source), source.count, source.dtype, 0)
            if (source.count, source.dtype) != (first.count, first.dtype):
                raise RasterError(
                    f"{path} has {source.count} band(s) of {source.dtype}, but {paths[0]} has {first.count} "
                    f"of {first.dtype}; all images must be alike.",
                    hint="Convert or remove it.",
                )
            if every and _layout(*bind(source)) != _layout(first.channels, first.calibration):
                raise RasterError(
                    f"{path} has its channels in other bands than {paths[0]}, or at another scale; "
                    "all images must be alike.",
                    hint="Classify it apart, or say the same of all with --bands or --reflectance-scale.",
                )
            sides.append(math.sqrt(source.width * source.height))
    if first is None:
        raise RasterError("There are no images.", hint="Give a folder with .tif, .jpg or .png files.")
    return replace(first, side_px=round(float(np.median(sides))))


def bind_unscaled(source: RasterSource, bands: str) -> Bound:
    """The channels that ``--bands`` names, or all bands of the image; values as they are."""
    wanted = bands or ",".join(map(str, source.data_bands))
    channels = parse_bands(wanted, detect_roles(source), nbands=source.count)
    return channels, Calibration((1.0,) * source.count, (0.0,) * source.count)


def _layout(channels: tuple[Channel, ...], calibration: Calibration) -> object:
    """What must not differ between images."""
    return [c.bands for c in channels], calibration.scale, calibration.offset


def fit_images(paths: Sequence[str], form: ImageFormat) -> InputTransform:
    """The input transform of these images: bytes as 0..1, other types by their percentiles.

    Standardisation is left at its default; see :meth:`InputTransform.with_normalisation`.

    Raises:
        RasterError: No image has a valid pixel, or one is damaged.
    """
    chosen = paths[:: max(1, len(paths) // _SAMPLED_IMAGES)]
    bands = bands_of(form.channels)
    parts = []
    for path in chosen:
        with open_raster(path) as source:
            data, valid = source.read(source.window, bands)
            flat = _thinned(data, valid, _SAMPLED_PX)
            parts.append(physical_values(form.channels, flat, bands, form.calibration)[:, 0])
            descriptions = source.descriptions
    sample = np.concatenate(parts, axis=1)
    if sample.shape[1] == 0:
        raise RasterError("The images have no valid pixel.", hint="Check their nodata value and mask.")
    stats = channel_stats(sample)
    return InputTransform(
        tuple(_channel(c, s, form, descriptions) for c, s in zip(form.channels, stats, strict=True))
    )


class ImageSamples:
    """Images, each squeezed to a square of one size."""

    parallel = True

    def __init__(
        self, paths: Sequence[str], form: ImageFormat, transform: InputTransform, spec: ViewSpec
    ) -> None:
        self._paths, self._form, self._transform, self._spec = list(paths), form, transform, spec
        self._bands = bands_of(form.channels)

    def __len__(self) -> int:
        return len(self._paths)

    def draw(self, index: int, rng: np.random.Generator) -> View:
        """A random part of at least half the image, turned, in another light."""
        with open_raster(self._paths[index]) as source:
            view = self._read(source, random_crop(source.width, source.height, rng))
        return augmented(view, self._spec, rng)

    def views(self, index: int) -> Iterator[View]:
        """The whole image."""
        with open_raster(self._paths[index]) as source:
            yield self._read(source, source.window)

    def values(self, index: int, most: int) -> NDArray[np.float32]:
        """About ``most`` valid pixels ``(channels, n)`` of an image as it is seen, in physical units."""
        with open_raster(self._paths[index]) as source:
            physical, valid = self._physical(source, source.window)
        return _thinned(physical, valid, most)[:, 0]

    def reopen(self) -> ImageSamples:
        """The same object: every read opens its own file."""
        return self

    def close(self) -> None:
        """Nothing is kept open."""

    def _read(self, source: RasterSource, window: Window) -> View:
        physical, valid = self._physical(source, window)
        x = self._transform.apply(physical)
        x[:, ~valid] = 0.0
        return View(x, token_weights(valid, self._spec.tokens))

    def _physical(
        self, source: RasterSource, window: Window
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        side = self._spec.input_px
        data, valid = source.read(window, self._bands, out_px=(side, side))
        return physical_values(self._form.channels, data, self._bands, self._form.calibration), valid


def random_crop(width: int, height: int, rng: np.random.Generator) -> Window:
    """A window of random place, area and aspect ratio (drawn on a log scale), inside the image."""
    area = width * height * rng.uniform(*_CROP_AREA)
    ratio = math.exp(rng.uniform(*np.log(_CROP_RATIO)))
    wide = int(np.clip(round(math.sqrt(area * ratio)), 1, width))
    high = int(np.clip(round(math.sqrt(area / ratio)), 1, height))
    return Window(int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1)), wide, high)


def _thinned(data: NDArray[_T], valid: NDArray[np.bool_], most: int) -> NDArray[_T]:
    """About ``most`` of the valid pixels of ``(bands, rows, cols)``, as ``(bands, 1, n)``."""
    keep = np.flatnonzero(valid)[:: max(1, int(valid.sum()) // most)]
    return data.reshape(len(data), 1, -1)[:, :, keep]


def _channel(
    channel: Channel, stats: ChannelStats, form: ImageFormat, descriptions: tuple[str, ...]
) -> ChannelTransform:
    band = 0 if channel.computed else channel.bands[0]
    low, high = (0.0, _BYTE) if form.dtype == "uint8" and band else (stats.p2, stats.p98)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    return ChannelTransform(
        name=channel.name,
        role=channel.role,
        band=band,
        description=descriptions[band - 1] if band else "",
        scale=1.0,
        offset=0.0,
        low=low,
        high=high,
        p1=stats.p1,
        median=stats.median,
        p99=stats.p99,
    )
