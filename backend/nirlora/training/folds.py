"""Cross-validation of a list of image patches, as published protocols split them.

For data that comes as patches with dense masks. Rasters with polygons are split in space instead, see
:mod:`nirlora.vector.split`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nirlora.errors import OptionError

_VAL_ONE_IN = 10  # of what is not tested on, one in ten validates


@dataclass(frozen=True)
class Fold:
    """Positions in a list of patches, disjoint; in the order in which they are used."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]


def k_fold(count: int, folds: int, fold: int, *, seed: int = 0, order: Sequence[int] = ()) -> Fold:
    """Fold ``fold`` of the LoRA-NIR protocol (Ulku et al. 2024, authors' code).

    The list is permuted once. Test is the ``fold``-th run of ``floor(count / folds)`` patches of it,
    validation the first tenth (rounded down) of the rest, training what remains. Patches of one scene are
    on all sides, so scores flatter; :func:`scene_fold` keeps scenes together.

    Args:
        count: Number of patches N.
        folds: Number of folds K, at least 2.
        fold: 0-based.
        seed: Draws the permutation; the same for all folds of one experiment.
        order: The permutation itself, where one was published; overrides ``seed``.

    Raises:
        OptionError: The numbers make no split, or ``order`` is no permutation of ``0..count-1``.
    """
    if folds < 2 or not 0 <= fold < folds or count < folds:
        raise OptionError(
            f"Fold {fold} of {folds} of {count} patches cannot be made.",
            hint="Folds count from 0; there must be two at least, and no more than patches.",
        )
    permuted = list(order) or np.random.default_rng(seed).permutation(count).tolist()
    if sorted(permuted) != list(range(count)):
        raise OptionError(
            f"The order given is no permutation of the {count} patches.",
            hint="It must hold every number from 0 to N - 1 once.",
        )
    size = count // folds
    start = fold * size
    rest = permuted[:start] + permuted[start + size :]
    held_out = len(rest) // _VAL_ONE_IN
    return Fold(tuple(rest[held_out:]), tuple(rest[:held_out]), tuple(permuted[start : start + size]))


def scene_fold(scenes: Sequence[str], folds: int, fold: int, *, seed: int = 0) -> Fold:
    """The same rule over whole scenes: no scene is on two sides. At least one scene validates.

    Args:
        scenes: Scene of every patch.
        folds, fold, seed: See :func:`k_fold`; folds of scenes.

    Raises:
        OptionError: There are fewer scenes than folds, or too few to validate and train besides.
    """
    names = sorted(set(scenes))
    split = k_fold(len(names), folds, fold, seed=seed)
    val = split.val or split.train[:1]
    train = split.train if split.val else split.train[1:]
    if not train:
        raise OptionError(
            f"{len(names)} scenes in {folds} folds leave none to train on.",
            hint="Use fewer folds, or split patches and say that the scores flatter.",
        )

    def of(chosen: Sequence[int]) -> tuple[int, ...]:
        wanted = {names[i] for i in chosen}
        return tuple(i for i, scene in enumerate(scenes) if scene in wanted)

    return Fold(of(train), of(val), of(split.test))
