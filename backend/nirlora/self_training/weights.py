"""Which pixels count in the adversarial game: those whose class is as uncertain as their domain is sure.

Every weight is a constant to the gradient. Pixels without data are left out everywhere.
Source: TransDA's training script.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SOURCE_TEMPERATURE = 10.0
TARGET_TEMPERATURE = 1.0
SOFT_LABEL_LIMIT = 0.9


def normalised_entropy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Entropy of the classes over its greatest value: (N, K, H, W) logits to (N, 1, H, W) in 0..1."""
    probability = (logits / temperature).softmax(1)
    entropy = -(probability * torch.log(probability + 1e-10)).sum(1, keepdim=True)
    return entropy / math.log(logits.shape[1])


def min_max(values: Tensor, seen: Tensor) -> Tensor:
    """Values brought to 0..1 over all pixels of the batch that were seen; 0 elsewhere.

    Args:
        values: (N, 1, H, W).
        seen: (N, 1, H, W) bool, where there are pixels.

    Returns:
        All zeros where all values are the same (the source would divide by zero).
    """
    if not seen.any():
        return torch.zeros_like(values)
    low, high = values[seen].min(), values[seen].max()
    span = high - low
    scaled = (values - low) / torch.where(span > 0, span, torch.ones_like(span))
    return scaled.masked_fill(~seen, 0.0)


@torch.no_grad()
def source_weights(logits: Tensor, domain: Tensor, seen: Tensor) -> Tensor:
    """Weights (N, 1, H, W) of source pixels from class logits and ``Dis``'s probability of being source."""
    return min_max(normalised_entropy(logits, SOURCE_TEMPERATURE) - domain, seen)


@torch.no_grad()
def target_weights(logits: Tensor, domain: Tensor, seen: Tensor) -> Tensor:
    """Weights (N, 1, H, W) of target pixels, of the opposite sign."""
    return min_max(domain - normalised_entropy(logits, TARGET_TEMPERATURE), seen)


@torch.no_grad()
def soft_labels(logits: Tensor) -> Tensor:
    """Class probabilities, none above 0.9, for the class-wise discriminator."""
    return logits.softmax(1).clamp(max=SOFT_LABEL_LIMIT)
