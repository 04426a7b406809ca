"""Scores from a confusion matrix whose rows are the reference and whose columns are the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from nirlora.protocol import NO_CLASS


class Scores:
    """Accumulates a confusion matrix over chips or map windows; 255 in the reference is ignored."""

    def __init__(self, num_classes: int, device: torch.device | str = "cpu") -> None:
        self.num_classes = num_classes
        self._confusion = MulticlassConfusionMatrix(num_classes, ignore_index=NO_CLASS).to(device)
        self._seen = False

    def update(self, prediction: Tensor, reference: Tensor) -> None:
        """Add one batch; both are ``(...)`` integer class values of the same shape."""
        self._confusion.update(prediction.long(), reference.long())
        self._seen = True

    def confusion(self) -> NDArray[np.int64]:
        """Pixel counts ``(K, K)``: rows reference, columns prediction."""
        if not self._seen:
            return np.zeros((self.num_classes, self.num_classes), np.int64)
        matrix: NDArray[np.int64] = self._confusion.compute().cpu().numpy().astype(np.int64)
        return matrix


def summarise(confusion: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, Any]:
    """Per-class and mean scores of a confusion matrix.

    Classes without a single reference pixel have IoU, F1 and recall None and do not enter the means;
    they are listed under ``not_scored``.

    Returns:
        ``miou``, ``mean_f1``, ``accuracy`` (0..1 or None), ``classes`` (name -> iou, f1, precision,
        recall, pixels), ``confusion`` (nested lists), ``confusion_axes``, ``not_scored``.
    """
    hit = np.diag(confusion).astype(float)
    reference, predicted = confusion.sum(1).astype(float), confusion.sum(0).astype(float)
    classes: dict[str, dict[str, float | int | None]] = {}
    for k, name in enumerate(names):
        scored = reference[k] > 0
        classes[name] = {
            "iou": float(hit[k] / (reference[k] + predicted[k] - hit[k])) if scored else None,
            "f1": float(2 * hit[k] / (reference[k] + predicted[k])) if scored else None,
            "precision": float(hit[k] / predicted[k]) if predicted[k] > 0 else None,
            "recall": float(hit[k] / reference[k]) if scored else None,
            "pixels": int(reference[k]),
        }
    ious = [c["iou"] for c in classes.values() if c["iou"] is not None]
    f1s = [c["f1"] for c in classes.values() if c["f1"] is not None]
    total = reference.sum()
    return {
        "miou": float(np.mean(ious)) if ious else None,
        "mean_f1": float(np.mean(f1s)) if f1s else None,
        "accuracy": float(hit.sum() / total) if total else None,
        "classes": classes,
        "confusion": confusion.tolist(),
        "confusion_axes": "rows: reference, columns: prediction",
        "not_scored": [n for n, c in classes.items() if c["iou"] is None],
    }


@dataclass(frozen=True)
class SoftScores:
    """Soft scores of a binary map, mean and standard deviation over patches."""

    jaccard: float
    jaccard_std: float
    f1: float
    f1_std: float


def soft_scores(probability: Tensor, target: Tensor) -> SoftScores:
    """Score patches as the LoRA-NIR paper does: softly, without a threshold, patch by patch.

    Far from the IoU and F1 of a whole test set (:func:`summarise`): report both.

    Args:
        probability: Positive-class probability in 0..1, ``(N, H, W)``.
        target: 0 or 1, same shape.

    Returns:
        Means and (population) deviations over the N patches. Source: Ulku et al. 2024, authors' code.
    """
    pairs = [
        (float(soft_jaccard(p, y)), float(soft_f1(p, y))) for p, y in zip(probability, target, strict=True)
    ]
    mean, std = np.mean(pairs, axis=0), np.std(pairs, axis=0)
    return SoftScores(float(mean[0]), float(std[0]), float(mean[1]), float(std[1]))


def soft_jaccard(probability: Tensor, target: Tensor) -> Tensor:
    """Soft, un-thresholded Jaccard of one patch as the LoRA-NIR authors' code scores it.

    Args:
        probability: Positive-class probability in 0..1, any shape.
        target: 0 or 1, same shape. An empty patch scores the background instead.

    Returns:
        Scalar in 0..1. Source: methods of Ulku et al. 2024, author code.
    """
    hit, false_alarm, miss = _soft_counts(probability, target)
    return (hit + 1e-8) / (hit + false_alarm + miss + 1e-8)


def soft_f1(probability: Tensor, target: Tensor) -> Tensor:
    """Soft F1 of one patch, ``2 P R / (P + R + 1e-8)``; see :func:`soft_jaccard`."""
    hit, false_alarm, miss = _soft_counts(probability, target)
    precision, recall = hit / (hit + false_alarm + 1e-8), hit / (hit + miss + 1e-8)
    return 2 * precision * recall / (precision + recall + 1e-8)


def _soft_counts(probability: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Soft true positives, false positives and false negatives; of the background in an empty patch."""
    probability, target = probability.double(), target.double()
    if target.sum() == 0:
        target, probability = 1 - target, 1 - probability
    hit = (probability * target).sum()
    return hit, (probability * (1 - target)).sum(), ((1 - probability) * target).sum()
