"""Which role every band of a raster has, and how that is known.

Evidence, strongest first: the bands' own names, wavelengths in the metadata, band codes and band order of a
recognised sensor, the colour interpretation. A position alone is never evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from .names import code_in, guess_from_name, spell_out, wavelength_in
from .roles import ALPHA, NIR, REDEDGE, Guess, number_roles, role_of_wavelength
from .sensors import CODED, LANDSAT8, LANDSAT57, SENSORS, SENTINEL2, Sensor

if TYPE_CHECKING:
    from nirlora.raster.source import RasterSource

# Tags whose value names the instrument; free text elsewhere could mention another one.
_SENSOR_TAGS = (
    "sensor",
    "sensor_id",
    "sensor_type",
    "satellite",
    "satelliteid",
    "satid",
    "spacecraft_id",
    "spacecraft_name",
    "platform",
    "instrument",
    "mission",
    "product_type",
    "product_uri",
    "landsat_product_id",
    "constellation",
    "camera",
    "model",
    "exif_model",
    "tifftag_model",
    "tifftag_imagedescription",
    "datatake_1_spacecraft_name",
)
_COLORS = {
    "red": Guess("red"),
    "green": Guess("green"),
    "blue": Guess("blue"),
    "alpha": Guess(ALPHA),
    "yellow": Guess("yellow"),
    "pan": Guess("pan"),
    "coastal": Guess("coastal"),
    "rededge": Guess(REDEDGE),
    "red_edge": Guess(REDEDGE),
    "nir": Guess(NIR),
    "swir": Guess("swir1"),
}


@dataclass(frozen=True)
class BandRoles:
    """Roles of a raster's bands.

    Attributes:
        roles: One per band, each role at most once; ``""`` unknown.
        how: What the roles were told by, for the user; ``""`` when nothing is known.
        sensor: Name of the sensor, ``""`` when not recognised.
        descriptions: The bands' own names, ``""`` where the file has none.
        unsure: Why some bands stay unknown although the sensor is recognised.
        warnings: What the user should know about the choice.
    """

    roles: tuple[str, ...]
    how: str = ""
    sensor: str = ""
    descriptions: tuple[str, ...] = ()
    unsure: str = ""
    warnings: tuple[str, ...] = ()

    def band(self, role: str) -> int:
        """1-based band with this role, 0 if none."""
        return self.roles.index(role) + 1 if role and role in self.roles else 0

    def describe(self) -> str:
        """The bands as a user reads them: ``1 blue, 2 green, 3 "Band 3"``."""
        names = self.descriptions or ("",) * len(self.roles)
        return ", ".join(
            f"{i} {role}" if role else f'{i} "{name}"' if name else f"{i} unnamed"
            for i, (role, name) in enumerate(zip(self.roles, names, strict=True), 1)
        )

    def with_given(self, given: Mapping[str, int]) -> BandRoles:
        """The same with roles that the user named; a role or band named anew loses its former one."""
        roles = ["" if r in given or i in given.values() else r for i, r in enumerate(self.roles, 1)]
        for role, band in given.items():
            roles[band - 1] = role
        return replace(self, roles=tuple(roles), how="given by the user", unsure="", warnings=())


def detect_roles(source: RasterSource) -> BandRoles:
    """Find the role of every band of a raster.

    Args:
        source: An open raster; no pixel is read.

    Returns:
        The roles. A raster of one band about which nothing is known counts as near-infrared, with a warning.
    """
    sensor = detect_sensor(source)
    codes = _codes(source, sensor)
    by_code = _coded_sensor(source, codes, sensor)
    sensor = sensor or by_code
    steps: list[tuple[str, Sequence[Guess]]] = [
        ("band names", [guess_from_name(name) for name in _names(source)]),
        ("wavelengths", [_from_tags(tags) for tags in source.band_tags]),
    ]
    if by_code:
        coded = [by_code.bands.get(code, Guess()) for code in codes]
        steps.append((f"band codes of {by_code.name}", coded))
    ordered: tuple[Guess, ...] = ()
    if sensor and not any(codes) and _agrees(sensor.by_count(source.count), _merge(source.count, steps)[0]):
        ordered = sensor.by_count(source.count)
        steps.append((f"band order of {sensor.name}", ordered))
    # Last, because GDAL calls any four bands of bytes red, green, blue and alpha unless told otherwise.
    colors = [_COLORS.get(name, Guess()) for name in source.color_interp]
    steps.append(("colour interpretation", colors))
    guesses, how = _merge(source.count, steps)
    name = sensor.name if sensor else ""
    found = BandRoles(number_roles(guesses), how, name, source.descriptions, _unsure(name, ordered))
    return _single(source, found) if source.count == 1 else found


def detect_sensor(source: RasterSource) -> Sensor | None:
    """The one sensor that file name or tags name, None when none or several do."""
    name = PurePath(source.path).name
    values = [v for k, v in source.tags.items() if k.lower() in _SENSOR_TAGS]
    for texts in (values, [name]):
        found = [s for s in SENSORS if any(s.matches(text) for text in texts)]
        if len(found) == 1:
            return found[0]
    return None


def _names(source: RasterSource) -> list[str]:
    """Descriptions, else name tags; for a file of one band its own name counts ("field_nir.tif")."""
    names = list(source.descriptions)
    for i, tags in enumerate(source.band_tags):
        lower = {k.lower(): v for k, v in tags.items()}
        tagged = (lower[key] for key in ("bandname", "band_name", "common_name") if key in lower)
        names[i] = names[i] or next(tagged, "")
    if source.count == 1 and not names[0] and source.color_interp[0] != "palette":
        parts = re.split(r"[_\-. ]+", PurePath(source.path).stem.lower())
        ends = [" ".join(parts[-2:]), parts[-1], *(p for p in parts if p == NIR)]
        names[0] = next((p for p in ends if not p.isdigit() and guess_from_name(p).base), "")
    return spell_out(names)


def _from_tags(tags: Mapping[str, str]) -> Guess:
    """Centre wavelength in a band's tags, in whatever unit."""
    lower = {k.lower(): v for k, v in tags.items()}
    for key, unit in (
        ("central_wavelength_um", "um"),
        ("central_wavelength_nm", "nm"),
        ("centre_wavelength", ""),
        ("center_wavelength", ""),
        ("central_wavelength", ""),
        ("centralwavelength", ""),
        ("wavelength", ""),
    ):
        value = lower.get(key, "")
        number = re.match(r"\s*(\d+(?:\.\d+)?)", value)
        if number is None:
            continue
        unit = unit or lower.get("wavelength_units", "") or lower.get("wavelength_unit", "")
        nm = wavelength_in(f"{value} {_short(unit)}") or float(number[1])
        if nm < 100:  # no unit given: nobody measures light in tens of nanometres
            nm *= 1000.0
        return Guess(role_of_wavelength(nm), 0, nm)
    return Guess()


