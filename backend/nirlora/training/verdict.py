"""How good a model is, in a few sentences for people, and on how little that may rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SOME_TENS = 30  # held-out labels below which a score is weak evidence
_GRADES = ((0.8, "very good"), (0.65, "good"), (0.45, "usable with care"), (0.0, "not usable yet"))


def verdict(metrics: Mapping[str, Any], held_out: Mapping[str, int], *, dense: bool = False) -> str:
    """Say it.

    Args:
        metrics: As :func:`nirlora.metrics.summarise` gives them; empty if nothing was held out.
        held_out: Held-out polygons (or blocks of a label raster) of each class; may be empty: unknown.
        dense: Labels cover most of the rasters, as label rasters do, and were not drawn here and there.

    Returns:
        A few sentences.
    """
    miou = metrics.get("miou")
    if miou is None:
        return "No labels could be held out, so nothing is known of how good this model is."
    scored = {n: s["iou"] for n, s in metrics["classes"].items() if s["iou"] is not None}
    weakest = min(scored, key=lambda n: float(scored[n]))
    parts = [_score(float(miou), {n: held_out[n] for n in scored if n in held_out}, dense)]
    if len(scored) > 1:
        parts.append(f"Weakest class: {weakest}, IoU {scored[weakest]:.2f}.")
    if metrics.get("not_scored"):
        parts.append(f"Not scored, for want of held-out labels: {', '.join(metrics['not_scored'])}.")
    if not dense:
        parts.append(
            "Polygons drawn inside clear areas flatter: edges and mixed places were not tested, and maps are "
            "usually worse there."
        )
    return " ".join(parts)


def _score(miou: float, held_out: Mapping[str, int], dense: bool) -> str:
    """The mean IoU with its grade, toned down where few labels stand behind it."""
    grade = next(text for floor, text in _GRADES if miou >= floor)
    items = sum(held_out.values())
    if not items:
        return f"Mean IoU {miou:.2f}: {grade}."
    if items >= SOME_TENS:
        return f"Mean IoU {miou:.2f} on {items} held-out {_things(items, dense)}: {grade}."
    fewest = min(held_out, key=lambda n: held_out[n])
    detail = f" ({fewest}: {held_out[fewest]})" if len(held_out) > 1 else ""
    return (
        f"Mean IoU {miou:.2f} on only {items} held-out {_things(items, dense)}{detail}: {grade} on these, "
        "but fewer than some tens are weak evidence; draw more, in other places, to know."
    )


def _things(count: int, dense: bool) -> str:
    one, many = ("block of labels", "blocks of labels") if dense else ("polygon", "polygons")
    return one if count == 1 else many
