"""A GeoPackage that another program is writing to: read with its last changes, and left as it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from nirlora.vector.palette import vector_style
from nirlora.vector.parcel_writer import copy_with_fields
from nirlora.vector.reading import read_layer, vector_layers
from nirlora.vector.shared_file import undisturbed


@pytest.fixture
def edited(tmp_path):
    """A GeoPackage with one polygon of class tree; soil, says the log of a program that has it open."""
    path = tmp_path / "drawn.gpkg"
    square = shapely.to_wkb(np.array([shapely.box(0, 0, 1, 1)]))
    pyogrio.raw.write(
        path, square, [np.array(["tree"], dtype=object)], ["class"], geometry_type="Polygon",
        crs="EPSG:32633", layer="drawn", layer_options={"SPATIAL_INDEX": "NO"},
    )  # fmt: skip
    program = sqlite3.connect(path)
    program.execute("PRAGMA journal_mode=WAL")
    program.execute("PRAGMA wal_autocheckpoint=0")
    program.execute("UPDATE drawn SET class = 'soil'")
    program.commit()
    yield path
    program.close()


def test_what_is_not_in_the_file_yet_is_read(edited):
    assert list(read_layer(str(edited), "class").columns["class"]) == ["soil"]
    assert vector_layers(str(edited)) == (("drawn", True),)


def test_the_log_of_the_other_program_stays(edited):
    log = edited.with_name("drawn.gpkg-wal")
    before = log.read_bytes()
    assert before
    read_layer(str(edited), "class")
    vector_layers(str(edited))
    vector_style(str(edited), "drawn")
    copy = edited.with_name("copy.gpkg")
    copy_with_fields(str(edited), "drawn", copy, {"n": np.array([1])})
    assert list(read_layer(str(copy), "class").columns["class"]) == ["soil"]
    assert log.read_bytes() == before


def test_the_copy_is_gone_afterwards_and_a_quiet_file_is_not_copied(edited, tmp_path):
    with undisturbed(str(edited)) as copy:
        assert copy != str(edited)
    assert not Path(copy).parent.exists()
    quiet = tmp_path / "quiet.gpkg"
    quiet.write_bytes(b"")
    with undisturbed(str(quiet)) as same:
        assert same == str(quiet)
