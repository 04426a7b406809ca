"""The fixed train/test splits of the labelled data sets that accuracy is measured on."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

UNLABELLED = 255
URBAN_CLASSES = ("not vegetation", "tree", "low vegetation")
FIELD_CLASSES = ("water", "bare", "green")
WATER_BELOW, GREEN_ABOVE = -0.15, 0.2  # of NDVI in digital numbers


@dataclass(frozen=True)
class LabelledRaster:
    """An image with the path of a label raster on the same grid."""

    image: Path
    labels: Path


@dataclass(frozen=True)
class Place:
    """Rasters of one city or year, for a training here and a map there."""

    classes: tuple[str, ...]
    rasters: tuple[LabelledRaster, ...]


@dataclass(frozen=True)
class SplitSet:
    """Training and test rasters of one seed."""

    name: str
    classes: tuple[str, ...]
    train: tuple[LabelledRaster, ...]
    test: tuple[LabelledRaster, ...]


def orchard(data: Path, work: Path, seed: int, share: float = 0.05) -> SplitSet:
    """RedEdge frame: half of its 64 px blocks are tested, ``share`` of the rest is drawn as 32 px squares.

    The squares stand for hand-drawn polygons. Every class gets at least three squares, so that a rare
    class (weed) is not simply absent. No pixel is in both; which blocks and squares depends on the seed only.
    """
    folder = data / "micasense_rededge_orchard"
    image = folder / "rededge_orchard.tif"
    classes = ("other", "crop", "tree", "weed")
    with rasterio.open(folder / "rededge_orchard_labels.tif") as file:
        labels, profile = file.read(1), file.profile
    rng = np.random.default_rng(1000 + seed)
    is_train = _half_of_blocks(labels, 64, rng)
    drawn = _squares(labels, is_train, len(classes), share, rng)
    target = work / f"orchard_{seed}"
    target.mkdir(parents=True, exist_ok=True)
    train = _write(target / "train.tif", np.where(drawn, labels, UNLABELLED), profile, classes)
    test = _write(target / "test.tif", np.where(is_train, UNLABELLED, labels), profile, classes)
    return SplitSet("orchard", classes, (LabelledRaster(image, train),), (LabelledRaster(image, test),))


def urban_trees(data: Path, work: Path, seed: int, tiles: int = 48) -> SplitSet:
    """NAIP tiles: upstream's 18 test tiles; ``tiles`` of its 48 training tiles, drawn by the seed."""
    folder = data / "naip_urban_trees"
    classes = URBAN_CLASSES
    with (folder / "tiles.csv").open() as file:
        rows = list(csv.DictReader(file))
    by_split = {
        name: sorted(row["tile"].removesuffix(".tif") for row in rows if row["split"] == name)
        for name in ("train", "test")
    }
    rng = np.random.default_rng(2000 + seed)
    chosen = sorted(rng.choice(by_split["train"], size=tiles, replace=False).tolist())
    target = work / "urban_trees"
    target.mkdir(parents=True, exist_ok=True)

    def pair(tile: str) -> LabelledRaster:
        with rasterio.open(folder / "weak_masks" / f"{tile}.tif") as file:
            mask, profile = file.read(1), file.profile
        labels = _write(target / f"{tile}.tif", mask, profile, classes)
        return LabelledRaster(folder / "images" / f"{tile}.tif", labels)

    return SplitSet(
        "urban_trees", classes, tuple(pair(t) for t in chosen), tuple(pair(t) for t in by_split["test"])
    )


def place(data: Path, work: Path, name: str) -> Place:
    """NAIP of a city (``chico``), or of a year over the fields in North Dakota (``2010``)."""
    if name.isdigit():
        return Place(FIELD_CLASSES, _fields(data, work, name))
    return Place(URBAN_CLASSES, _city(data, work, name))


def _fields(data: Path, work: Path, year: str) -> tuple[LabelledRaster, ...]:
    """Water, bare and green ground by thresholds of NDVI (its red band is nothing that a NIR model sees)."""
    (image,) = (data / "naip_north_dakota_fields").glob(f"naip_{year}*.tif")
    with rasterio.open(image) as file:
        (red, nir), profile = file.read([1, 4]).astype(np.float32), file.profile
    ndvi = (nir - red) / np.maximum(nir + red, 1)
    labels = np.select([ndvi < WATER_BELOW, ndvi < GREEN_ABOVE], [0, 1], 2)
    labels[(red == profile["nodata"]) | (nir == profile["nodata"])] = UNLABELLED
    target = work / f"{year}.tif"
    return (LabelledRaster(image, _write(target, labels.astype(np.uint8), profile, FIELD_CLASSES)),)


