"""What the model sees: bands by role or number, and indices computed from them.

Forms of ``--bands``: ``nir`` | ``nir,red,green`` | ``5,4,3`` | ``nir=4,red=3`` | ``ndvi`` | ``nir,ndvi``.
``role=number`` says which band has a role. Alone, such words are the channels, in that order; beside other
words (``ndvi,nir=4,red=3``) they only say where those find their bands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import BandsError

from .detect import BandRoles
from .roles import BASES, base_role, is_role

Floats = NDArray[np.float32]

SAVI_L = 0.5  # Huete 1988: soil brightness term for intermediate cover, in units of reflectance


@dataclass(frozen=True)
class Index:
    """A channel computed from two bands: ``roles``, and the function of their physical values."""

    roles: tuple[str, str]
    function: Callable[[Floats, Floats], Floats]
    needs_reflectance: bool = False


def _normalised_difference(a: Floats, b: Floats) -> Floats:
    ratio = _ratio(a - b, a + b)
    return np.clip(ratio, -1.0, 1.0, out=ratio)


def _savi(nir: Floats, red: Floats) -> Floats:
    soil = np.float32(SAVI_L)
    ratio = (1 + soil) * _ratio(nir - red, nir + red + soil)
    return np.clip(ratio, -1.5, 1.5, out=ratio)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """``top / bottom``, 0 where ``bottom`` is not positive (dark water, overcorrected haze)."""
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 1e-6)


COMPUTED: dict[str, Index] = {
    "ndvi": Index(("nir", "red"), _normalised_difference),
    "ndre": Index(("nir", "rededge"), _normalised_difference),
    "gndvi": Index(("nir", "green"), _normalised_difference),
    "savi": Index(("nir", "red"), _savi, needs_reflectance=True),
}


@dataclass(frozen=True)
class Channel:
    """One input channel of the model.

    Attributes:
        name: ``nir``, ``ndvi``, or ``b5`` for a band given by number.
        role: Role of its band, ``""`` if unknown; the name itself for a computed channel.
        bands: 1-based bands it is made of: one, or those of the index's roles in their order.
    """

    name: str
    role: str
    bands: tuple[int, ...]

    @property
    def computed(self) -> bool:
        """Whether it is an index rather than a band."""
        return self.name in COMPUTED

    @property
    def required_roles(self) -> tuple[str, ...]:
        """Roles a raster must have for this channel; empty for a band given by number only."""
        return required_roles(self.name, self.role)


def required_roles(name: str, role: str) -> tuple[str, ...]:
    """Roles that the channel ``name`` needs in a raster."""
    return COMPUTED[name].roles if name in COMPUTED else (role,) if role else ()


def parse_bands(spec: str, roles: BandRoles, *, nbands: int) -> tuple[Channel, ...]:
    """Turn ``--bands`` into channels of one raster.

    Args:
        spec: See the module's first lines; empty means ``nir``.
        roles: What is known of the raster.
        nbands: Bands in the raster.

    Raises:
        BandsError: A word is no band, a band number does not exist, or a role is not in the raster.
    """
    words = split_bands(spec) or ["nir"]
    given = given_roles(words, nbands)
    if given:
        roles = roles.with_given(given)
    plain = [w for w in words if "=" not in w] or list(given)
    channels = tuple(_channel(word, roles, nbands) for word in plain)
    repeated = sorted({c.name for c in channels if sum(d.name == c.name for d in channels) > 1})
    if repeated:
        raise BandsError(f"--bands names {repeated[0]} twice: {spec!r}.", hint="Name each channel once.")
    return channels


def split_bands(spec: str) -> list[str]:
    """Words of a band specification, in lower case."""
    words = [re.sub(r"\s*=\s*", "=", w.strip().lower()) for w in re.split(r"[,;]", spec)]
    return [re.sub(r"^b(?=\d+$)", "", w) for w in words if w]


def given_roles(words: Sequence[str], nbands: int) -> dict[str, int]:
    """The ``role=number`` words among ``words``, as role -> 1-based band.

    Raises:
        BandsError: The role or the band does not exist, or one is named twice.
    """
    given: dict[str, int] = {}
    for word in words:
        if "=" not in word:
            continue
        role, _, number = word.partition("=")
        if not is_role(role):
            raise BandsError(f"{role!r} in {word!r} is no band role.", hint=f"Roles are {', '.join(BASES)}.")
        if role in given:
            raise BandsError(f"The role {role} is given twice.", hint="Name one band for each role.")
        given[role] = band_number(number, nbands)
    if len(set(given.values())) < len(given):
        raise BandsError(
            f"One band is given two roles: {', '.join(f'{r}={b}' for r, b in given.items())}.",
            hint="Name another band for each role.",
        )
    return given


def band_number(word: str, nbands: int) -> int:
    """A 1-based band number.

    Raises:
        BandsError: It is no number, or the raster has no such band.
    """
    if not word.isdecimal() or not 1 <= int(word) <= nbands:
        plural = f"bands 1 to {nbands}" if nbands > 1 else "one band"
        raise BandsError(f"There is no band {word!r}: the raster has {plural}.", hint="Give a band it has.")
    return int(word)


def _channel(word: str, roles: BandRoles, nbands: int) -> Channel:
    if word in COMPUTED:
        return Channel(word, word, tuple(find_role(r, roles, wanted=word) for r in COMPUTED[word].roles))
    if word.isdecimal():
        band = band_number(word, nbands)
        return Channel(f"b{band}", roles.roles[band - 1], (band,))
    if not is_role(word):
        raise BandsError(
            f"{word!r} is neither a band role, an index nor a band number.",
            hint=f"Roles are {', '.join(BASES)}; indices {', '.join(COMPUTED)}; or numbers such as 5,4,3.",
        )
    return Channel(word, word, (find_role(word, roles, wanted=word),))


def find_role(role: str, roles: BandRoles, *, wanted: str) -> int:
    """1-based band that has ``role``.

    Raises:
        BandsError: No band has it; the message lists what was found.
    """
    band = roles.band(role)
    if band:
        return band
    count = len(roles.roles)
    bands = count_of_bands(count)
    long = {"nir": "near-infrared", "rededge": "red edge"}.get(role, role)
    need = "" if wanted == role else f" for {wanted}"
    if not any(roles.roles):
        message = f"Cannot tell which band is {long}{need}: the file has {bands} named {_shown(roles)}."
    else:
        message = f"No band is known to be {long}{need}: the file has {bands}: {roles.describe()}."
    example = f"{role}={min(count, 4)}" + (",red=3" if base_role(role) == "nir" and count >= 4 else "")
    hint = f"Say it with --bands {min(count, 4)} or --bands {example} (numbers start at 1)."
    raise BandsError(f"{message} {roles.unsure}".strip(), hint=hint)


def count_of_bands(count: int) -> str:
    """In words: 5 bands, one band."""
    return f"{count} bands" if count > 1 else "one band"


def _shown(roles: BandRoles) -> str:
    names = roles.descriptions
    return ", ".join(f'"{n}"' for n in names) if any(names) else "nothing"


def compute(channels: Sequence[Channel], data: Floats, band_index: dict[int, int]) -> Floats:
    """Channels from physical band values.

    Args:
        channels: What to make.
        data: ``(bands, rows, cols)`` float32, reflectance where that is known.
        band_index: 1-based band -> its row in ``data``.

    Returns:
        ``(channels, rows, cols)`` float32: bands as they are, indices in -1..1 (SAVI -1.5..1.5).
    """
    out = np.empty((len(channels), *data.shape[1:]), dtype=np.float32)
    for i, channel in enumerate(channels):
        values = [data[band_index[b]] for b in channel.bands]
        out[i] = COMPUTED[channel.name].function(values[0], values[1]) if channel.computed else values[0]
    return out
