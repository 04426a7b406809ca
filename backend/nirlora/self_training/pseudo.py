"""Pseudo-labels: the class map of the target by the last result, kept in memory scene by scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from nirlora.inference.blend import RowBlender
from nirlora.models.logits import to_raster
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import TileGrid
from nirlora.self_training.scenes import Scene
from nirlora.self_training.student import Student
from nirlora.training.chips import ChipSpec


@dataclass(frozen=True)
class Labelled:
    """What one labelling of all scenes gave.

    Attributes:
        flips: Share of pixels that got another class than the time before; None the first time.
        kept: Share of pixels that were sure enough to train on.
        shares: Share of pixels of every class.
    """

    flips: float | None
    kept: float
    shares: tuple[float, ...]


@torch.inference_mode()
def predict_scene(
    net: Student, scene: Scene, spec: ChipSpec, accelerator: Accelerator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Class and its probability at every pixel of a scene, in overlapping tiles of a chip's size, blended.

    Returns:
        Classes ``(height, width)``, 255 where there is no pixel, and probabilities of the same shape.
    """
    side, area = spec.chip_px, scene.window
    grid = TileGrid.cover(area.width, area.height, side, side // 4, multiple=side)
    blender = RowBlender(grid, accelerator.device)
    classes = np.full(area.shape, NO_CLASS, np.uint8)
    confidence = np.zeros(area.shape, np.float32)
    net.eval()
    tiles = list(grid)
    for start in range(0, len(tiles), spec.batch):
        part = [tile.shift(area.col_off, area.row_off) for tile in tiles[start : start + spec.batch]]
        pixels = [scene.reader.read(window, (spec.input_px, spec.input_px))[0] for window in part]
        with accelerator.autocast():
            logits = net(torch.from_numpy(np.stack(pixels)).to(accelerator.device)).logits
        for raster in to_raster(logits, (side, side)):
            done, block = blender.add(raster)
            if block is not None:
                sure, best = block.softmax(0).max(0)
                classes[done.slices] = best.to(torch.uint8).cpu().numpy()
                confidence[done.slices] = sure.cpu().numpy()
    classes[~scene.seen] = NO_CLASS
    return classes, confidence


def threshold(classes: NDArray[np.uint8], confidence: NDArray[np.float32], least: float) -> NDArray[np.uint8]:
    """The labels to train on: those with at least this probability; all of them where ``least`` is 0."""
    if least <= 0:
        return classes
    return np.where(confidence >= least, classes, NO_CLASS).astype(np.uint8)


def flipped(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[int, int]:
    """Pixels whose class changed, and pixels that had one both times."""
    both = (before != NO_CLASS) & (after != NO_CLASS)
    return int((both & (before != after)).sum()), int(both.sum())


def relabel(
    scenes: Sequence[Scene], new: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], num_classes: int
) -> Labelled:
    """Give all scenes their new classes and labels, and say how they differ from those they had."""
    flips = [flipped(scene.classes, classes) for scene, (classes, _) in zip(scenes, new, strict=True)]
    for scene, (classes, labels) in zip(scenes, new, strict=True):
        scene.classes, scene.labels = classes, labels
    return _describe(scenes, flips, num_classes)


def _describe(scenes: Sequence[Scene], flips: Sequence[tuple[int, int]], num_classes: int) -> Labelled:
    counts = np.zeros(256, np.int64)
    kept = 0
    for scene in scenes:
        counts += np.bincount(scene.classes.ravel(), minlength=256)
        kept += int((scene.labels != NO_CLASS).sum())
    pixels = max(int(counts[:num_classes].sum()), 1)
    changed, both = (sum(column) for column in zip(*flips, strict=True))
    return Labelled(
        flips=changed / both if both else None,
        kept=kept / pixels,
        shares=tuple((counts[:num_classes] / pixels).tolist()),
    )
