"""Which class a source chip is drawn for: the rarer a class was among the chips so far, the likelier.

Source: TransDA (its data set draws files by class), with chips in place of files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RESTART = 3_000  # samples after which counting starts again


def class_probabilities(counts: NDArray[np.int64], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probability of every class, in proportion to ``1 / ln(1.01 + share)``.

    Args:
        counts: ``(K,)`` samples so far that hold the class; ``share`` is a count over the sum of all.
        allowed: ``(K,)`` classes that can be drawn at all; the others get 0.
    """
    total = counts.sum()
    share = counts / total if total else np.zeros(len(counts))
    weights = np.where(allowed, 1 / np.log(1 + 1e-2 + share), 0.0)
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities


@dataclass
class ClassDraw:
    """Draws classes one after the other; what each sample turned out to hold is counted."""

    allowed: NDArray[np.bool_]
    counts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.allowed), np.int64)

    def draw(self, rng: np.random.Generator) -> int:
        """A class value."""
        return int(rng.choice(len(self.allowed), p=class_probabilities(self.counts, self.allowed)))

    def saw(self, present: NDArray[np.bool_]) -> None:
        """Count a sample that holds the classes ``present``."""
        self.counts += present
