"""How a class raster looks and is labelled outside this program: colours, category names, a QGIS style."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from nirlora.errors import OptionError
from nirlora.protocol import ClassInfo

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def rgb(color: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three numbers 0..255.

    Raises:
        OptionError: It has another form.
    """
    if not _HEX.fullmatch(color):
        raise OptionError(f"{color!r} is not a colour, expected #rrggbb.", hint="Write #00aa44, say.")
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def colour_table(classes: Sequence[ClassInfo], nodata: int) -> dict[int, tuple[int, int, int, int]]:
    """GDAL colour table: one opaque entry per class, nodata transparent."""
    table = {c.value: (*rgb(c.color), 255) for c in classes}
    table[nodata] = (0, 0, 0, 0)
    return table


def pam_xml(classes: Sequence[ClassInfo], georeference: str = "") -> str:
    """Text of the ``.aux.xml`` that carries category names, which GeoTIFF itself cannot.

    Args:
        classes: Values may have gaps; gaps get empty names.
        georeference: Further elements of the data set, as XML.
    """
    names = {c.value: c.name for c in classes}
    categories = "".join(
        f"      <Category>{escape(names.get(v, ''))}</Category>\n" for v in range(max(names, default=-1) + 1)
    )
    band = f'  <PAMRasterBand band="1">\n    <CategoryNames>\n{categories}    </CategoryNames>\n'
    return f"<PAMDataset>\n{georeference}{band}  </PAMRasterBand>\n</PAMDataset>\n"


def qml(classes: Sequence[ClassInfo]) -> str:
    """Text of a QGIS style (3.22 and later): paletted renderer with names and colours."""
    entries = "".join(
        f'        <paletteEntry value="{c.value}" label={quoteattr(c.name)} '
        f'color="{c.color.lower()}" alpha="255"/>\n'
        for c in classes
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.22.0" styleCategories="AllStyleCategories" hasScaleBasedVisibilityFlag="0">\n'
        "  <pipe>\n"
        '    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">\n'
        "      <rasterTransparency/>\n"
        "      <colorPalette>\n"
        f"{entries}"
        "      </colorPalette>\n"
        "    </rasterrenderer>\n"
        '    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>\n'
        '    <huesaturation colorizeOn="0" grayscaleMode="0" saturation="0"/>\n'
        '    <rasterresampler maxOversampling="2"/>\n'
        "  </pipe>\n"
        "  <blendMode>0</blendMode>\n"
        "</qgis>\n"
    )
