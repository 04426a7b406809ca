"""The losses of DINOv2 as functions of scores, and how a teacher's scores become targets.

Source: Oquab et al. 2023, DINOv2, arXiv:2304.07193; iBOT: Zhou et al. 2021, arXiv:2111.07832; KoLeo:
Sablayrolles et al. 2018, arXiv:1806.03198; Sinkhorn as in SwAV: Caron et al. 2020, arXiv:2006.09882.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nirlora.adaptation.heads import in_float32

STUDENT_TEMPERATURE = 0.1


@torch.no_grad()
def sinkhorn(scores: Tensor, temperature: float, iterations: int = 3) -> Tensor:
    """Targets (n, K) whose rows sum to 1 and that use all prototypes nearly alike.

    Args:
        scores: (n, K) of the teacher.
        temperature: What they are divided by.
        iterations: Rounds of normalising prototypes, then samples.
    """
    n, prototypes = scores.shape
    log_q = scores.float() / temperature  # logarithms: small shares must not become 0
    for _ in range(iterations):
        log_q = log_q - log_q.logsumexp(0, keepdim=True) - math.log(prototypes)
        log_q = log_q - log_q.logsumexp(1, keepdim=True) - math.log(n)
    return (log_q + math.log(n)).exp()


@torch.no_grad()
def centred(scores: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """Targets (n, K): softmax of the teacher's scores less their running mean (K,)."""
    return functional.softmax((scores.float() - centre) / temperature, dim=-1)


def cross_entropy(scores: Tensor, targets: Tensor, temperature: float = STUDENT_TEMPERATURE) -> Tensor:
    """Per sample, (n,): H(targets, softmax(scores / temperature))."""
    return -(targets * functional.log_softmax(scores.float() / temperature, dim=-1)).sum(-1)


def dino_loss(globals_: Sequence[Tensor], locals_: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Every local view against both global targets, the two global views crossed; the mean over all pairs.

    Args:
        globals_: The student's scores of the two global views, (B, K) each.
        locals_: Of the n local views, (B, K) each.
        targets: The teacher's for the two global views, (B, K) each.
    """
    pairs = [(globals_[0], targets[1]), (globals_[1], targets[0])]
    pairs += [(scores, target) for scores in locals_ for target in targets]
    total = torch.stack([cross_entropy(scores, target).mean() for scores, target in pairs]).sum()
    return total / (2 + 2 * len(locals_))


def ibot_loss(scores: Tensor, targets: Tensor, weights: Tensor, images: int) -> Tensor:
    """Masked patches against the teacher's view of them, the mean over all images.

    Args:
        scores: The student's, of all masked patches of all images, (m, K).
        targets: The teacher's, (m, K).
        weights: 1 over the number of masked patches of its image, (m,): every image with a mask counts alike.
        images: N; those without a mask count as 0, as in the published code.
    """
    return (cross_entropy(scores, targets) * weights).sum() / images


def koleo_loss(features: Tensor) -> Tensor:
    """-mean log of the distance to the nearest other feature; features (B, d) are normalised first.

    It spreads the features of a batch; of fewer than two features it is 0.
    """
    if len(features) < 2:
        return features.sum() * 0.0
    z = functional.normalize(features.float(), dim=-1, eps=1e-8)
    # In bf16 the cosines of near features are alike, and the nearest could not be told.
    with torch.no_grad(), in_float32(z):
        similar = z @ z.T
        similar.fill_diagonal_(-2.0)
        nearest = similar.argmax(1)
    distance = (z - z[nearest] + 1e-8).norm(dim=-1)
    return -torch.log(distance + 1e-8).mean()


def teacher_momentum(fraction: float, start: float = 0.992) -> float:
    """Share of itself that the teacher keeps at each step: from ``start`` to 1 along a cosine."""
    return 1.0 - (1.0 - start) * 0.5 * (1.0 + math.cos(math.pi * min(max(fraction, 0.0), 1.0)))


def teacher_temperature(fraction: float, warmup: float = 0.3, low: float = 0.04, high: float = 0.07) -> float:
    """Of the teacher's scores: linear from ``low`` to ``high`` over the first ``warmup`` of the run."""
    return low + (high - low) * min(1.0, max(fraction, 0.0) / warmup)


def weight_decay(fraction: float, start: float = 0.04, end: float = 0.4) -> float:
    """Of AdamW: from ``start`` to ``end`` along a cosine."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * min(max(fraction, 0.0), 1.0)))
