"""The picture behind the demo field: what grows where, how it reflects, how the camera sees it.

Crop and weed have the same colours in the visible bands by construction: brightness, hue and share of mixed
pixels are matched by rank. Only red edge and near-infrared tell them apart, and there by level and leaf
texture together, since vigour, shadow and mixed pixels make the levels overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

CLASSES = ("soil", "crop", "weed", "tree")
SOIL, CROP, WEED, TREE = range(4)
BANDS = ("blue", "green", "red", "red edge", "nir")
SCALE = 10_000  # stored value = reflectance * SCALE

_ROW_SPACING_PX = 15.0
_BLUR_PX = 0.6  # of lens and mosaicking
_SUN = (0.62, 0.78)  # direction towards the sun as (columns, rows up), unit vector
_SUN_SLOPE = 1.25  # tangent of its elevation
# Reflectance of blue, green, red, red edge, NIR.
_SOIL_COLOR = (0.072, 0.105, 0.148, 0.185, 0.235)
_LEAF_COLOR = (0.026, 0.078, 0.036, 0.0, 0.0)
_TREE_COLOR = (0.021, 0.054, 0.028, 0.21, 0.47)
_SHADOW = (0.42, 0.36, 0.33, 0.36, 0.40)  # skylight left over, bluish


@dataclass(frozen=True)
class Scene:
    """Layers of the field, each ``(size, size)``."""

    classes: NDArray[np.uint8]
    height_px: Floats  # of the tree crowns
    reflectance: Floats  # (5, size, size), sunlit
    valid: Bools


def _noise(rng: np.random.Generator, size: int, scale_px: float) -> Floats:
    """Smooth noise of unit variance whose features are about ``scale_px`` wide."""
    knots = np.arange(-2, size / scale_px + 3) * scale_px
    weights = np.exp(-0.5 * ((np.arange(size)[:, None] - knots) / (0.6 * scale_px)) ** 2)
    weights = (weights / np.sqrt((weights**2).sum(1, keepdims=True))).astype(np.float32)
    grid = rng.standard_normal((len(knots), len(knots)), dtype=np.float32)
    smooth: Floats = weights @ grid @ weights.T
    return smooth


def make_scene(rng: np.random.Generator, size: int) -> Scene:
    """Lay out rows, weeds and trees on ``size`` x ``size`` pixels of 5 cm and give them their reflectance."""
    row_distance, along = _row_geometry(rng, size)
    vigour = _noise(rng, size, size / 4)
    height, tree = _trees(rng, size)
    planted = _planted(rng, size, along)
    crop = planted & _crop_cover(rng, row_distance, vigour)
    weed = _weed_cover(rng, size, planted)
    classes = np.zeros((size, size), dtype=np.uint8)
    classes[crop] = CROP
    classes[weed] = WEED
    classes[tree] = TREE
    reflectance = _soil(rng, size, row_distance)
    bare = reflectance.copy()
    _paint_leaves(rng, reflectance, classes, vigour)
    weed &= ~tree
    gaps = _gaps(rng, crop & ~weed & ~tree, weed)
    reflectance[:, weed] += (gaps * (bare - reflectance))[:, weed]
    _paint_trees(rng, reflectance, tree, height)
    return Scene(classes, height, reflectance, _flown(rng, size))


def _row_geometry(rng: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    """Distance from the nearest row's middle in px, and the coordinate along the rows in px."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    angle = rng.uniform(0.15, 0.45)
    across = x * np.cos(angle) - y * np.sin(angle)
    along = x * np.sin(angle) + y * np.cos(angle)
    across += 9 * np.sin(along / size * rng.uniform(3, 5)) + 0.8 * _noise(rng, size, 120)
    phase = np.mod(across / _ROW_SPACING_PX, 1.0) - 0.5
    return np.abs(phase) * _ROW_SPACING_PX, along


def _planted(rng: np.random.Generator, size: int, along: Floats) -> Bools:
    """Where rows were sown: not on the headland, nor on bald spots."""
    edge = np.quantile(along, 0.9) + 2 * _noise(rng, size, 60)
    bald = _noise(rng, size, 110) < -1.9
    return (along < edge) & ~bald


def _crop_cover(rng: np.random.Generator, row_distance: Floats, vigour: Floats) -> Bools:
    size = len(row_distance)
    plants = 1.1 * _noise(rng, size, 5) + 0.9 * _noise(rng, size, 12)
    gaps = _noise(rng, size, 22) < -2.0
    return (row_distance < 3.4 + 0.5 * vigour + 0.7 * plants) & ~gaps


