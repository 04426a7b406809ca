"""Names and colours of the values of a class raster, wherever the file or its neighbours keep them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import rasterio
from rasterio.errors import RasterioError

from nirlora.raster.source import RasterSource

from .palette import parse_color, raster_style

_NOT_A_CLASS = re.compile(r"^(un-?label(l)?ed|unclassified|no[ _-]?data|unknown|unsure|ignore(d)?)$", re.I)


@dataclass(frozen=True)
class Legend:
    """Value -> name, value -> ``#rrggbb``, and values whose name says that they are no class."""

    names: dict[int, str]
    colors: dict[int, str]
    unlabelled: frozenset[int]


def read_legend(path: str, raster: RasterSource) -> Legend:
    """Legend of a class raster.

    Names come from the first of: GDAL categories (``.aux.xml``), a QGIS style (``.qml``), the tag
    ``CLASSES`` of our own maps. Colours from the style or tag, else the colour table.
    """
    style = raster_style(path) or _tagged(raster)
    names = _categories(path) or {v: n for v, (n, _) in style.items() if n}
    unlabelled = frozenset(v for v, n in names.items() if _NOT_A_CLASS.match(n))
    colors = _color_table(path, raster) | {v: c for v, (_, c) in style.items() if c}
    return Legend({v: n for v, n in names.items() if v not in unlabelled}, colors, unlabelled)


def _tagged(raster: RasterSource) -> dict[int, tuple[str, str]]:
    """Value -> (name, colour) from the tag ``CLASSES`` that our own maps carry."""
    try:
        found: Any = json.loads(raster.tags.get("CLASSES", "[]"))
        return {int(c["value"]): (str(c["name"]), parse_color(c.get("color"))) for c in found}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}  # somebody else's tag of that name


def _categories(path: str) -> dict[int, str]:
    sidecar = Path(path + ".aux.xml")
    if path.startswith("/vsi") or not sidecar.is_file():
        return {}
    try:
        found = ElementTree.parse(sidecar).findall("./PAMRasterBand[@band='1']/CategoryNames/Category")
    except ElementTree.ParseError:
        return {}
    return {i: c.text.strip() for i, c in enumerate(found) if c.text and c.text.strip()}


def _color_table(path: str, raster: RasterSource) -> dict[int, str]:
    if raster.color_interp[0] != "palette":
        return {}
    try:
        with rasterio.open(path) as file:
            table = file.colormap(1)
    except (RasterioError, ValueError):
        return {}
    return {v: parse_color(f"{r},{g},{b}") for v, (r, g, b, a) in table.items() if a and (r or g or b)}
