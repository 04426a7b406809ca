"""The report of a training: one HTML file that needs no network, for the screen and for paper."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.image
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nirlora.errors import OutputError
from nirlora.protocol import NO_CLASS, AdaptRequest, ClassifyTrainRequest, ClassInfo, LayerRef, TrainRequest
from nirlora.protocol.codec import as_text
from nirlora.training.verdict import verdict

_INK, _GREY, _BLUE, _ORANGE = "#1d2733", "#8a94a0", "#1f6f9e", "#c8601a"
STOPPED = {"cancelled": "stopped by hand", "max-seconds": "time limit", "patience": "no longer improving"}
_COMMANDS = {
    TrainRequest: "nirlora-train",
    ClassifyTrainRequest: "nirlora classify train",
    AdaptRequest: "nirlora adapt",
}
_Point = tuple[float, float]
_PANEL_PX = 640  # longest side of a quick-look picture in the file


@dataclass(frozen=True)
class QuickLook:
    """A part of a raster beside its labels and the model's map of it.

    Attributes:
        title: For example the raster's name and the size of the part.
        image: Input ``(C, H, W)``, any values, NaN where there is nothing; the first three channels
            become red, green and blue, a single one (or two) becomes grey.
        labels: Class values ``(H, W)`` uint8, 255 unlabelled.
        prediction: Class values ``(H, W)`` uint8, 255 where nothing was predicted.
        held_out: ``(H, W)`` bool, labels that validated and did not train; outlined. None: not shown.
    """

    title: str
    image: NDArray[np.floating[Any]]
    labels: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    held_out: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class ClassCount:
    """Labels of one class: polygons (or blocks of a label raster) and their pixels, by use."""

    name: str
    train_items: int
    val_items: int
    train_pixels: int
    val_pixels: int


@dataclass(frozen=True)
class ReportData:
    """Everything the page shows.

    Attributes:
        title: Name of the model.
        classes: In value order.
        counts: One per class, in value order; may be empty.
        metrics: As :func:`nirlora.metrics.summarise` gives them; empty if nothing was held out.
        history: One entry per epoch: ``epoch, step, loss, lr, miou, seconds``; loss and miou may be None.
        quick_looks: May be empty.
        parameters: ``adapter``, ``head``, ``trainable``, ``total``.
        seconds: Time of the training.
        device: Where it ran.
        stopped: As in ``TrainResult``.
        channels: One row per input channel, for a table: column -> value.
        settings: Backbone, chip size and the like: name -> value.
        layers: Rasters that were trained on.
        command: Shell command that repeats the training, see :func:`command_line`.
        warnings: One sentence each.
        versions: Package -> version.
        created: Date and time, as it should be shown.
        dense: See :func:`nirlora.training.verdict.verdict`.
    """

    title: str
    classes: tuple[ClassInfo, ...]
    counts: tuple[ClassCount, ...]
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, float | int | None]]
    quick_looks: tuple[QuickLook, ...]
    parameters: Mapping[str, int]
    seconds: float
    device: str
    stopped: str
    channels: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    layers: tuple[str, ...]
    command: str
    warnings: tuple[str, ...]
    versions: Mapping[str, str]
    created: str
    dense: bool = False


def write_report(path: Path, data: ReportData) -> None:
    """Write the page to ``path``, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_page(path, render(data))


