"""DSTL: 25 labelled scenes of WorldView-3, ``sixteen_band/6010_1_2_M.tif``, polygons in ``train_wkt_v4.csv``.

A polygon's coordinates run over the scene from 0 to Xmax and from 0 down to Ymin (``grid_sizes.csv``). The
competition's rule brings them to the pixels of a W x H image: x * W² / ((W + 1) Xmax) and
y * H² / ((H + 1) Ymin).
The scenes have no georeference.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.lib import GEOSException

from nirlora.errors import DataMissing
from nirlora.raster.source import open_raster
from nirlora.recipes.readers.base import (
    ReaderSpec,
    Scene,
    Scenes,
    Tick,
    check_options,
    find_root,
)
from nirlora.recipes.write import write_mask

CLASSES = (
    "buildings", "manmade structures", "road", "track", "trees", "crops", "waterway", "standing water",
    "vehicle large", "vehicle small",
)  # fmt: skip
_LAYOUT = "sixteen_band/*_M.tif, train_wkt_v4.csv and grid_sizes.csv"
_FIELD_BYTES = 2**28  # one multipolygon is one field


def read(root: Path, work: Path, options: Mapping[str, Any], tick: Tick) -> Scenes:
    """See :class:`ReaderSpec`. Option ``class``: the class that is told from all else."""
    check_options(options, {"class": str})
    wanted = options.get("class", "crops")
    if wanted not in CLASSES:
        raise DataMissing(f"DSTL has no class {wanted!r}; it has {', '.join(CLASSES)}.")
    folder = find_root(root, (), lambda p: (p / "train_wkt_v4.csv").is_file(), _LAYOUT)
    extents = {row[0]: (float(row[1]), float(row[2])) for row in _rows(folder / "grid_sizes.csv")}
    scenes = []
    for image_id, wkt in _polygons(folder / "train_wkt_v4.csv", CLASSES.index(wanted) + 1):
        tick(f"drawing {wanted} of scene {image_id}")
        image, mask = folder / "sixteen_band" / f"{image_id}_M.tif", work / f"{image_id}.tif"
        if not image.is_file() or image_id not in extents:
            raise DataMissing(f"Scene {image_id} of train_wkt_v4.csv has no {image.name} or no extent.")
        with open_raster(image) as source:
            write_mask(mask, draw(wkt, extents[image_id], source.width, source.height))
        scenes.append(Scene(image_id, str(image), str(mask)))
    notes = () if len(scenes) == 25 else (f"{len(scenes)} labelled scenes, the published set has 25.",)
    return Scenes(tuple(scenes), notes)


def draw(wkt: str, extent: tuple[float, float], width: int, height: int) -> NDArray[np.uint8]:
    """A multipolygon on the grid of its scene: ``(height, width)``, 1 inside."""
    try:
        polygons = shapely.from_wkt(wkt)
    except GEOSException as error:
        raise DataMissing(f"A polygon cannot be read: {error}.") from error
    scale = np.array([width**2 / ((width + 1) * extent[0]), height**2 / ((height + 1) * extent[1])])
    drawn = shapely.transform(polygons, lambda xy: xy * scale)
    parts = [part for part in shapely.get_parts(drawn) if not part.is_empty]
    mask = np.zeros((height, width), np.uint8)
    if parts:
        mask = rasterize(parts, out_shape=mask.shape, dtype="uint8")
    return mask


def _polygons(path: Path, number: int) -> Iterator[tuple[str, str]]:
    """(scene, WKT) of one class, scenes in the order of the file."""
    for row in _rows(path):
        if int(row[1]) == number:
            yield row[0], row[2]


def _rows(path: Path) -> list[list[str]]:
    """The lines of a table without its first."""
    before = csv.field_size_limit(_FIELD_BYTES)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))[1:]
    except (OSError, csv.Error) as error:
        raise DataMissing(f"{path} cannot be read: expected {_LAYOUT}.") from error
    finally:
        csv.field_size_limit(before)


SPEC = ReaderSpec("dstl", read, _LAYOUT)
