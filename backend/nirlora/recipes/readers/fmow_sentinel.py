"""fMoW-Sentinel: 13-band GeoTIFFs of places, listed by ``train.csv`` and ``val.csv``.

``train/airport/airport_7/airport_7_3.tif``; the tables have the columns category, location_id, image_id and
leave out the images that could not be downloaded. Bands are B1 to B12 in order of wavelength.
Source: the metadata page of the data set, and https://github.com/sustainlab-group/SatMAE.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nirlora.errors import DataMissing
from nirlora.recipes.readers.base import (
    Images,
    ReaderSpec,
    Tick,
    check_options,
    find_root,
    thinned,
    write_image_table,
)

_LAYOUT = "train.csv and val.csv, and train/CATEGORY/CATEGORY_PLACE/CATEGORY_PLACE_IMAGE.tif"
_COLUMNS = ("category", "location_id", "image_id")


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Images:
    """See :class:`ReaderSpec`. Option ``most``: so many images of each side at most; 0: all."""
    check_options(options, {"most": int})
    folder = find_root(root, ("fmow-sentinel",), lambda p: (p / "train.csv").is_file(), _LAYOUT)
    sides, notes = {}, []
    for side in ("train", "val"):
        tick(f"finding images of {side}")
        listed = thinned(_listed(folder, side), options.get("most", 0))
        sides[side] = [row for row in listed if Path(row[0]).is_file()]
        if lost := len(listed) - len(sides[side]):
            notes.append(f"{lost} of {len(listed)} images that {side}.csv lists are not there.")
        if not sides[side]:
            raise DataMissing(
                f"None of the images that {folder / side}.csv lists is there: expected {_LAYOUT}."
            )
    found = write_image_table(work, sides)
    return Images(found.images, found.split, found.train, tuple(notes))


def _listed(folder: Path, side: str) -> list[tuple[str, str]]:
    table = folder / f"{side}.csv"
    try:
        with table.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise DataMissing(f"{table} has not the columns {', '.join(_COLUMNS)}.")
            return [(_path(folder / side, row), row["category"]) for row in reader]
    except OSError as error:
        raise DataMissing(f"{table} cannot be read: expected {_LAYOUT}.") from error


def _path(folder: Path, row: Mapping[str, str]) -> str:
    place = f"{row['category']}_{row['location_id']}"
    return str((folder / row["category"] / place / f"{place}_{row['image_id']}.tif").resolve())


SPEC = ReaderSpec("fmow-sentinel", read, _LAYOUT)