def write_page(path: Path, page: str) -> None:
    """Write a report's HTML in one step.

    Raises:
        OutputError: The file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"The report {path} cannot be written: {error.strerror}.",
            hint="Choose a folder you may write to with --out, or leave the report out with --no-report.",
        ) from error


def render(data: ReportData) -> str:
    """The page as HTML; every text in it is escaped."""
    curves = data_uri(draw_curves(data.history)) if len(data.history) > 1 else ""
    said = verdict(data.metrics, {c.name: c.val_items for c in data.counts}, dense=data.dense)
    page = template(Path(__file__).with_name("report.html"))
    return page.render(**page_values(data), curves=curves, verdict=said)


def page_values(data: ReportData) -> dict[str, Any]:
    """What the page is filled with, but for the curves and the verdict."""
    return {
        "d": data,
        "rows": class_rows(data),
        "confusion": confusion_rows(data.metrics.get("confusion", []), [c.name for c in data.classes]),
        "looks": [_look(look, data.classes) for look in data.quick_looks],
        "duration": duration(data.seconds),
        "created": data.created.replace("T", " ").replace("+00:00", " UTC"),
        "stopped": STOPPED.get(data.stopped, data.stopped),
    }


def class_rows(data: ReportData) -> list[dict[str, Any]]:
    """One row per class: its colour, counts and scores (None where unknown)."""
    counts = {count.name: count for count in data.counts}
    scores = data.metrics.get("classes", {})
    return [
        {"info": info, "count": counts.get(info.name), "scores": scores.get(info.name, {})}
        for info in data.classes
    ]


def confusion_rows(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the confusion table: reference class, and per column the count and its share of the row."""
    rows = []
    for name, counts in zip(names, matrix, strict=bool(matrix)):
        total = sum(counts)
        rows.append(
            {"name": name, "cells": [{"count": n, "share": n / total if total else 0.0} for n in counts]}
        )
    return rows


def command_line(request: TrainRequest | ClassifyTrainRequest | AdaptRequest) -> str:
    """The shell command that makes ``request``: every field that is not at its default."""
    words = _COMMANDS[type(request)].split()
    for layer in request.layers:
        words += ["--layer", layer.path]
    for layer in request.layers:
        words += ["--labels", layer.labels] if layer.labels else []
    first = request.layers[0] if request.layers else LayerRef("")
    words += [] if first.nodata is None else ["--nodata", repr(first.nodata)]
    words += ["--crs", first.crs] if first.crs else []
    words += _target_words(request)
    default = type(request)(layers=(LayerRef(""),))
    for field in dataclasses.fields(request):
        value = getattr(request, field.name)
        if field.name.endswith("layers") or value == getattr(default, field.name):
            continue
        option = field.name.replace("_", "-")
        if isinstance(value, dict):  # one option for each entry, named in the singular
            words += [w for k, v in value.items() for w in (f"--{option[:-1]}", f"{k}={as_text(v)}")]
        elif isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words += [f"--{option}", text]
    return shlex.join(words)


def _target_words(request: object) -> list[str]:
    words: list[str] = []
    layers: tuple[LayerRef, ...] = getattr(request, "target_layers", ())
    for layer in layers:
        words += ["--target-layer", layer.path]
    for layer in layers:
        words += ["--target-labels", layer.labels] if layer.labels else []
    return words


def draw_curves(
    history: Sequence[Mapping[str, float | int | None]], score: tuple[str, str] = ("miou", "Validation mIoU")
) -> bytes:
    """Loss, validation score (key in the history, title) and learning rate over the epochs, as PNG."""
    figure = Figure(figsize=(10.4, 2.7), dpi=170, layout="constrained")
    FigureCanvasAgg(figure)
    panels = (
        ("loss", "Training loss", _BLUE),
        (*score, _ORANGE),
        ("lr", "Learning rate", _GREY),
    )
    for axes, (key, title, color) in zip(figure.subplots(1, 3), panels, strict=True):
        points = [(float(h["epoch"] or 0), float(h[key] or 0)) for h in history if h.get(key) is not None]
        if key == "lr" and points:
            points, title = _scaled(points, title)
        draw_curve(axes, points, title, color)
        trained = [p for p in points if p[0] > 0]  # epoch 0 is the look before the first step
        if key == score[0] and trained:
            _mark_best(axes, trained, color)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _scaled(points: list[_Point], title: str) -> tuple[list[_Point], str]:
    """Rates as 1..10 times a power of ten that the title names."""
    peak = max(y for _, y in points)
    power = math.floor(math.log10(peak)) if peak > 0 else 0
    return [(x, y / 10**power) for x, y in points], f"{title}, $10^{{{power}}}$"


