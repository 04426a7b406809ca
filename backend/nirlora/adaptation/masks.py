"""Which patches an objective hides; all from one random generator, so that a batch can be drawn again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_LEAST_BLOCK = 4  # patches
_ASPECT = 0.3


def visible_patches(valid: NDArray[np.bool_], ratio: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices (K,) of the patches that MAE's encoder sees, in order.

    K follows from L alone, so that images can be stacked: of the valid patches all but ``ratio`` are seen,
    and invalid ones (at the mean where they have no value, as in every map that is drawn) make up the number.

    Args:
        valid: (L,).
        ratio: Share that is hidden, of all patches and of the valid ones.
        rng: Source of randomness.
    """
    count, valids = max(1, int(len(valid) * (1 - ratio))), int(valid.sum())
    seen = min(valids, max(1, int(valids * (1 - ratio))))
    order = np.argsort(rng.random(len(valid)) + ~valid)  # valid ones first, in random order
    return np.sort(np.concatenate([order[:seen], order[valids : valids + count - seen]]))


def block_mask(
    grid: tuple[int, int], count: int, rng: np.random.Generator, tries: int = 10
) -> NDArray[np.bool_]:
    """A mask (rows, cols) of about ``count`` patches (never more), made of rectangles, as in iBOT.

    Args:
        grid: (rows, cols).
        count: Patches to hide.
        rng: Source of randomness.
        tries: Rectangles tried for each piece before giving up on more.
    """
    rows, cols = grid
    mask = np.zeros(grid, bool)
    failures = 0
    while mask.sum() < count and failures < tries:
        left = count - int(mask.sum())
        area = rng.uniform(min(_LEAST_BLOCK, left), left) if left > 1 else 1.0
        aspect = math.exp(rng.uniform(math.log(_ASPECT), -math.log(_ASPECT)))
        height = min(rows, max(1, round(math.sqrt(area * aspect))))
        width = min(cols, max(1, round(math.sqrt(area / aspect))))
        top, start = int(rng.integers(rows - height + 1)), int(rng.integers(cols - width + 1))
        block = mask[top : top + height, start : start + width]
        if 0 < block.size - block.sum() <= left:
            block[:] = True
            failures = 0
        else:
            failures += 1
    return mask


def ibot_masks(
    valid: NDArray[np.bool_],
    grid: tuple[int, int],
    rng: np.random.Generator,
    share: float = 0.5,
    ratios: tuple[float, float] = (0.1, 0.5),
) -> NDArray[np.bool_]:
    """Masks (N, L) of a batch: ``share`` of the images get one, their ratios spread over ``ratios``.

    Args:
        valid: (N, L), patches that may be hidden.
        grid: (rows, cols), L together.
        rng: Source of randomness.
        share: Of the images.
        ratios: Least and greatest share of hidden patches.
    """
    masks = np.zeros(valid.shape, bool)
    chosen = rng.permutation(len(valid))[: int(len(valid) * share)]
    edges = np.linspace(*ratios, len(chosen) + 1)
    for i, image in enumerate(chosen):
        count = int(rng.uniform(edges[i], edges[i + 1]) * valid.shape[1])
        masks[image] = block_mask(grid, count, rng).ravel() & valid[image]
    return masks
