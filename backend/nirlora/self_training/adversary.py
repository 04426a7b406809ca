"""The three losses of the adversarial game; see :mod:`weights` for the weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nirlora.self_training.weights import soft_labels

_LEAST = 1e-7


def claim(answer: Tensor, logits: Tensor, weights: Tensor, *, source: bool) -> Tensor:
    """Weighted mean of how wrong it is to say that all pixels are source (or target).

    Args:
        answer: What the discriminator said: (N, 1, H, W) probabilities of source, or (N, 2K, H, W) logits.
        logits: Class logits (N, K, H, W) of the same pixels, for the class-wise discriminator.
        weights: (N, 1, H, W), constants.
        source: What is claimed.

    Returns:
        Scalar: the mean over all pixels of weight times minus log likelihood.
    """
    if answer.shape[1] == 1:
        probability = answer if source else 1 - answer
        return (weights * -torch.log(probability.clamp(min=_LEAST, max=1.0))).mean()
    soft = soft_labels(logits)
    nothing = torch.zeros_like(soft)
    wanted = torch.cat((nothing, soft) if source else (soft, nothing), dim=1)
    surprise = -(wanted * torch.log(answer.softmax(1).clamp(min=_LEAST, max=1.0))).sum(1, keepdim=True)
    return (weights * surprise).mean()


def domain_loss(answer: Tensor, seen: Tensor, *, source: bool) -> Tensor:
    """Half the binary cross-entropy of the plain domain classifier over the pixels seen."""
    if not seen.any():
        return answer.sum() * 0
    said = answer[seen]
    return 0.5 * functional.binary_cross_entropy(said, torch.full_like(said, float(source)))
