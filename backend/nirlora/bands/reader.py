"""The one way from a raster to model input, used by training and inference alike."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import BandsError
from nirlora.raster.resample import resample

from .calibration import Calibration, calibrate
from .channels import (
    COMPUTED,
    Channel,
    band_number,
    count_of_bands,
    find_role,
    given_roles,
    required_roles,
    split_bands,
)
from .check import check_reader
from .detect import BandRoles, detect_roles
from .statistics import bands_of, physical_values
from .transform import RANGE, ChannelTransform, InputTransform

if TYPE_CHECKING:
    from nirlora.raster.grid import Window
    from nirlora.raster.source import RasterSource


class ChannelReader:
    """Reads windows of a raster as standardised model input.

    Attributes:
        source: The raster; closed with the reader.
        transform: The model's.
        channels: The model's channels as bands of this raster.
        calibration: Scale and offset of this raster.
        warnings: What was assumed to match bands to channels.
    """

    def __init__(
        self,
        source: RasterSource,
        transform: InputTransform,
        bands: str = "",
        *,
        scale: float | None = None,
        offset: float | None = None,
    ) -> None:
        """Match the model's channels to the raster's bands.

        Args:
            source: An open raster.
            transform: From :func:`nirlora.bands.fit_transform` or a model file.
            bands: What the raster does not say: ``nir=4,red=3``, or one band number per channel.
            scale, offset: ``reflectance = DN * scale + offset`` of this raster, where it does not say so.

        Raises:
            BandsError: A channel's band is not in the raster.
        """
        self.source = source
        self.transform = transform
        self._request = (bands, scale, offset)
        detected = detect_roles(source)
        roles, numbers = _user_bands(bands, transform, detected)
        notes: list[str] = []
        if not numbers:
            notes += roles.warnings
        self.channels = tuple(
            _bind(c, roles, numbers.get(c.name, 0), source.path, notes) for c in transform.channels
        )
        self.warnings = tuple(dict.fromkeys(notes))
        self.calibration = _calibration(source, roles, transform, scale, offset)
        self._bands = bands_of(self.channels)
        self._prepare()

    def _prepare(self) -> None:
        """Fold calibration and transform into one gain and bias per channel."""
        gain, bias = self.transform.gain_and_bias()
        self._plain = self._bands == [b for c in self.channels for b in c.bands] and not any(
            c.computed for c in self.channels
        )
        if self._plain:
            index = [b - 1 for b in self._bands]
            scale = np.array([self.calibration.scale[i] for i in index])[:, None, None]
            offset = np.array([self.calibration.offset[i] for i in index])[:, None, None]
            gain, bias = gain * scale, bias + gain * offset
        columns = (gain, bias, *self.transform.limits())
        self._gain, self._bias, self._low, self._high = (v.ravel().astype(np.float32) for v in columns)

    def read(
        self, window: Window, out_px: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window.

        Args:
            window: In raster pixels; may stick out.
            out_px: ``(rows, cols)`` to resample to.

        Returns:
            ``(channels, rows, cols)`` float32, standardised, 0.0 where there is no valid pixel; validity
            ``(window.height, window.width)`` of the raster's own pixels, whatever ``out_px``.
        """
        data, valid = self.source.read(window, self._bands)
        if not valid.any():  # of a huge raster most windows may be so
            return np.zeros((len(self.channels), *(out_px or valid.shape)), dtype=np.float32), valid
        seen = valid
        if out_px is not None and out_px != valid.shape:
            data, seen = resample(data, valid, out_px)
        with np.errstate(all="ignore"):  # nodata may be NaN or huge; those pixels are cleared below
            values = data if self._plain else self._physical(data)
            out = values.astype(np.float32, copy=False)
            parts = zip(out, self._gain, self._bias, self._low, self._high, strict=True)
            for channel, gain, bias, low, high in parts:  # one at a time stays in the processor's cache
                channel *= gain
                channel += bias
                np.clip(channel, low, high, out=channel)
        if not seen.all():
            out[:, ~seen] = 0.0
        return out, valid

    def _physical(self, data: NDArray[Any]) -> NDArray[np.float32]:
        return physical_values(self.channels, data, self._bands, self.calibration)

    def check(self, *, allow_mismatch: bool = False) -> list[str]:
        """Compare this raster with what the model was trained on; see :func:`nirlora.bands.check_reader`."""
        return check_reader(self, allow_mismatch=allow_mismatch)

    def reopen(self) -> ChannelReader:
        """The same reader on a freshly opened raster, for another thread."""
        bands, scale, offset = self._request
        return ChannelReader(self.source.reopen(), self.transform, bands, scale=scale, offset=offset)

    def close(self) -> None:
        """Close the raster."""
        self.source.close()


