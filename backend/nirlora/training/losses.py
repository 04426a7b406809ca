"""The segmentation loss: cross-entropy plus soft Dice over labelled pixels only."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from nirlora.protocol import NO_CLASS


def segmentation_loss(
    logits: Tensor, labels: Tensor, dice_weight: float = 1.0, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy plus ``dice_weight`` times one minus the mean soft Dice of the classes present.

    Args:
        logits: ``(N, K, H, W)``, K >= 2.
        labels: ``(N, H, W)`` integers, 255 where unlabelled; those pixels count for nothing.
        dice_weight: 0 gives plain cross-entropy.
        class_weights: ``(K,)`` weights of the cross-entropy; None: all equal.

    Returns:
        Scalar; 0 (with a graph) when no pixel is labelled.
    """
    labelled = labels != NO_CLASS
    target = labels.long()
    if class_weights is None:
        count = labelled.sum().clamp(min=1)
    else:
        count = (class_weights[target.masked_fill(~labelled, 0)] * labelled).sum().clamp(min=1e-6)
    summed = F.cross_entropy(logits, target, class_weights, ignore_index=NO_CLASS, reduction="sum")
    cross_entropy = summed / count
    if dice_weight == 0:
        return cross_entropy
    num_classes = logits.shape[1]
    mask = labelled.unsqueeze(1)
    probability = logits.softmax(1) * mask
    onehot = F.one_hot(target.masked_fill(~labelled, 0), num_classes).permute(0, 3, 1, 2) * mask
    intersection = (probability * onehot).sum((0, 2, 3))
    total = probability.sum((0, 2, 3)) + onehot.sum((0, 2, 3))
    present = (onehot.sum((0, 2, 3)) > 0).to(logits.dtype)
    dice = 1 - (2 * intersection + 1) / (total + 1)
    return cross_entropy + dice_weight * (dice * present).sum() / present.sum().clamp(min=1)
