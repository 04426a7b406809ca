"""Class colours from the style that QGIS keeps within a GeoPackage."""

from __future__ import annotations

import sqlite3

import pytest
import shapely

from grids import NORTH_UP, empty_raster, from_pixels, write_vector
from nirlora.raster.source import open_raster
from nirlora.vector.labels import open_labels

CATEGORY = '<category value="{name}" symbol="{i}" label="{name}" render="true"/>'
# Colours as QGIS 3.22 writes them, and as 3.40 does.
SYMBOLS = (
    '<symbol name="0" type="fill"><layer class="SimpleFill"><Option type="Map">'
    '<Option name="color" type="QString" value="18,52,86,70"/></Option></layer></symbol>'
    '<symbol name="1" type="fill"><layer class="SimpleFill"><Option type="Map">'
    '<Option name="color" type="QString" value="1,2,3,70,rgb:0.0039216,0.0078431,0.0117647,0.2745098"/>'
    "</Option></layer></symbol>"
)


def qml(*names: str) -> str:
    categories = "".join(CATEGORY.format(name=name, i=i) for i, name in enumerate(names))
    return (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM"><qgis version="3.22.16">'
        f'<renderer-v2 type="categorizedSymbol" attr="class"><categories>{categories}</categories>'
        f"<symbols>{SYMBOLS}</symbols></renderer-v2></qgis>"
    )


@pytest.fixture
def labels(tmp_path):
    squares = from_pixels([shapely.box(4, 4, 12, 12), shapely.box(30, 20, 40, 30)], NORTH_UP)
    return write_vector(tmp_path / "a.gpkg", squares, {"class": ["weed", "crop"]}, layer="training")


def store(path, table: str, text: str, default: bool = True):
    """A row of QGIS's table of styles."""
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS layer_styles (id INTEGER PRIMARY KEY, f_table_name TEXT, "
            "styleName TEXT, styleQML TEXT, useAsDefault BOOLEAN)"
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?) "
            "ON CONFLICT DO NOTHING",
            ("layer_styles", "layer_styles"),
        )
        row = (table, "s", text, int(default))
        database.execute(
            "INSERT INTO layer_styles (f_table_name, styleName, styleQML, useAsDefault) VALUES (?, ?, ?, ?)",
            row,
        )
    database.close()


def colors(tmp_path, path) -> dict[str, str]:
    raster = empty_raster(tmp_path / "field.tif")
    with open_raster(raster) as source:
        found = open_labels(path, source)
        return dict(zip(found.classes, found.colors, strict=True))


def test_the_default_style_of_the_layer_counts(tmp_path, labels):
    store(labels, "other", qml("crop", "weed"))
    store(labels, "training", qml("crop", "weed"), default=False)
    store(labels, "training", qml("weed", "crop"))
    assert colors(tmp_path, labels) == {"weed": "#123456", "crop": "#010203"}


def test_a_qml_beside_the_file_comes_first(tmp_path, labels):
    store(labels, "training", qml("weed", "crop"))
    labels.with_suffix(".qml").write_text(qml("crop", "weed"), encoding="utf-8")
    assert colors(tmp_path, labels) == {"crop": "#123456", "weed": "#010203"}


@pytest.mark.parametrize("text", ["", "<qgis", "<qgis/>"])
def test_a_damaged_style_is_no_reason_to_refuse_labels(tmp_path, labels, text):
    plain = colors(tmp_path, labels)
    store(labels, "training", text)
    assert colors(tmp_path, labels) == plain