def _calibration(
    source: RasterSource,
    roles: BandRoles,
    transform: InputTransform,
    scale: float | None,
    offset: float | None,
) -> Calibration:
    """A model of raw values reads raw values, also where a file tells its scale."""
    if transform.kind == RANGE and scale is None and offset is None:
        return Calibration((1.0,) * source.count, (0.0,) * source.count)
    return calibrate(source, roles, scale=scale, offset=offset)


def _user_bands(bands: str, transform: InputTransform, roles: BandRoles) -> tuple[BandRoles, dict[str, int]]:
    """What ``bands`` says: roles given, and channel name -> band for a plain list of numbers."""
    words = split_bands(bands)
    count = len(roles.roles)
    given = given_roles(words, count)
    names = set(transform.names)
    plain = [w for w in words if "=" not in w and not names & {w, f"b{w}"}]
    numbers = [w for w in words if w.isdecimal()]
    one_each = len(numbers) == len(words) == len(transform.channels) and not names & set(COMPUTED)
    if numbers and one_each:
        chosen = [band_number(w, count) for w in numbers]
        return roles, dict(zip(transform.names, chosen, strict=True))
    if plain:
        raise BandsError(
            f"--bands {bands!r} does not fit the model, whose channels are {', '.join(transform.names)}.",
            hint="Say which band has which role, such as --bands nir=4,red=3, or one number per channel.",
        )
    return (roles.with_given(given) if given else roles), {}


def _bind(channel: ChannelTransform, roles: BandRoles, number: int, path: str, notes: list[str]) -> Channel:
    """The bands of one raster that a model's channel is made of."""
    if number:
        return Channel(channel.name, channel.role, (number,))
    needed = required_roles(channel.name, channel.role)
    by_number = channel.name not in COMPUTED and channel.name != channel.role
    if not by_number:
        return Channel(
            channel.name, channel.role, tuple(find_role(r, roles, wanted=channel.name) for r in needed)
        )
    band = roles.band(channel.role)
    if band:
        if band != channel.band:
            notes.append(
                f"Channel {channel.name} ({channel.role}) was band {channel.band} in training and is "
                f"band {band} here."
            )
        return Channel(channel.name, channel.role, (band,))
    return Channel(channel.name, channel.role, (_same_number(channel, roles, path, notes),))


def _same_number(channel: ChannelTransform, roles: BandRoles, path: str, notes: list[str]) -> int:
    """The band with the number it had in training, when nothing speaks against it."""
    name = PurePath(path).name
    was = f"band {channel.band}" + (f' ("{channel.description}")' if channel.description else "")
    if channel.band > len(roles.roles):
        raise BandsError(
            f"The model's channel {channel.name} was {was} in training; {name} has "
            f"{count_of_bands(len(roles.roles))}.",
            hint="Say which band to use with --bands, one number per channel.",
        )
    here = roles.roles[channel.band - 1]
    if channel.role and here:
        raise BandsError(
            f"The model's channel {channel.name} is {channel.role}, but band {channel.band} of {name} is "
            f"{here}; its bands are {roles.describe()}.",
            hint=f"Say which band it is with --bands {channel.role}=NUMBER.",
        )
    description = roles.descriptions[channel.band - 1] if roles.descriptions else ""
    if description != channel.description:
        notes.append(
            f'Channel {channel.name}: band {channel.band} was named "{channel.description}" in training and '
            f'is named "{description}" in {name}; it is used by its number.'
        )
    elif channel.role:
        notes.append(
            f"{name} does not say that band {channel.band} is {channel.role}; it is used by its number."
        )
    return channel.band