def _weed_cover(rng: np.random.Generator, size: int, planted: Bools) -> Bools:
    """Nests of weeds and single plants, in and between rows; fewer on the headland."""
    nests = _noise(rng, size, 130) + 0.35 * _noise(rng, size, 50)
    clumps = _noise(rng, size, 17) + 0.45 * _noise(rng, size, 6)
    threshold = 1.95 - 0.95 * np.clip(nests - 0.4, 0, 1.6) + 0.3 * ~planted
    cover = clumps > threshold
    labels, count = ndimage.label(cover)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    kept: Bools = cover & (area >= 25)[labels]
    return kept


def _trees(rng: np.random.Generator, size: int) -> tuple[Floats, Bools]:
    """Crown height in px: a hedge of trees along one edge, and single trees in the field."""
    height = np.zeros((size, size), dtype=np.float32)
    spots: list[tuple[float, float, float]] = []
    for _ in range(200):
        hedge = len(spots) % 3 != 2
        radius = rng.uniform(26, 52) * min(1.0, size / 1024)
        column = rng.uniform(0.05, 0.13) * size if hedge else rng.uniform(0.2, 0.95) * size
        spot = (float(column), float(rng.uniform(0.02, 0.98) * size), float(radius))
        if all(np.hypot(spot[0] - c, spot[1] - r) > 0.8 * (radius + o) for c, r, o in spots):
            spots.append(spot)
        if len(spots) >= max(4, size // 100):
            break
    for column, row, radius in spots:
        for _ in range(14):
            turn, reach = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.uniform(0, 1)) * 0.7
            lobe = radius * rng.uniform(0.3, 0.55)
            centre = (column + reach * np.cos(turn), row + reach * np.sin(turn))
            _add_lobe(height, centre, lobe, base=1.3 * radius - 0.7 * reach)
    ragged = height + 3.5 * _noise(rng, size, 4) * (height > 0)
    return np.where(ragged > 8, np.maximum(ragged, 0), 0).astype(np.float32), ragged > 8


def _add_lobe(height: Floats, centre: tuple[float, float], radius: float, base: float) -> None:
    size = len(height)
    left, right = (int(np.clip(centre[0] + s * radius, 0, size)) for s in (-1, 1))
    top, bottom = (int(np.clip(centre[1] + s * radius, 0, size)) for s in (-1, 1))
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    dome = radius**2 - (x - centre[0]) ** 2 - (y - centre[1]) ** 2
    part = height[top:bottom, left:right]
    np.maximum(part, np.where(dome > 0, base + np.sqrt(np.maximum(dome, 0)), 0), out=part)


def _soil(rng: np.random.Generator, size: int, row_distance: Floats) -> Floats:
    """Moisture gradient, clods, tillage beside the rows; ``(5, size, size)``."""
    moisture = 0.5 * _noise(rng, size, size / 3) + 0.35 * _noise(rng, size, 90)
    clods = 0.5 * _noise(rng, size, 3) + 0.35 * _noise(rng, size, 8) + 0.25 * _noise(rng, size, 25)
    tillage = np.cos(row_distance / _ROW_SPACING_PX * 4 * np.pi)
    level = np.clip(1.0 - 0.16 * moisture + 0.10 * clods + 0.04 * tillage, 0.45, 1.7)
    stones = (_noise(rng, size, 2.5) > 3.3) * 0.35
    color = np.array(_SOIL_COLOR, dtype=np.float32)[:, None, None]
    return np.asarray(color * (level + stones), dtype=np.float32)


def _paint_leaves(
    rng: np.random.Generator, reflectance: Floats, classes: NDArray[np.uint8], vigour: Floats
) -> None:
    """Crop and weed: the same in the visible; in NIR the weed is duller and its broad leaves coarser."""
    size = len(vigour)
    leaf = (classes == CROP) | (classes == WEED)
    crop, weed = classes == CROP, classes == WEED
    bright = 1.0 + 0.16 * _noise(rng, size, 2.5) + 0.12 * _noise(rng, size, 30) + 0.10 * vigour
    hue = 1.0 + 0.07 * _noise(rng, size, 3) + 0.06 * _noise(rng, size, 40)
    for field in (bright, hue):
        field[weed] = _ranked_like(field[weed], field[crop])
    for band, gain in ((0, hue**-0.5), (1, hue), (2, hue**-1.0)):
        reflectance[band][leaf] = (_LEAF_COLOR[band] * bright * gain)[leaf]
    fine = 1.0 + 0.07 * _noise(rng, size, 2)
    coarse = 1.0 + 0.17 * _noise(rng, size, 5)
    crop_nir = (0.475 + 0.05 * vigour + 0.02 * _noise(rng, size, 30)) * fine
    weed_nir = (0.355 + 0.03 * _noise(rng, size, 60)) * coarse
    nir = np.clip(np.where(weed, weed_nir, crop_nir), 0.12, 0.75)
    reflectance[4][leaf] = nir[leaf]
    reflectance[3][leaf] = (0.075 + 0.27 * nir * (0.9 + 0.1 * bright))[leaf]


