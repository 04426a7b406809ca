"""The report of a model carried to another field: a training's page, with stages and how steady they were."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nirlora.models.bundle import ModelCard
from nirlora.models.segmenter import Segmenter
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.self_training.state import AdaptState
from nirlora.training.config import Recipe
from nirlora.training.quicklook import SIDE_PX, predict_window
from nirlora.training.report import QuickLook, data_uri, draw_curve, page_values, template, write_page
from nirlora.training.run import Setup
from nirlora.training.summary import report_data

if TYPE_CHECKING:
    from nirlora.self_training.run import Field

_BLUE, _ORANGE, _GREEN, _GREY = "#1f6f9e", "#c8601a", "#3d8b57", "#8a94a0"
_Point = tuple[float, float]


def write_adaptation_report(
    path: Path,
    setup: Setup,
    field: Field,
    model: Segmenter,
    recipe: Recipe,
    card: ModelCard,
    state: AdaptState,
    device: torch.device,
) -> None:
    """Write the HTML report of a run to ``path``.

    Raises:
        OutputError: It cannot be written.
    """
    carried = replace(setup, transform=field.target.transform)
    data = report_data(path, carried, model, recipe, card, state, device)
    request = setup.request
    settings = {
        "stabiliser": request.stabiliser,
        "rounds": f"{request.rounds}, each from {_START[request.round_start]}" if request.rounds else "none",
        "shares of the classes": _SHARES[request.class_shares],
        "least confidence": request.min_confidence or "none",
        "adversarial weight": request.adversarial_weight,
        "target's values": _VALUES[field.target.values],
        "target": ", ".join(layer.path for layer in request.target_layers),
    }
    looks = (_target_look(field, model, recipe, device), *data.quick_looks[:1])
    data = replace(data, quick_looks=looks, settings={**data.settings, **settings})
    page = template(Path(__file__).with_name("adaptation_report.html")).render(
        **page_values(data),
        verdict=card.metrics.get("verdict", "No labels could be held out: nothing is known of this model."),
        of=card.metrics.get("of", ""),
        curves=data_uri(draw_stages(state.history, stage_rows(card))),
        stages=stage_rows(card),
    )
    write_page(path, page)


_SHARES = {"source": "as in the source's labels", "trained": "as training left them"}
_VALUES = {"source": "in the source's range", "own": "in its own range"}
_START = {"pretrained": "the pretrained weights", "continue": "the round before"}


def stage_rows(card: ModelCard) -> list[dict[str, Any]]:
    """One record per finished stage, as the card holds them."""
    rows: list[dict[str, Any]] = card.training["adaptation"]["stages"]
    return rows


def draw_stages(
    history: Sequence[Mapping[str, float | int | None]], stages: Sequence[Mapping[str, Any]]
) -> bytes:
    """Loss, flips and scores over the epochs of all stages, as PNG."""
    figure = Figure(figsize=(10.4, 2.9), dpi=170, layout="constrained")
    FigureCanvasAgg(figure)
    loss, flips, scores = figure.subplots(1, 3)
    draw_curve(loss, _points(history, "loss"), "Training loss", _BLUE)
    draw_curve(flips, _points(history, "flips", 100), "Target pixels that change class, %", _ORANGE)
    ends = _ends(history, len(stages))
    _mark(flips, ends, [s["flips"] for s in stages], 100, "from round to round")
    draw_curve(scores, _points(history, "miou"), "mIoU", _GREY)
    _mark(scores, ends, [s["target_miou"] for s in stages], 1, "target")
    scores.plot([], [], color=_GREY, label="source, held out")
    scores.set_ylim(0, 1.05)
    for axes in (flips, scores):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7.5, frameon=False)
    for axes in (loss, flips, scores):
        for end in ends[:-1]:
            axes.axvline(end + 0.5, color="#d3d8dd", linewidth=0.8, linestyle="--")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _points(history: Sequence[Mapping[str, float | int | None]], key: str, factor: float = 1) -> list[_Point]:
    return [(float(h["epoch"] or 0), factor * float(h[key] or 0)) for h in history if h.get(key) is not None]


def _ends(history: Sequence[Mapping[str, float | int | None]], count: int) -> list[float]:
    """The last epoch of every finished stage."""
    return [max(float(h["epoch"] or 0) for h in history if h["stage"] == stage) for stage in range(count)]


def _mark(
    axes: Axes, ends: Sequence[float], values: Sequence[float | None], factor: float, label: str
) -> None:
    points = [(end, factor * value) for end, value in zip(ends, values, strict=True) if value is not None]
    if points:
        axes.plot(*zip(*points, strict=True), "o", color=_GREEN, markersize=5, label=label)
    for x, y in points:
        text = f"{y:.1f}" if factor > 1 else f"{y:.2f}"
        axes.annotate(text, (x, y), (0, 5), textcoords="offset points", ha="center", fontsize=8)


def _target_look(field: Field, model: Segmenter, recipe: Recipe, device: torch.device) -> QuickLook:
    """A part of the target, the fullest one, with its labels if it has any."""
    scene = max(field.scenes, key=lambda s: int(s.seen.sum()))
    inside = scene.window
    window = Window(inside.col_off, inside.row_off, min(SIDE_PX, inside.width), min(SIDE_PX, inside.height))
    image, valid = scene.reader.read(window)
    prediction = predict_window(model, scene.reader, window, recipe, device)
    prediction[~valid] = NO_CLASS
    image[:, ~valid] = np.nan
    labels = field.target.labels[scene.number]
    name = PurePath(scene.reader.source.path).name
    shown = labels.rasterise(window) if labels is not None else np.full(window.shape, NO_CLASS, np.uint8)
    kind = "its labels are for scores alone" if labels is not None else "without labels"
    return QuickLook(f"The target {name}, {kind}", image, shown, prediction)
