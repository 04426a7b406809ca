"""Learning-rate schedules as pure functions of progress."""

from __future__ import annotations

import math


def warmup_cosine(fraction: float, step: int, warmup_steps: int = 20, floor: float = 0.01) -> float:
    """Factor on the base learning rate: linear warm-up in steps, cosine decay over the whole run.

    Args:
        fraction: Share of the run that is over, 0..1, by steps or by time, whichever is further.
        step: Zero-based optimiser step.
        warmup_steps: Steps of linear warm-up.
        floor: Factor at the end of the run.

    Returns:
        Factor in (0, 1].
    """
    warmup = min(1.0, (step + 1) / warmup_steps)
    decay = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(max(fraction, 0.0), 1.0)))
    return warmup * decay


def backbone_share(fraction: float, warmup: float) -> float:
    """Factor on the backbone's rate: rises from 0 to 1 over the first ``warmup`` share of the run.

    While the head is still random its gradients only distort pretrained features, so the head goes first
    (linear probing before fine-tuning; Kumar et al. 2022, arXiv:2202.10054, made gradual).
    """
    return 1.0 if warmup <= 0 else min(1.0, fraction / warmup)


def lora_nir_step(epoch: int, gamma: float = 0.91, every: int = 5) -> float:
    """Factor of the LoRA-NIR protocol: ``gamma ** floor((epoch + 1) / every)`` for a zero-based epoch.

    Source: Ulku et al. 2024 ("9 % lower every five iterations"), read as epochs, stepped before the
    epoch's batches.
    """
    return gamma ** ((epoch + 1) // every)


def run_fraction(step: int, total_steps: int, elapsed_s: float, max_seconds: float) -> float:
    """Share of the run that is over (0..1): by steps, or by time when a time budget is nearer."""
    by_steps = step / max(total_steps, 1)
    by_time = elapsed_s / max_seconds if max_seconds > 0 else 0.0
    return min(1.0, max(by_steps, by_time))
