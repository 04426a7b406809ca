"""Reading a band's own name: "NIR", "Near Infrared (842 nm)", "Rededge-717", "nir B5", "blue 475"."""

from __future__ import annotations

import re

from .roles import (
    ALPHA,
    BLUE,
    COASTAL,
    GREEN,
    NIR,
    PAN,
    RED,
    REDEDGE,
    SWIR1,
    SWIR2,
    THERMAL,
    YELLOW,
    Guess,
    role_of_wavelength,
)

# Bands that carry a colour word without being that colour.
_NO_SPECTRAL_BAND = re.compile(
    r"\b(ndvi|gndvi|ndre|savi|evi2?|ndwi|osavi|index|cloud|cirrus|qa|quality|scl|wvp|aot|water vapou?r"
    r"|classification|ratio|dsm|dtm|dem|elevation|height|label|labels)\b"
)
_INFRARED = r"(?:infra ?red|ir)"
# Longer names first: each match is cut out, so that "red edge" leaves no "red" behind.
_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (role, re.compile(rf"\b(?:{words})\b"))
    for role, words in (
        (ALPHA, r"alpha|mask|transparency"),
        (THERMAL, rf"(?:thermal|lw|tir|long ?wave)(?: ?{_INFRARED})?s? ?\d*|lwir ?\d*"),
        (PAN, r"pan|panchromatic"),
        ("swir", rf"(?:short ?wave|mid|middle)(?: ?{_INFRARED})? ?(?P<n>\d{{1,2}})?|swir ?(?P<m>\d{{1,2}})?"),
        (REDEDGE, r"(?:vegetation )?red ?edge ?(?P<n>\d|07[0-9])?|re(?P<m>\d)?|edge"),
        (NIR, rf"(?:narrow )?(?:nir|near ?{_INFRARED}) ?(?P<n>\d{{1,2}})?(?: narrow)?|{_INFRARED}"),
        (COASTAL, r"coastal(?: ?(?:blue|aerosol))?|ultra ?blue|deep ?blue|violet"),
        (YELLOW, r"yellow|orange"),
        (GREEN, r"green ?(?P<n>i\b)?"),
        (BLUE, r"blue"),
        (RED, r"red"),
    )
)
_UNITS = re.compile(r"(\d+(?:\.\d+)?) ?(nm|nanomet\w*|um|µm|μm|micromet\w*|micron\w*)\b")
_BARE_NM = re.compile(r"(?<![\w.])(\d{3,4})(?![\w.])")
_LETTERS = {"r": RED, "g": GREEN, "b": BLUE, "n": NIR, "nir": NIR, "re": REDEDGE, "a": ALPHA}
# Common names of STAC items carry the wavelength as a suffix.
_STAC_NM = {"08": 865.0, "09": 945.0, "071": 705.0, "075": 740.0, "078": 783.0}
_CODE = re.compile(r"(?:^|[^a-z0-9])(?:sr_?)?b(?:and)?[ _]?(0?\d|1[0-3]|8a)(?![a-z0-9])")


def guess_from_name(name: str) -> Guess:
    """What a band description says about the band.

    A name with two different colours ("red-green ratio") says nothing. A word counts before a wavelength.
    """
    text = re.sub(r"[_\-/()\[\],;:=|]+", " ", name.strip().lower())
    text = re.sub(r"\s+", " ", text).strip()
    if not text or _NO_SPECTRAL_BAND.search(text):
        return Guess()
    nm = wavelength_in(text)
    found: list[tuple[str, str]] = []
    rest = text
    for role, pattern in _WORDS:
        match = pattern.search(rest)
        if match:
            groups = [g for g in match.groupdict().values() if g]
            found.append((role, groups[0] if groups else ""))
            rest = pattern.sub(" ", rest)
    if len(found) > 1:
        return Guess()
    if not found:
        return Guess(role_of_wavelength(nm), 0, nm)
    return _with_suffix(*found[0], nm)


def spell_out(names: list[str]) -> list[str]:
    """Names "R", "G", "B", "N" in words, when all names are such letters; a lone "B" may mean anything."""
    letters = [name.strip().lower() for name in names]
    if len(letters) >= 3 and {"r", "g"} <= set(letters) <= set(_LETTERS):
        return [_LETTERS[letter] for letter in letters]
    return names


def _with_suffix(role: str, suffix: str, nm: float) -> Guess:
    if role == "swir":
        second = suffix in ("2", "22") or (suffix == "" and nm >= 1900)
        return Guess(SWIR2 if second else SWIR1, 0, nm)
    if suffix == "i":  # green_i of PlanetScope lies beside its green
        return Guess(role, 0, nm or 531.0)
    if suffix in _STAC_NM:
        return Guess(role, 0, _STAC_NM[suffix])
    return Guess(role, int(suffix) if suffix.isdigit() else 0, nm)


def wavelength_in(text: str) -> float:
    """Centre wavelength in nanometres named in ``text``, 0 if none: "842 nm", "0.842 um", "nir 842"."""
    match = _UNITS.search(text.lower())
    if match:
        return float(match[1]) * (1.0 if match[2].startswith("n") else 1000.0)
    bare = [float(m) for m in _BARE_NM.findall(text) if 380 <= float(m) <= 2500]
    return bare[0] if len(bare) == 1 else 0.0


def code_in(name: str) -> str:
    """Band code in a name, as the satellites' own tables write it: "SR_B5" -> "B5", "B08" -> "B08"."""
    match = _CODE.search(name.strip().lower())
    return f"B{match[1].upper()}" if match else ""
