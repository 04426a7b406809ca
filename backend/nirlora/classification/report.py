"""The report of a classifier's training: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nirlora.protocol import ClassInfo
from nirlora.training.report import (
    STOPPED,
    confusion_rows,
    data_uri,
    draw_curves,
    duration,
    picture,
    png,
    template,
    write_page,
)

_MANY = 12  # classes from which on the confusion matrix is drawn small


@dataclass(frozen=True)
class Example:
    """A held-out image or parcel as the model saw it.

    Attributes:
        name: As in the split file.
        image: Input ``(C, S, S)``, NaN where there is nothing.
        truth: Its class.
        predicted: The model's.
        confidence: Probability of the predicted class.
    """

    name: str
    image: NDArray[np.floating[Any]]
    truth: str
    predicted: str
    confidence: float


@dataclass(frozen=True)
class ClassifyReport:
    """Everything the page shows; names as in :class:`nirlora.training.report.ReportData`.

    Attributes:
        what: ``image`` or ``parcel``.
        counts: Per class, in value order: training and held-out samples.
        metrics: As :func:`nirlora.classification.scores.summarise_classes` gives them; may be empty.
        examples: Held-out samples, wrongly classified ones first.
        split: Name of the split file.
    """

    title: str
    what: str
    classes: tuple[ClassInfo, ...]
    counts: tuple[tuple[int, int], ...]
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, float | int | None]]
    examples: tuple[Example, ...]
    parameters: Mapping[str, int]
    seconds: float
    device: str
    stopped: str
    channels: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    layers: tuple[str, ...]
    command: str
    split: str
    warnings: tuple[str, ...]
    versions: Mapping[str, str]
    created: str


def write_report(path: Path, data: ClassifyReport) -> None:
    """Write the page to ``path``, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_page(path, render(data))


def render(data: ClassifyReport) -> str:
    """The page as HTML; every text in it is escaped."""
    names = [c.name for c in data.classes]
    curves = draw_curves(data.history, ("accuracy", "Validation accuracy"))
    return template(Path(__file__).with_name("classify_report.html")).render(
        d=data,
        verdict=verdict(data),
        rows=[
            {
                "info": info,
                "train": train,
                "val": val,
                "scores": data.metrics.get("classes", {}).get(info.name, {}),
            }
            for info, (train, val) in zip(data.classes, data.counts, strict=True)
        ],
        confusion=confusion_rows(data.metrics.get("confusion", []), names) if data.metrics else [],
        many=len(names) > _MANY,
        mistakes=mistakes(data.metrics.get("confusion", []), names),
        curves=data_uri(curves) if len(data.history) > 1 else "",
        examples=[{"e": e, "src": data_uri(png(picture(e.image)))} for e in data.examples],
        duration=duration(data.seconds),
        created=data.created.replace("T", " ").replace("+00:00", " UTC"),
        stopped=STOPPED.get(data.stopped, data.stopped),
    )


def verdict(data: ClassifyReport) -> str:
    """One or two sentences that say how good the model is, and on how little that may rest."""
    accuracy = data.metrics.get("accuracy")
    if accuracy is None:
        return "Nothing held out was scored, so nothing is known of how good this model is."
    held = sum(val for _, val in data.counts)
    scored = {n: s["accuracy"] for n, s in data.metrics["classes"].items() if s["accuracy"] is not None}
    weakest = min(scored, key=lambda n: float(scored[n]))
    largest = max(val for _, val in data.counts) / max(held, 1)
    parts = [
        f"{100 * accuracy:.1f} % of {held} held-out {data.what}s are classified rightly; "
        f"always naming the commonest class would give {100 * largest:.1f} %."
    ]
    if len(scored) > 1 and scored[weakest] < 1:
        parts.append(f"Weakest class: {weakest}, {100 * scored[weakest]:.0f} %.")
    if data.metrics.get("not_scored"):
        parts.append(
            f"Not scored, for want of held-out {data.what}s: {', '.join(data.metrics['not_scored'])}."
        )
    if held < 10 * len(data.classes):
        parts.append(f"So few held-out {data.what}s make these numbers rough.")
    return " ".join(parts)


def mistakes(confusion: Sequence[Sequence[int]], names: Sequence[str], most: int = 8) -> list[dict[str, Any]]:
    """The commonest confusions: reference, prediction and how many."""
    cells: list[dict[str, Any]] = [
        {"reference": names[i], "prediction": names[j], "count": count}
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(cells, key=lambda cell: -cell["count"])[:most]
