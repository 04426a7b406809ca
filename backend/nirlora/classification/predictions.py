"""What a classifier said of images or parcels, counted and held against what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nirlora.classification.scores import confusion_matrix, summarise_classes

_NAMED = 5  # unknown classes that a warning names


@dataclass(frozen=True)
class Predictions:
    """Class probabilities ``(N, K)``; NaN in the rows of what could not be classified."""

    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which have been classified ``(N,)``."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))

    @property
    def values(self) -> NDArray[np.int64]:
        """Class values ``(N,)``, -1 where unclassified."""
        filled = np.nan_to_num(self.probabilities, nan=-1.0)
        return np.where(self.known, filled.argmax(axis=1), -1)

    @property
    def names(self) -> NDArray[np.object_]:
        """Class names ``(N,)``, None where unclassified."""
        return np.array([self.classes[v] if v >= 0 else None for v in self.values], dtype=object)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the class ``(N,)``, NaN where unclassified."""
        return np.asarray(self.probabilities.max(axis=1))

    def counts(self) -> dict[str, int]:
        """How many of each class."""
        return {name: int((self.values == v).sum()) for v, name in enumerate(self.classes)}

    def scores(self, reference: Sequence[str | None]) -> dict[str, Any]:
        """Scores against known classes; empty if none of them is one of the model's."""
        number = {name: v for v, name in enumerate(self.classes)}
        truth = np.array([number.get(name or "", -1) for name in reference], np.int64)
        if not ((truth >= 0) & self.known).any():
            return {}
        return summarise_classes(confusion_matrix(truth, self.values, len(self.classes)), self.classes)

    def unscored(self, reference: Sequence[str | None], what: str) -> list[str]:
        """Which of the known classes are in no score and why, one sentence each; ``what``: image, parcel."""
        named = [(name, bool(known)) for name, known in zip(reference, self.known, strict=True) if name]
        foreign = [name for name, _ in named if name not in self.classes]
        missed = sum(not known for name, known in named if name in self.classes)
        notes = []
        if foreign:
            kinds = sorted(set(foreign))
            listed = ", ".join([*kinds[:_NAMED], *(["..."] if len(kinds) > _NAMED else [])])
            notes.append(
                f"{len(foreign)} {what}(s) are of a class that the model does not know ({listed}); "
                "they are not in the accuracy."
            )
        if missed:
            notes.append(f"{missed} {what}(s) of a known class are unclassified and not in the accuracy.")
        return notes