def _gaps(rng: np.random.Generator, crop: Bools, weed: Bools) -> Floats:
    """Share of soil to show between the leaves of weeds, so that they cover as much as narrow rows do.

    Without it, weeds would be told from crop by having fewer mixed pixels.
    """
    covered = ndimage.gaussian_filter((crop | weed).astype(np.float32), _BLUR_PX)
    order = covered + 0.25 * _noise(rng, len(crop), 2)
    wanted = covered.copy()
    wanted[weed] = _ranked_like(order[weed], covered[crop])
    gaps: Floats = np.clip(1.0 - wanted / np.maximum(covered, 0.1), 0.0, 1.0)
    return gaps


def _ranked_like(values: Floats, model: Floats) -> Floats:
    """``values`` with their order kept and the distribution of ``model``."""
    if values.size == 0 or model.size == 0:
        return values
    ranks = np.argsort(np.argsort(values)) / max(len(values) - 1, 1)
    return np.quantile(model, ranks).astype(np.float32)


def _paint_trees(rng: np.random.Generator, reflectance: Floats, tree: Bools, height: Floats) -> None:
    """Crowns with a sunlit and a shaded side, dark between the leaf clumps."""
    size = len(height)
    rough = ndimage.gaussian_filter(height, 1.5) + 1.6 * _noise(rng, size, 7)
    rows, cols = np.gradient(rough)
    lit = (-cols * _SUN[0] + rows * _SUN[1] + _SUN_SLOPE) / np.sqrt(1 + cols**2 + rows**2) / _SUN_SLOPE
    level = 0.38 + 0.62 * np.clip(lit, 0, 1.35) + 0.10 * _noise(rng, size, 3)
    for band, color in enumerate(_TREE_COLOR):
        reflectance[band][tree] = np.clip(color * level, 0.2 * color, None)[tree]


def _flown(rng: np.random.Generator, size: int) -> Bools:
    """The mosaic's ragged outline: straight frame edges in steps, everything else has no data."""
    depth = size * 0.03
    inside = np.ones((size, size), dtype=np.bool_)
    for turn in range(4):
        steps = rng.uniform(0, depth, 12) * (rng.uniform(size=12) < 0.75)
        edge = np.repeat(steps, -(-size // 12))[:size] + np.linspace(0, rng.uniform(0, depth), size)
        inside &= np.rot90(np.arange(size)[:, None] >= edge[None, :], turn)
    return inside


def _cast_shadow(height: Floats) -> Floats:
    """1 in the sun, 0 behind crowns, with a narrow penumbra."""
    highest = float(height.max())
    blocked = np.zeros(height.shape, dtype=np.bool_)
    step = 2.0
    for k in range(1, int(highest / (_SUN_SLOPE * step)) + 1):
        dx, dy = round(k * step * _SUN[0]), round(-k * step * _SUN[1])
        here, there = _overlap(height.shape[0], dx, dy)
        blocked[here] |= height[there] > height[here] + k * step * _SUN_SLOPE
    lit: Floats = ndimage.gaussian_filter((~blocked).astype(np.float32), 1.2)
    return lit


def _overlap(size: int, dx: int, dy: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the pixels here, and of those ``(dx, dy)`` away, that both lie in the array."""

    def pair(shift: int) -> tuple[slice, slice]:
        return slice(max(0, -shift), size - max(0, shift)), slice(max(0, shift), size - max(0, -shift))

    (row_here, row_there), (col_here, col_there) = pair(dy), pair(dx)
    return (row_here, col_here), (row_there, col_there)


def expose(rng: np.random.Generator, scene: Scene) -> NDArray[np.uint16]:
    """What camera and mosaicking make of the scene: ``(5, size, size)`` stored values, 0 outside."""
    size = len(scene.classes)
    lit = _cast_shadow(scene.height_px)
    frames = 1.0 + 0.02 * _noise(rng, size, size / 6) + 0.015 * np.sign(_noise(rng, size, size / 5))
    gain = ndimage.gaussian_filter(frames.astype(np.float32), 6)
    out = np.empty((len(BANDS), size, size), dtype=np.uint16)
    for band, shadow in enumerate(_SHADOW):
        light = shadow + (1 - shadow) * lit
        light[scene.classes == TREE] = np.maximum(light, 0.72)[scene.classes == TREE]
        image = ndimage.gaussian_filter(scene.reflectance[band] * light, _BLUR_PX) * gain
        noise = rng.standard_normal((size, size), dtype=np.float32)
        image += noise * (0.0015 + 0.012 * image)
        out[band] = np.clip(np.rint(image * SCALE), 1, 65535)
    out[:, ~scene.valid] = 0
    return out
