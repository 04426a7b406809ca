"""How good the carried model is, and on what that rests."""

from __future__ import annotations

from typing import Any

import numpy as np

from nirlora.metrics import summarise
from nirlora.self_training.shares import collapsed
from nirlora.self_training.state import AdaptState
from nirlora.self_training.target import Target
from nirlora.training.run import Setup
from nirlora.training.verdict import verdict


def judged(setup: Setup, target: Target, state: AdaptState) -> dict[str, Any]:
    """Scores of the target if it has labels, else of the held-out labels of the source.

    Returns:
        As :func:`nirlora.metrics.summarise`, with ``of`` (``target`` or ``source``), ``verdict`` and, of the
        target, ``before``: the mean IoU of the warm-up. Empty when there is nothing to score with.
    """
    names = tuple(c.name for c in setup.data.classes)
    if target.scored and state.rounds:
        first, last = (
            summarise(np.asarray(r["confusion"]), names) for r in (state.rounds[0], state.rounds[-1])
        )
        return last | {"of": "target", "before": first["miou"], "verdict": _compared(first, last, state)}
    if not state.confusion or not np.asarray(state.confusion).any():
        return {}
    metrics = summarise(np.asarray(state.confusion), names)
    held_out = {c.name: c.val_items for c in setup.data.split.counts}
    said = verdict(metrics, held_out, dense=setup.data.dense)
    return metrics | {"of": "source", "verdict": f"Of the source, not of the target: {said}"}


def doubts(setup: Setup, state: AdaptState) -> list[str]:
    """Warnings about a result whose rounds moved the shares of the classes, seen without any labels."""
    if len(state.rounds) < 2:
        return []
    names = [c.name for c in setup.data.classes]
    first, last = state.rounds[0]["shares"], state.rounds[-1]["shares"]
    return [
        f"{name} covered {100 * first[names.index(name)]:.1f} % of the target after the warm-up and "
        f"{100 * last[names.index(name)]:.1f} % in the end: the rounds may have lost it or overdone it. Look "
        "at the map; with --rounds 0 it is that of the warm-up."
        for name in collapsed(first, last, names)
    ]


def _compared(first: dict[str, Any], last: dict[str, Any], state: AdaptState) -> str:
    """The target's score with and without pseudo-labels, in a sentence."""
    if last["miou"] is None:
        return "The target's labels do not lie in the parts that were looked at, so nothing is known of it."
    rounds = len(state.rounds) - 1
    if not rounds:
        return f"Mean IoU {last['miou']:.2f} on the target's labels after the warm-up, without pseudo-labels."
    change = last["miou"] - first["miou"]
    word = "gained" if change >= 0 else "lost"
    remedy = " With --rounds 0 the model is that of the warm-up." if change < 0 else ""
    return (
        f"Mean IoU {last['miou']:.2f} on the target's labels after {rounds} "
        f"{'round' if rounds == 1 else 'rounds'} with pseudo-labels, {first['miou']:.2f} after the warm-up: "
        f"{abs(change):.2f} {word}.{remedy}"
    )
