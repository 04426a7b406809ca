"""Named sensors: their bands, the orders in which files hold them, and how a file gives its sensor away.

Sources: the vendors' product descriptions (ESA Sentinel-2 MSI, USGS Landsat Collection 2, USDA NAIP, Planet
imagery specification, MicaSense and Parrot manuals, Maxar, Airbus). Where files of one sensor come in several
orders, all are listed, and only what they agree on is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .roles import BLUE, COASTAL, GREEN, NIR, PAN, RED, REDEDGE, SWIR1, SWIR2, THERMAL, YELLOW, Guess


@dataclass(frozen=True)
class Sensor:
    """One instrument.

    Attributes:
        name: As shown to the user.
        bands: Band code to what it is.
        orders: Band codes in file order; one tuple per kind of file.
        evidence: Pattern in a file name or tag that no other product has (matched in lower case).
    """

    name: str
    bands: dict[str, Guess]
    orders: tuple[tuple[str, ...], ...]
    evidence: str

    def matches(self, text: str) -> bool:
        """Whether ``text`` (a file name or tag value) names this sensor."""
        return re.search(self.evidence, text.lower()) is not None

    def by_count(self, count: int) -> tuple[Guess, ...]:
        """One guess per band of a file with ``count`` bands; unknown where its possible orders differ."""
        options = [order for order in self.orders if len(order) == count]
        if not options:
            return ()
        agreed = [set(codes) for codes in zip(*options, strict=True)]
        return tuple(self.bands[codes.pop()] if len(codes) == 1 else Guess() for codes in agreed)


def _bands(*rows: tuple[str, str, float] | tuple[str, str, float, int]) -> dict[str, Guess]:
    return {row[0]: Guess(row[1], row[3] if len(row) == 4 else 0, row[2]) for row in rows}


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SENTINEL2 = Sensor(
    "Sentinel-2",
    _bands(
        ("B1", COASTAL, 443),
        ("B2", BLUE, 492),
        ("B3", GREEN, 560),
        ("B4", RED, 665),
        ("B5", REDEDGE, 704, 1),
        ("B6", REDEDGE, 740, 2),
        ("B7", REDEDGE, 783, 3),
        ("B8", NIR, 833, 1),
        ("B8A", NIR, 865, 2),
        ("B9", "", 945),  # water vapour
        ("B10", "", 1373),  # cirrus
        ("B11", SWIR1, 1614),
        ("B12", SWIR2, 2202),
    ),
    (
        _codes("B1 B2 B3 B4 B5 B6 B7 B8 B8A B9 B10 B11 B12"),
        _codes("B1 B2 B3 B4 B5 B6 B7 B8 B8A B9 B11 B12"),
        _codes("B2 B3 B4 B5 B6 B7 B8 B8A B11 B12"),
        _codes("B2 B3 B4 B8 B5 B6 B7 B8A B11 B12"),
        _codes("B2 B3 B4 B8"),
        _codes("B4 B3 B2 B8"),
    ),
    r"(^|[^a-z0-9])s2[a-d]_(msi|ope|\d)|sentinel-?_?2|msil[12][ac]|(^|_)t\d\d[a-z]{3}_\d{8}t\d{6}",
)
LANDSAT8 = Sensor(
    "Landsat 8/9",
    _bands(
        ("B1", COASTAL, 443),
        ("B2", BLUE, 482),
        ("B3", GREEN, 561),
        ("B4", RED, 655),
        ("B5", NIR, 865),
        ("B6", SWIR1, 1609),
        ("B7", SWIR2, 2201),
        ("B8", PAN, 590),
        ("B9", "", 1373),  # cirrus
        ("B10", THERMAL, 10895, 1),
        ("B11", THERMAL, 12005, 2),
    ),
    (
        _codes("B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11"),
        _codes("B1 B2 B3 B4 B5 B6 B7"),
        _codes("B2 B3 B4 B5 B6 B7"),
    ),
    r"(^|[^a-z0-9])l[co]0?[89]([_\d]|$)|landsat[-_ ]?[89]|oli_tirs",
)
LANDSAT57 = Sensor(
    "Landsat 4-7",
    _bands(
        ("B1", BLUE, 485),
        ("B2", GREEN, 560),
        ("B3", RED, 660),
        ("B4", NIR, 835),
        ("B5", SWIR1, 1650),
        ("B6", THERMAL, 11450),
        ("B7", SWIR2, 2220),
        ("B8", PAN, 710),
    ),
    (_codes("B1 B2 B3 B4 B5 B7"), _codes("B1 B2 B3 B4 B5 B6 B7")),
    r"(^|[^a-z0-9])l[te]0?[4-7]([_\d]|$)|landsat[-_ ]?[4-7]([^0-9]|$)",
)
NAIP = Sensor(
    "NAIP",
    _bands(("1", RED, 645), ("2", GREEN, 555), ("3", BLUE, 460), ("4", NIR, 835)),
    (_codes("1 2 3 4"),),
    r"(^|[^a-z0-9])naip|(^|[^a-z0-9])m_\d{7}_(ne|nw|se|sw)_\d{1,2}_",
)
PLANETSCOPE = Sensor(
    "PlanetScope",
    _bands(
        ("coastal", COASTAL, 443),
        ("blue", BLUE, 490),
        ("green_i", GREEN, 531, 2),
        ("green", GREEN, 565, 1),
        ("yellow", YELLOW, 610),
        ("red", RED, 665),
        ("rededge", REDEDGE, 705),
        ("nir", NIR, 865),
    ),
    (
        _codes("coastal blue green_i green yellow red rededge nir"),
        _codes("blue green red nir"),
        _codes("blue green red rededge nir"),
    ),
    r"_analyticms|_analytic_sr|planetscope|(^|[^a-z0-9])psscene|_analytic_8b",
)
RAPIDEYE = Sensor(
    "RapidEye",
    _bands(
        ("blue", BLUE, 475),
        ("green", GREEN, 555),
        ("red", RED, 658),
        ("rededge", REDEDGE, 710),
        ("nir", NIR, 805),
    ),
    (_codes("blue green red rededge nir"),),
    r"rapid-?_?eye|(^|[^a-z0-9])re[1-5]_\da_|_re[1-5]_\da",
)
_MICASENSE_BANDS = (
    ("blue", BLUE, 475.0),
    ("green", GREEN, 560.0),
    ("red", RED, 668.0),
    ("rededge", REDEDGE, 717.0),
    ("nir", NIR, 842.0),
)
# The camera numbers its bands with NIR fourth; the vendor's own mosaics and others put it fifth.
REDEDGE_CAMERA = Sensor(
    "MicaSense RedEdge",
    _bands(*_MICASENSE_BANDS),
    (_codes("blue green red nir rededge"), _codes("blue green red rededge nir")),
    r"rededge[-_ ]?(m|mx|p|3)?([^a-z]|$)(?=.*micasense)|micasense.*rededge|rededge-(m|mx|p)([^a-z]|$)",
)
ALTUM = Sensor(
    "MicaSense Altum",
    _bands(*_MICASENSE_BANDS, ("lwir", THERMAL, 11000.0)),
    (_codes("blue green red nir rededge lwir"), _codes("blue green red rededge nir lwir")),
    r"(^|[^a-z])altum([^a-z]|$)",
)
SEQUOIA = Sensor(
    "Parrot Sequoia",
    _bands(("green", GREEN, 550), ("red", RED, 660), ("rededge", REDEDGE, 735), ("nir", NIR, 790)),
    (_codes("green red rededge nir"),),
    r"parrot.?sequoia|^sequoia$",  # the trees have that name too
)
WORLDVIEW3 = Sensor(
    "WorldView-2/3",
    _bands(
        ("C", COASTAL, 427),
        ("B", BLUE, 482),
        ("G", GREEN, 547),
        ("Y", YELLOW, 604),
        ("R", RED, 660),
        ("RE", REDEDGE, 723),
        ("N", NIR, 824, 1),
        ("N2", NIR, 914, 2),
    ),
    (_codes("C B G Y R RE N N2"), _codes("B G R N")),
    r"(^|[^a-z0-9])wv0?[23]([^a-z0-9]|$)|worldview-?_? ?[23]",
)
PLEIADES = Sensor(
    "Pleiades",
    _bands(("B2", RED, 660), ("B1", GREEN, 560), ("B0", BLUE, 495), ("B3", NIR, 840)),
    (_codes("B2 B1 B0 B3"),),
    r"(^|[^a-z0-9])phr1[ab]|pl[eé]iades",
)

SENSORS = (
    SENTINEL2,
    LANDSAT8,
    LANDSAT57,
    NAIP,
    PLANETSCOPE,
    RAPIDEYE,
    REDEDGE_CAMERA,
    ALTUM,
    SEQUOIA,
    WORLDVIEW3,
    PLEIADES,
)
# Sensors whose bands go by numbers that mean something else elsewhere.
CODED = (SENTINEL2, LANDSAT8, LANDSAT57)
