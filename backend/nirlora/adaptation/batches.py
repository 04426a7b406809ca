"""Batches as the objectives take them: views of chips and what is hidden of them.

Batch ``step`` depends on nothing but the seed and ``step``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nirlora.adaptation.chips import ChipSource, ViewSpec, patch_validity, view
from nirlora.adaptation.masks import ibot_masks, visible_patches

Batch = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class MaeBatches:
    """One view of each chip; see :class:`~nirlora.adaptation.mae.MaeObjective` for the names."""

    chips: ChipSource
    spec: ViewSpec
    patch: int
    mask_ratio: float
    size: int
    seed: int

    def batch(self, step: int) -> Batch:
        """``images``, ``keep`` and ``target`` of ``size`` chips."""
        rng = np.random.default_rng((self.seed, step))
        images, keeps, targets = [], [], []
        for _ in range(self.size):
            x, valid = view(self.chips.draw(rng), self.spec, rng)
            usable = patch_validity(valid, self.patch)
            keep = visible_patches(usable, self.mask_ratio, rng)
            target = usable.copy()
            target[keep] = False
            images.append(x)
            keeps.append(keep)
            targets.append(target)
        return {"images": np.stack(images), "keep": np.stack(keeps), "target": np.stack(targets)}


@dataclass(frozen=True)
class DinoBatches:
    """Two global and some local views of each chip; see :class:`~nirlora.adaptation.dino.DinoObjective`."""

    chips: ChipSource
    spec: ViewSpec
    local_spec: ViewSpec
    num_locals: int
    patch: int
    size: int
    seed: int

    def batch(self, step: int) -> Batch:
        """Views of ``size`` chips, equal views of all chips together, and what is masked of them."""
        rng = np.random.default_rng((self.seed, step))
        views: list[list[NDArray[np.float32]]] = [[] for _ in range(2 + self.num_locals)]
        usable: list[list[NDArray[np.bool_]]] = [[], []]
        for _ in range(self.size):
            chip = self.chips.draw(rng)
            for i in range(2 + self.num_locals):
                x, valid = view(chip, self.spec if i < 2 else self.local_spec, rng)
                views[i].append(x)
                if i < 2:
                    usable[i].append(patch_validity(valid, self.patch))
        side = self.spec.side_px // self.patch
        channels = views[0][0].shape[0]
        small = self.local_spec.side_px
        near = [np.stack(part) for part in views[2:]] or [np.zeros((0, channels, small, small), np.float32)]
        masked = ibot_masks(np.concatenate([np.stack(part) for part in usable]), (side, side), rng)
        return {
            "globals": np.concatenate([np.stack(part) for part in views[:2]]),
            "locals": np.concatenate(near),
            "masked": masked,
            **masked_places(masked),
        }


def masked_places(masked: NDArray[np.bool_]) -> Batch:
    """``masked_at`` (m,), the places of the masked patches of (N, L) in (N * L,), and their ``weights``."""
    counts = masked.sum(1)
    weights = np.repeat(1.0 / np.maximum(counts, 1), counts)
    return {"masked_at": np.flatnonzero(masked), "weights": weights.astype(np.float32)}
