"""A few tiny files in the layout of each published data set."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import rasterio
import scipy.io
from rasterio.errors import NotGeoreferencedWarning

from classify_sets import texture

KINDS = ("bare", "crop", "wood")


def write_image(path: Path, data: np.ndarray, driver: str, **options: object) -> Path:
    """``(bands, rows, cols)`` without a georeference or side files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        shape = {"count": data.shape[0], "height": data.shape[1], "width": data.shape[2]}
        with rasterio.open(path, "w", driver=driver, dtype=data.dtype.name, **shape, **options) as file:
            file.write(data)
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
    return path


def rgb(kind: str, rng: np.random.Generator, side: int = 32) -> np.ndarray:
    grey = texture(kind, side, side, rng)
    return (255 * np.stack([grey, grey * 0.9, grey * 0.8])).astype(np.uint8)


def uc_merced(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, kind in zip(("agricultural", "beach", "forest"), KINDS, strict=True):
        for i in range(5):
            path = root / "UCMerced_LandUse" / "Images" / name / f"{name}{i:02d}.tif"
            write_image(path, rgb(kind, rng), "GTiff", photometric="RGB")
    return root


def resisc45(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, kind in zip(("airplane", "beach", "wetland"), KINDS, strict=True):
        for i in range(5):
            write_image(root / "NWPU-RESISC45" / name / f"{name}_{i + 1:03d}.jpg", rgb(kind, rng), "JPEG")
    return root


def fmow_rgb(root: Path) -> Path:
    rng = np.random.default_rng(0)
    names = ("airport", "barn", "zoo")
    for side, places in (("train", 4), ("val", 2)):
        for name, kind in zip(names, KINDS, strict=True):
            for place in range(places):
                folder = root / side / name / f"{name}_{place}"
                write_image(folder / f"{name}_{place}_0_rgb.jpg", rgb(kind, rng), "JPEG")
                write_image(folder / f"{name}_{place}_0_msrgb.jpg", rgb(kind, rng), "JPEG")  # not wanted
    write_image(root / "val" / "false_detection" / "f_0" / "f_0_0_rgb.jpg", rgb("bare", rng), "JPEG")
    return root


def fmow_sentinel(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for side, places in (("train", 4), ("val", 2)):
        rows = []
        for name, kind in zip(("airport", "barn", "zoo"), KINDS, strict=True):
            for place in range(places):
                grey = texture(kind, 32, 32, rng)
                data = (500 + 4000 * np.stack([grey * (1 - b / 40) for b in range(13)])).astype(np.uint16)
                stem = f"{name}_{place}"
                write_image(root / side / name / stem / f"{stem}_7.tif", data, "GTiff")
                rows.append((name, place, 7, "2017-01-01T00:00:00Z"))
        rows.append(("zoo", 99, 1, ""))  # listed, but not there
        with (root / f"{side}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("category", "location_id", "image_id", "timestamp"), *rows])
    return root


def dstl(root: Path, side: int = 80) -> Path:
    """Scenes whose left part is crop; the polygon is drawn in the competition's coordinates."""
    rng = np.random.default_rng(0)
    rows, sizes = [], []
    for number in range(5):
        name, edge = f"60{number}0_1_2", 30 + 8 * number
        data = rng.normal(300, 20, (8, side, side))
        data[:, :, :edge] += 400
        write_image(root / "sixteen_band" / f"{name}_M.tif", data.astype(np.uint16), "GTiff")
        x_max, y_min = 0.0091, -0.009
        right = edge / (side**2 / (side + 1)) * x_max
        rows.append((name, 5, "MULTIPOLYGON EMPTY"))
        ring = f"0 0, {right} 0, {right} {y_min * 2}, 0 {y_min * 2}, 0 0"
        rows.append((name, 6, f"MULTIPOLYGON ((({ring})))"))
        sizes.append((name, x_max, y_min))
    with (root / "train_wkt_v4.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("ImageId", "ClassType", "MultipolygonWKT"), *rows])
    with (root / "grid_sizes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("", "Xmax", "Ymin"), *sizes])
    return root


def rit18(root: Path) -> Path:
    rng = np.random.default_rng(0)
    content = {}
    for part, (rows, cols) in (("train", (100, 132)), ("val", (68, 132))):
        labels = np.zeros((rows, cols), np.uint8)
        labels[:, : cols // 2] = 2
        labels[: rows // 2, cols // 2 :] = 14
        data = rng.normal(2000, 100, (7, rows, cols)) + 3000 * (labels == 2)
        data[6] = 65535
        data[6, :4] = 0  # outside of the mosaic
        content |= {f"{part}_data": data.astype(np.uint16), f"{part}_labels": labels}
    scipy.io.savemat(root / "rit18_data.mat", content)
    return root


def street(rng: np.random.Generator, rows: int, cols: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """A photograph ``(3, rows, cols)`` of sky (0), building (1) and road (2), and which is where."""
    row = np.arange(rows)[:, None] / rows
    what = np.where(row < 0.3, 0, np.where(row < 0.6, 1, 2)) * np.ones((1, cols), int)
    level = np.array([220, 60, 130])[what] + shift + rng.normal(0, 8, what.shape)
    return np.stack([level, level * 0.9, level * 0.8]).clip(0, 255).astype(np.uint8), what


def gta5(root: Path) -> Path:
    rng = np.random.default_rng(1)
    for i in range(4):
        image, what = street(rng, 48, 64 + 8 * (i % 2), 0)
        write_image(root / "gta5" / "images" / f"{i:05d}.png", image, "PNG")
        numbers = np.array([23, 11, 7], np.uint8)[what]
        write_image(root / "gta5" / "labels" / f"{i:05d}.png", numbers[None], "PNG")
    return root


def synthia(root: Path) -> Path:
    rng = np.random.default_rng(1)
    for i in range(4):
        image, what = street(rng, 48, 64, 0)
        write_image(root / "RAND_CITYSCAPES" / "RGB" / f"{i:07d}.png", image, "PNG")
        numbers = np.array([1, 2, 3], np.uint16)[what]
        layers = np.stack([numbers, np.zeros_like(numbers), np.zeros_like(numbers)])
        write_image(root / "RAND_CITYSCAPES" / "GT" / "LABELS" / f"{i:07d}.png", layers, "PNG")
    return root


def cityscapes(root: Path) -> Path:
    rng = np.random.default_rng(2)
    for side, city, count in (("train", "aachen", 3), ("val", "munster", 2)):
        for i in range(count):
            image, what = street(rng, 40, 80, 15)
            name = f"{city}_{i:06d}_000019"
            folder = root / "cityscapes"
            write_image(folder / "leftImg8bit" / side / city / f"{name}_leftImg8bit.png", image, "PNG")
            numbers = np.array([23, 11, 7], np.uint8)[what]
            numbers[:2] = 1  # ego vehicle: no class
            write_image(folder / "gtFine" / side / city / f"{name}_gtFine_labelIds.png", numbers[None], "PNG")
    return root
