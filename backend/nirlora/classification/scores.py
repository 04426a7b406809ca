"""Scores of a classification from its confusion matrix: rows are the reference, columns the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(
    reference: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Counts ``(K, K)`` of class values ``(N,)``; a reference or prediction below 0 counts for nothing."""
    known = (reference >= 0) & (predicted >= 0)
    cells = reference[known] * num_classes + predicted[known]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def summarise_classes(confusion: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Top-1 accuracy, overall and per class.

    Returns:
        ``accuracy`` (share of all that is right), ``mean_accuracy`` (mean over the classes, which counts rare
        ones as much), ``classes`` (name -> accuracy, precision, count), ``confusion``, ``confusion_axes``,
        ``not_scored`` (classes without a reference); None where there is nothing to divide by.
    """
    hit = np.diag(confusion).tolist()
    reference, predicted = confusion.sum(1).tolist(), confusion.sum(0).tolist()
    classes = {
        name: {
            "accuracy": hit[k] / reference[k] if reference[k] else None,
            "precision": hit[k] / predicted[k] if predicted[k] else None,
            "count": reference[k],
        }
        for k, name in enumerate(names)
    }
    accuracies = [c["accuracy"] for c in classes.values() if c["accuracy"] is not None]
    total = sum(reference)
    return {
        "accuracy": sum(hit) / total if total else None,
        "mean_accuracy": sum(accuracies) / len(accuracies) if accuracies else None,
        "classes": classes,
        "confusion": confusion.tolist(),
        "confusion_axes": "rows: reference, columns: prediction",
        "not_scored": [name for name, c in classes.items() if c["accuracy"] is None],
    }
