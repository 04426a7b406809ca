"""Where the unlabelled tiles come from: public aerial and satellite rasters, and generated fields.

Neither the RedEdge frame nor the Landsat scenes are taken, for which half of them is tested depends on a
seed. Of the NAIP trees, the images of the training tiles are among the archives (not their labels), and the
place of every validation and test tile is left out in every year, as their README says; here a tile of such
a place is an error.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nirlora.demo_scene import expose, make_scene
from nirlora.raster.source import open_raster

SIDE = 256
ROLES = ("red", "green", "blue", "nir")
Tile = NDArray[np.uint8]  # (4, SIDE, SIDE): red, green, blue, near-infrared
_TOP_QUANTILE = 0.999  # of a raster that is not uint8 becomes 255
_VALID_SHARE = 0.98


@dataclass(frozen=True)
class Source:
    """Tiles that are stretched alike.

    Attributes:
        name: For the card.
        kind: ``naip`` (unlabelled tiles of cities), ``raster`` or ``generated``.
        licence: Of the images.
        tiles: (n, 4, SIDE, SIDE), one common scale for all channels.
    """

    name: str
    kind: str
    licence: str
    tiles: NDArray[np.uint8]


_RASTERS = {  # file -> (bands red, green, blue, nir, licence)
    "landsat8_elkton/naip_sherando.tif": ((1, 2, 3, 4), "public domain"),
    "landsat8_elkton/naip_3607824.tif": ((1, 2, 3, 4), "public domain"),
    "landsat8_elkton/naip_3607717.tif": ((1, 2, 3, 4), "public domain"),
    "naip_north_dakota_fields/naip_20100629.tif": ((1, 2, 3, 4), "public domain"),
    "naip_north_dakota_fields/naip_20180716.tif": ((1, 2, 3, 4), "public domain"),
    "sentinel2_ftw_fields/s2_window_a.tif": ((1, 2, 3, 4), "Copernicus Sentinel data, free and open"),
    "sentinel2_ftw_fields/s2_window_b.tif": ((1, 2, 3, 4), "Copernicus Sentinel data, free and open"),
}


def all_sources(data: Path, num_fields: int, seed: int) -> Iterator[Source]:
    """Everything there is to learn from, in a fixed order.

    Args:
        data: Folder of the data sets.
        num_fields: Generated fields.
        seed: Of these.

    Raises:
        ValueError: A tile of a place that is held out is among them.
    """
    archives = sorted((data / "naip_rgb_nir_unlabelled").glob("*.zip"))
    held_out = held_out_places(data / "naip_urban_trees" / "tiles.csv")
    for archive in archives:
        yield Source(archive.stem, "naip", "CC BY 4.0", np.stack(list(_pairs(archive, held_out))))
    for name, (bands, licence) in _RASTERS.items():
        yield Source(name, "raster", licence, _cut(data / name, bands))
    for index in range(num_fields):
        yield Source(f"field {seed + index}", "generated", "this project", _field(seed + index))


def held_out_places(table: Path) -> frozenset[tuple[str, str]]:
    """(city, number) of every validation and test tile; the same number is the same place in every year."""
    with table.open() as file:
        return frozenset(
            place_of(row["tile"].removesuffix(".tif"))
            for row in csv.DictReader(file)
            if row["split"] != "train"
        )


def place_of(tile: str) -> tuple[str, str]:
    """(city, number) of a tile named ``CITY_YEAR_NUMBER``."""
    city, _, number = tile.rsplit("_", 2)
    return city, number


def _pairs(archive: Path, held_out: frozenset[tuple[str, str]]) -> Iterator[Tile]:
    with zipfile.ZipFile(archive) as members:
        names = sorted(n.removesuffix("_nir.jpg") for n in members.namelist() if n.endswith("_nir.jpg"))
        for name in names:
            if place_of(name) in held_out:
                raise ValueError(f"{name} lies where a validation or test tile lies")
            rgb = np.asarray(Image.open(io.BytesIO(members.read(f"{name}_rgb.jpg"))))
            nir = np.asarray(Image.open(io.BytesIO(members.read(f"{name}_nir.jpg"))))
            yield np.concatenate([rgb.transpose(2, 0, 1), nir[None]])


def _cut(path: Path, bands: tuple[int, ...]) -> NDArray[np.uint8]:
    """Tiles that cover a raster, the last ones moved inside; those with holes are left out."""
    with open_raster(str(path)) as source:
        values, valid = source.read(source.window, list(bands))
    values = values.astype(np.float32)
    if values[:, valid].max() > 255:
        values *= 255 / np.quantile(values[:, valid], _TOP_QUANTILE)
    rounded = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return _tiles(rounded, valid)


def _field(seed: int) -> NDArray[np.uint8]:
    """A generated field: its bands are blue, green, red, red edge and near-infrared."""
    rng = np.random.default_rng(seed)
    scene = make_scene(rng, 4 * SIDE)
    values = expose(rng, scene)[[2, 1, 0, 4]].astype(np.float32)
    values *= 255 / np.quantile(values[:, scene.valid], _TOP_QUANTILE)
    return _tiles(np.clip(np.rint(values), 0, 255).astype(np.uint8), scene.valid)


def _tiles(values: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    height, width = valid.shape
    starts = [[min(i, n - SIDE) for i in range(0, n, SIDE)] for n in (height, width)]
    windows = [(slice(r, r + SIDE), slice(c, c + SIDE)) for r in starts[0] for c in starts[1]]
    return np.stack([values[:, r, c] for r, c in windows if valid[r, c].mean() >= _VALID_SHARE])
