"""From digital numbers to reflectance, where a file says how: ``reflectance = DN * scale + offset``.

Nothing is guessed from values: a file that does not say its scale is used as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from nirlora.errors import OptionError

from .detect import BandRoles
from .roles import THERMAL, base_role

if TYPE_CHECKING:
    from nirlora.raster.source import RasterSource

LANDSAT_C2 = (0.0000275, -0.2)  # USGS Collection 2 level 2 surface reflectance
SENTINEL2_DN = 10000.0
SENTINEL2_OFFSET_BASELINE = 400  # from processing baseline 04.00 on, DN are 1000 higher

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_MULTIPLIED = re.compile(rf"reflectance\s*[*x×]\s*({_NUMBER})")
_FORMULA = re.compile(
    rf"reflectance\s*=\s*(?:dn|values?|pixel)\s*[*x×]\s*({_NUMBER})\s*(?:([-+]\s*[-+]?)\s*(\d+(?:\.\d+)?))?"
)
_DIVIDED = re.compile(rf"reflectance\s*=\s*(?:dn|values?|pixel)\s*/\s*({_NUMBER})")
_FULL = re.compile(rf"({_NUMBER})\s*(?:=|is|equals|means)\s*(?:1\.0|100\s*%)\s*reflectance")


@dataclass(frozen=True)
class Calibration:
    """How a raster's values become physical ones.

    Attributes:
        scale, offset: Per band (index 0 is band 1).
        known: Whether the result is known to be reflectance.
        how: Where that is known from; ``""`` when it is not.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    known: bool = False
    how: str = ""


def calibrate(
    source: RasterSource, roles: BandRoles, *, scale: float | None = None, offset: float | None = None
) -> Calibration:
    """Scale and offset of every band.

    Args:
        source: An open raster; no pixel is read.
        roles: Its bands; thermal bands are left as they are by sensor rules.
        scale, offset: The user's own, before everything else.

    Raises:
        OptionError: The scale is not positive, or one of them is no number.
    """
    count = source.count
    if scale is not None or offset is not None:
        pair = (1.0 if scale is None else scale, offset or 0.0)
        if not (math.isfinite(pair[0]) and pair[0] > 0 and math.isfinite(pair[1])):
            raise OptionError(
                f"Reflectance is pixel * {pair[0]} + {pair[1]}, expected a positive scale and a number.",
                hint="For Sentinel-2 it is --reflectance-scale 0.0001, for example.",
            )
        return _same(count, pair, "given by the user")
    if any(s != 1 for s in source.scales) or any(o != 0 for o in source.offsets):
        return Calibration(tuple(source.scales), tuple(source.offsets), True, "scale in the file")
    rules = (
        ("a tag of the file", _from_tags(source.tags)),
        ("tags of the bands", _common([_from_tags(tags) for tags in source.band_tags])),
        ("Landsat Collection 2 level 2", _landsat(source)),
        ("the Sentinel-2 product", _sentinel2(source)),
    )
    for where, found in rules:
        if found is not None:
            return _reflective(roles, found, where)
    return Calibration((1.0,) * count, (0.0,) * count)


def _same(count: int, pair: tuple[float, float], how: str) -> Calibration:
    return Calibration((pair[0],) * count, (pair[1],) * count, True, how)


def _reflective(roles: BandRoles, pair: tuple[float, float], how: str) -> Calibration:
    thermal = [base_role(r) == THERMAL for r in roles.roles]
    return Calibration(
        tuple(1.0 if t else pair[0] for t in thermal),
        tuple(0.0 if t else pair[1] for t in thermal),
        True,
        how,
    )


def _from_tags(tags: Mapping[str, str]) -> tuple[float, float] | None:
    """A scale spelled out in a tag: "reflectance * 10000", "reflectance = DN * 0.0000275 - 0.2"."""
    for key, value in tags.items():
        name = re.sub(r"[^a-z]+", "_", key.lower())
        if name == "reflectance_scale_factor" and re.fullmatch(_NUMBER, value.strip()):
            return _inverse(float(value))
        text = value[:500].lower()
        if match := _FORMULA.search(text):
            sign = -1.0 if (match[2] or "").count("-") == 1 else 1.0  # "+ -0.2" is minus too
            return float(match[1]), sign * float(match[3] or 0.0)
        for pattern in (_DIVIDED, _MULTIPLIED, _FULL):
            if match := pattern.search(text):
                return _inverse(float(match[1]))
    return None


def _inverse(factor: float) -> tuple[float, float] | None:
    return (1.0 / factor, 0.0) if factor > 0 else None


def _common(pairs: list[tuple[float, float] | None]) -> tuple[float, float] | None:
    return pairs[0] if pairs and len(set(pairs)) == 1 else None


def _landsat(source: RasterSource) -> tuple[float, float] | None:
    tags = {k.upper(): v for k, v in source.tags.items()}
    texts = (PurePath(source.path).name, tags.get("LANDSAT_PRODUCT_ID", ""))
    level2 = any(re.search(r"(^|[^a-z0-9])l[cot]0[4-9]_l2s[pr]_.*_02_", t.lower()) for t in texts)
    return LANDSAT_C2 if level2 and source.dtype in ("uint16", "int32", "uint32") else None


def _sentinel2(source: RasterSource) -> tuple[float, float] | None:
    tags = {k.upper(): v for k, v in source.tags.items()}
    divisor = _number(tags.get("BOA_QUANTIFICATION_VALUE") or tags.get("QUANTIFICATION_VALUE"))
    shift = _number(tags.get("BOA_ADD_OFFSET") or tags.get("RADIO_ADD_OFFSET"))
    names = (PurePath(source.path).name, tags.get("PRODUCT_URI", ""))
    product = next((m for n in names if (m := re.search(r"S2[A-D]_MSIL[12][AC]_.*_N(\d{4})_", n))), None)
    if source.dtype not in ("uint16", "int16", "int32") or (divisor is None and product is None):
        return None
    divisor = divisor or SENTINEL2_DN
    if shift is None:
        shift = -1000.0 if product and int(product[1]) >= SENTINEL2_OFFSET_BASELINE else 0.0
    return 1.0 / divisor, shift / divisor


def _number(text: str | None) -> float | None:
    found = re.fullmatch(rf"\s*({_NUMBER})\s*", (text or "").lower())
    return float(found[1]) if found else None
