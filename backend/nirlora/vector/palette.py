"""Class colours: from a field or style if there is one, else a default that reads well on a map."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from numpy.typing import NDArray

# Paul Tol's "bright" and "muted" schemes, told apart with common colour blindness.
_PALETTE = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#882255", "#44aa99",
    "#999933", "#332288", "#ddcc77", "#117733", "#cc6677", "#88ccee", "#aa4499", "#777777",
)  # fmt: skip

# What people expect of the commonest class names; the first word found decides.
_EXPECTED = (
    ("weed", "#d9421e"), ("tree", "#1b6b2f"), ("forest", "#1b6b2f"), ("wood", "#1b6b2f"),
    ("crop", "#8bc34a"), ("field", "#8bc34a"), ("grass", "#b9d77a"), ("herb", "#b9d77a"),
    ("meadow", "#b9d77a"), ("shrub", "#7a9a3a"), ("soil", "#b08a5b"), ("bare", "#c8a878"),
    ("sparse", "#d8c59a"), ("water", "#2f7fc1"), ("shadow", "#3b3b52"), ("road", "#8a8a8a"),
    ("build", "#b5524f"), ("develop", "#b5524f"), ("urban", "#b5524f"), ("snow", "#e6f2fa"),
    ("cloud", "#cfd8dc"), ("other", "#bdb6a6"), ("background", "#bdb6a6"),
)  # fmt: skip


def default_colors(names: Sequence[str], known: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """One ``#rrggbb`` per class name: the known one, else by the name's meaning, else the next free.

    Args:
        names: Class names.
        known: Name -> colour, where the user has chosen.
    """
    known = known or {}
    used = set(known.values())
    free = [c for c in _PALETTE if c not in used]
    result: list[str] = []
    for i, name in enumerate(names):
        expected = next((c for word, c in _EXPECTED if word in name.lower() and c not in used), "")
        color = known.get(name) or expected or (free.pop(0) if free else _PALETTE[i % len(_PALETTE)])
        used.add(color)
        result.append(color)
    return tuple(result)


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
    for entry in _elements(path, "paletteEntry"):
        value = entry.get("value", "")
        if re.match(r"^-?\d+(\.0+)?$", value):
            result[int(float(value))] = (entry.get("label", "").strip(), parse_color(entry.get("color")))
    return result


def vector_style(path: str) -> dict[str, str]:
    """Class -> colour of a categorised ``.qml`` beside a vector file; empty without one."""
    symbols = {}
    for symbol in _elements(path, "symbol"):
        options = [*symbol.iter("Option"), *symbol.iter("prop")]
        found = [o.get("value", o.get("v", "")) for o in options if o.get("name", o.get("k")) == "color"]
        symbols[symbol.get("name")] = parse_color(found[0]) if found else ""
    pairs = ((c.get("value", ""), symbols.get(c.get("symbol"), "")) for c in _elements(path, "category"))
    return {value: color for value, color in pairs if color}


def _elements(path: str, tag: str) -> list[ElementTree.Element]:
    style = style_path(path)
    if path.startswith("/vsi") or not style.is_file():
        return []
    try:
        return list(ElementTree.parse(style).iter(tag))
    except ElementTree.ParseError:
        return []  # a damaged style is no reason to refuse labels
