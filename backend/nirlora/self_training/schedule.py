"""TransDA's learning rates and averaging, as pure functions of the share of a stage that is over.

A stage of the source takes 10,000 iterations. Shorter ones go through the same curve in fewer steps, and
average their teacher as much faster, so that each stage sees as many half-lives as the source's.
"""

from __future__ import annotations

STAGE_ITERATIONS = 10_000
_WARMUP, _WARMUP_START, _DECAY = 1_500, 1e-6, 31_250
_EMA_RATE = 0.001


def student_factor(fraction: float) -> float:
    """Factor on the student's rate: linear warm-up over 15 % of the stage, then a linear fall to 0.68."""
    iteration = fraction * STAGE_ITERATIONS
    if iteration < _WARMUP:
        return 1 - (1 - iteration / _WARMUP) * (1 - _WARMUP_START)
    return 1 - iteration / _DECAY


def discriminator_factor(fraction: float) -> float:
    """Factor on the discriminators' rate: no warm-up, a fall with power 0.9."""
    return float((1 - fraction * STAGE_ITERATIONS / _DECAY) ** 0.9)


def ema_rate(stage_steps: int) -> float:
    """Share of the student in a teacher's update: 0.001 at 10,000 steps a stage, more in shorter stages."""
    return min(1.0, _EMA_RATE * STAGE_ITERATIONS / max(stage_steps, 1))
