"""Class colours that the user has chosen: in a field, or in a QGIS style beside the file or within it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyogrio
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from .shared_file import undisturbed

_STYLES = "layer_styles"


def parse_color(text: Any) -> str:
    """``#rrggbb`` of ``"#RRGGBB[AA]"`` or ``"r,g,b[,a]"``; ``""`` if it is neither."""
    value = str(text or "").strip().lower()
    if match := re.match(r"^(#[0-9a-f]{6})([0-9a-f]{2})?$", value):
        return match.group(1)
    if re.match(r"^\d{1,3}(,\d{1,3}){2,3}(,.*)?$", value):
        rgb = [int(v) for v in value.split(",")[:3]]
        return "#{:02x}{:02x}{:02x}".format(*rgb) if max(rgb) <= 255 else ""
    return ""


def field_colors(names: NDArray[Any], colors: NDArray[Any]) -> dict[str, str]:
    """First usable colour of each class in a ``color`` field."""
    result: dict[str, str] = {}
    for name, text in zip(names, colors, strict=True):
        if name is not None and name not in result and (color := parse_color(text)):
            result[name] = color
    return result


def style_path(path: str) -> Path:
    """The QGIS style beside a file."""
    return Path(path).with_suffix(".qml")


def raster_style(path: str) -> dict[int, tuple[str, str]]:
    """Value -> (name, colour) of a paletted ``.qml`` beside a raster; empty without one."""
    result: dict[int, tuple[str, str]] = {}
    root = _style(path)
    for entry in () if root is None else root.iter("paletteEntry"):
        value = entry.get("value", "")
        if re.match(r"^-?\d+(\.0+)?$", value):
            result[int(float(value))] = (entry.get("label", "").strip(), parse_color(entry.get("color")))
    return result


def vector_style(path: str, layer: str = "") -> dict[str, str]:
    """Class -> colour of a vector file's categorised style: the ``.qml`` beside it, else the one that QGIS
    stored for ``layer`` in a GeoPackage; empty without one."""
    root = _style(path)
    if root is None:
        root = _stored_style(path, layer)
    if root is None:
        return {}
    symbols = {}
    for symbol in root.iter("symbol"):
        options = [*symbol.iter("Option"), *symbol.iter("prop")]
        found = [o.get("value", o.get("v", "")) for o in options if o.get("name", o.get("k")) == "color"]
        symbols[symbol.get("name")] = parse_color(found[0]) if found else ""
    pairs = ((c.get("value", ""), symbols.get(c.get("symbol"), "")) for c in root.iter("category"))
    return {value: color for value, color in pairs if color}


def _style(path: str) -> ElementTree.Element | None:
    """Root of the ``.qml`` beside a file; a damaged one is no reason to refuse labels."""
    style = style_path(path)
    if path.startswith("/vsi") or not style.is_file():
        return None
    try:
        return ElementTree.parse(style).getroot()
    except ElementTree.ParseError:
        return None


def _stored_style(path: str, layer: str) -> ElementTree.Element | None:
    """Root of the default style in the table that QGIS keeps in a GeoPackage."""
    if not path.lower().endswith(".gpkg"):
        return None
    try:
        with undisturbed(path) as readable:
            if _STYLES not in [str(name) for name, _ in pyogrio.list_layers(readable)]:
                return None
            columns = ["f_table_name", "styleQML", "useAsDefault"]
            read = pyogrio.raw.read(readable, layer=_STYLES, columns=columns, read_geometry=False)
        meta, _, _, data = read
        found = dict(zip(meta["fields"], data, strict=True))
        rows = zip(*(found[name] for name in columns), strict=True)
        texts = [qml for table, qml, default in rows if table == layer and default and qml]
        return ElementTree.fromstring(texts[0]) if texts else None
    except (DataSourceError, DataLayerError, KeyError, ElementTree.ParseError):
        return None