def _mark_best(axes: Axes, points: list[_Point], color: str) -> None:
    epoch, best = max(reversed(points), key=lambda p: p[1])  # of equals the last, as the training keeps it
    axes.plot([epoch], [best], "o", color=color, markersize=5)
    axes.annotate(f"{best:.3f}", (epoch, best), (0, 5), textcoords="offset points", ha="center", fontsize=8)
    axes.set_ylim(0, 1.08)


def draw_curve(axes: Axes, points: Sequence[_Point], title: str, color: str) -> None:
    """A line over the epochs, as all pages draw them."""
    axes.set_title(title, fontsize=10, color=_INK, loc="left")
    axes.set_xlabel("epoch", fontsize=8.5, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e9ec", linewidth=0.7)
    axes.set_axisbelow(True)
    if points:
        marker = "." if len(points) < 3 else None
        axes.plot([p[0] for p in points], [p[1] for p in points], color=color, marker=marker, linewidth=1.6)
    else:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color=_GREY)


def _look(look: QuickLook, classes: Sequence[ClassInfo]) -> dict[str, str]:
    step = max(1, -(-max(look.labels.shape) // _PANEL_PX))
    grey = picture(look.image[:, ::step, ::step])
    labels, predicted = look.labels[::step, ::step], look.prediction[::step, ::step]
    under = (grey * 0.55 + 255 * 0.3).astype(np.uint8)  # dimmed, so that colours stand out
    labelled = paint(labels, classes, under)
    if look.held_out is not None:
        labelled[_outline(look.held_out[::step, ::step])] = (0, 0, 0)
    pictures = {"input": grey, "labels": labelled, "prediction": paint(predicted, classes, None)}
    caption = "Labels" if look.held_out is None else "Labels; outlined in black: held out"
    uris = {name: data_uri(png(p)) for name, p in pictures.items()}
    return uris | {"title": look.title, "caption": caption}


def picture(image: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """``(C, H, W)`` stretched to its 2..98 percentiles per channel, as ``(H, W, 3)``; nothing is white."""
    chosen = image[:3] if image.shape[0] >= 3 else np.repeat(image[:1], 3, axis=0)
    result = np.full((*image.shape[1:], 3), 255, np.uint8)
    valid = np.isfinite(chosen).all(axis=0)
    for i, channel in enumerate(chosen):
        if valid.any():
            low, high = np.percentile(channel[valid], (2, 98))
            unit = np.clip((channel[valid] - low) / max(float(high - low), 1e-12), 0, 1)
            result[valid, i] = (unit * 255).astype(np.uint8)
    return result


def paint(
    values: NDArray[np.uint8], classes: Sequence[ClassInfo], under: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Class values as their colours ``(H, W, 3)``; elsewhere ``under``, or white."""
    table = np.full((256, 3), 255, np.uint8)
    for info in classes:
        table[info.value] = [int(info.color[i : i + 2], 16) for i in (1, 3, 5)]
    painted: NDArray[np.uint8] = table[values]
    if under is not None:
        painted[values == NO_CLASS] = under[values == NO_CLASS]
    return painted


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = mask.copy()
    for axis in (0, 1):
        for shift in (1, -1):
            inner &= np.roll(mask, shift, axis)
    return mask & ~inner


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels ``(H, W, 3)`` as a PNG file."""
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, pixels, format="png")
    return buffer.getvalue()


def data_uri(content: bytes) -> str:
    """A PNG for the ``src`` of an image."""
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


@cache
def template(page: Path) -> jinja2.Template:
    """A page's template; it may include what lies beside it, and ``style.html``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([page.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "score": _score, "on": _ink_on}
    return environment.get_template(page.name)


def _number(value: Any) -> str:
    """Whole numbers with thin spaces, others with four digits, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return str(value)
    number = float(value)
    if number.is_integer() and abs(number) < 1e15:
        return f"{int(number):,}".replace(",", "\u2009")
    return f"{number:.4g}"


def _score(value: float | None) -> Markup:
    return Markup('<span class="none">–</span>') if value is None else Markup(f"{value:.3f}")


def _ink_on(share: float) -> str:
    return "#fff" if share > 0.55 else _INK


def duration(seconds: float) -> str:
    """Seconds for people."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60}:{whole % 60:02d} min"
        if whole < 3600
        else f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    )