def _city(data: Path, work: Path, name: str) -> tuple[LabelledRaster, ...]:
    """All NAIP tiles of one city, of every upstream split, with their weak masks."""
    folder = data / "naip_urban_trees"
    target = work / name
    target.mkdir(parents=True, exist_ok=True)
    found = []
    for image in sorted((folder / "images").glob(f"{name}_*.tif")):
        with rasterio.open(folder / "weak_masks" / image.name) as file:
            mask, profile = file.read(1), file.profile
        found.append(LabelledRaster(image, _write(target / image.name, mask, profile, URBAN_CLASSES)))
    return tuple(found)


def elkton(data: Path, work: Path, seed: int) -> SplitSet:
    """Landsat 8 with one polygon a class: each is cut in two through its middle, at an angle by the seed.

    Both halves lie side by side, so that the numbers flatter everything alike.
    """
    folder = data / "landsat8_elkton"
    classes = ("crop", "tree", "developed")
    with rasterio.open(folder / "labels.tif") as file:
        labels, profile = file.read(1), file.profile
    rng = np.random.default_rng(3000 + seed)
    is_train = np.zeros(labels.shape, bool)
    for value in range(1, len(classes) + 1):
        rows, cols = np.nonzero(labels == value)
        angle = rng.uniform(0, 2 * np.pi)
        side = (rows - rows.mean()) * np.sin(angle) + (cols - cols.mean()) * np.cos(angle)
        is_train[rows[side > 0], cols[side > 0]] = True
    return _halves(
        "elkton", classes, folder / "landsat8.tif", labels, is_train, profile, work / f"elkton_{seed}"
    )


def yellowstone(data: Path, work: Path, seed: int) -> SplitSet:
    """Landsat 8 with a dense map of life forms: half of its blocks of 16 px train, the others are tested."""
    folder = data / "landsat_landfire_yellowstone"
    classes = ("tree", "shrub", "herb", "sparse", "water")
    with rasterio.open(folder / "labels_lifeform.tif") as file:
        labels, profile = file.read(1), file.profile
    is_train = _half_of_blocks(labels, 16, np.random.default_rng(4000 + seed))
    image, target = folder / "landsat8_sr.tif", work / f"yellowstone_{seed}"
    return _halves("yellowstone", classes, image, labels, is_train, profile, target)


def _halves(
    name: str,
    classes: tuple[str, ...],
    image: Path,
    labels: NDArray[np.uint8],
    is_train: NDArray[np.bool_],
    profile: dict[str, object],
    target: Path,
) -> SplitSet:
    """A split of one raster whose labels are 1 to K, 0 where there is none."""
    target.mkdir(parents=True, exist_ok=True)
    values = np.where(labels > 0, labels.astype(np.int16) - 1, UNLABELLED).astype(np.uint8)
    train = _write(target / "train.tif", np.where(is_train, values, UNLABELLED), profile, classes)
    test = _write(target / "test.tif", np.where(is_train, UNLABELLED, values), profile, classes)
    return SplitSet(name, classes, (LabelledRaster(image, train),), (LabelledRaster(image, test),))


def _half_of_blocks(labels: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    rows, cols = -(-labels.shape[0] // side), -(-labels.shape[1] // side)
    half = np.zeros(rows * cols, bool)
    half[rng.permutation(rows * cols)[: rows * cols // 2]] = True
    grid = half.reshape(rows, cols).repeat(side, 0).repeat(side, 1)
    return grid[: labels.shape[0], : labels.shape[1]]


def _squares(
    labels: NDArray[np.uint8],
    allowed: NDArray[np.bool_],
    num_classes: int,
    share: float,
    rng: np.random.Generator,
    side: int = 32,
) -> NDArray[np.bool_]:
    starts = [
        (r, c)
        for r in range(0, labels.shape[0] - side + 1, side)
        for c in range(0, labels.shape[1] - side + 1, side)
        if allowed[r, c] and (labels[r : r + side, c : c + side] != UNLABELLED).mean() > 0.3
    ]
    order = [starts[i] for i in rng.permutation(len(starts))]
    count = max(1, round(len(order) * share))
    chosen, rest = order[:count], order[count:]
    for value in range(num_classes):
        holds = [s for s in rest if (labels[s[0] : s[0] + side, s[1] : s[1] + side] == value).sum() > 50]
        have = sum((labels[r : r + side, c : c + side] == value).sum() > 50 for r, c in chosen)
        chosen += holds[: max(0, 3 - have)]
    drawn = np.zeros(labels.shape, bool)
    for r, c in chosen:
        drawn[r : r + side, c : c + side] = True
    return drawn


def _write(
    path: Path, labels: NDArray[np.uint8], profile: dict[str, object], classes: tuple[str, ...]
) -> Path:
    options = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "nodata": UNLABELLED,
        "compress": "deflate",
        "width": labels.shape[1],
        "height": labels.shape[0],
        "crs": profile["crs"],
        "transform": profile["transform"],
    }
    with rasterio.open(path, "w", **options) as file:
        file.write(labels.astype(np.uint8), 1)
        file.update_tags(CLASSES=json.dumps([{"value": v, "name": n} for v, n in enumerate(classes)]))
    return path