def _short(unit: str) -> str:
    return {"n": "nm", "m": "um", "u": "um", "µ": "um"}.get(unit.strip().lower()[:1], "")


def _codes(source: RasterSource, sensor: Sensor | None) -> list[str]:
    names = list(source.descriptions)
    if source.count == 1 and not names[0]:
        names[0] = PurePath(source.path).stem
    codes = [code_in(name) for name in names]
    counted = [f"B{i}" for i in range(1, source.count + 1)]
    if codes == counted and source.count > 1 and all("band" in n.lower() for n in names):
        return [""] * source.count  # "Band 1", "Band 2" ...: the writer only counted
    if sensor is None and any("band" in n.lower() and c for n, c in zip(names, codes, strict=True)):
        return [""] * source.count
    return codes


def _coded_sensor(source: RasterSource, codes: list[str], sensor: Sensor | None) -> Sensor | None:
    """Whose code table applies. Codes are stripped of leading zeros in place."""
    padded = any(re.fullmatch(r"B0\d", c) for c in codes)
    codes[:] = [re.sub(r"^B0", "B", c) for c in codes]
    if sensor is not None:
        return sensor if sensor in CODED else None
    known = {c for c in codes if c}
    ten = source.resolution_m is not None and any(abs(source.resolution_m / r - 1) < 0.01 for r in (10, 20))
    if "B8A" in known or (padded and known & {"B8", "B12"}) or ("B8" in known and ten):
        return SENTINEL2
    if any(n.lower().startswith("sr_b") for n in source.descriptions):
        if known & {"B6"} or {"B1", "B2", "B3", "B4", "B5", "B7"} - known:
            return LANDSAT8 if "B6" in known else None
        return LANDSAT57
    return None


def _merge(count: int, steps: Sequence[tuple[str, Sequence[Guess]]]) -> tuple[list[Guess], str]:
    merged = [Guess()] * count
    used: list[str] = []
    for label, guesses in steps:
        for i, guess in enumerate(guesses):
            nm = merged[i].nm or guess.nm
            if merged[i].base:
                same = merged[i].base == guess.base
                number = merged[i].number or (guess.number if same else 0)
                merged[i] = replace(merged[i], nm=nm, number=number)
            elif guess.base:
                merged[i] = replace(guess, nm=nm)
                if label not in used:
                    used.append(label)
    return merged, ", ".join(used)


def _agrees(ordered: Sequence[Guess], known: Sequence[Guess]) -> bool:
    """Whether the order of a sensor contradicts nothing that the bands say themselves."""
    return all(a.base == b.base for a, b in zip(ordered, known, strict=False) if a.base and b.base)


def _unsure(sensor: str, ordered: Sequence[Guess]) -> str:
    unknown = [str(i) for i, guess in enumerate(ordered, 1) if guess == Guess()]
    if not unknown:
        return ""
    return (
        f"{sensor} files with {len(ordered)} bands come in several orders, which differ in bands "
        f"{', '.join(unknown)}."
    )


def _single(source: RasterSource, found: BandRoles) -> BandRoles:
    if found.roles[0] or source.color_interp[0] == "palette":
        return found
    name = PurePath(source.path).name
    warning = f"{name} has one band and does not say what it is; it is taken as near-infrared (nir)."
    return replace(found, roles=(NIR,), how="the only band", warnings=(*found.warnings, warning))
