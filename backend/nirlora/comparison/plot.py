"""A comparison as a picture: scores and costs of each adapter in rows that share their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nirlora.errors import OutputError
from nirlora.protocol import CompareRow

_INK, _GREY, _BLUE, _ORANGE = "#1d2733", "#8a94a0", "#1f6f9e", "#c8601a"
_WIDE = 20.0  # times the smallest value: a linear axis would show that as nothing
_ROOM = 1.45  # times the longest bar, for its value


def write_plot(path: Path, rows: Sequence[CompareRow], title: str, clock: str) -> None:
    """Draw the rows, the best mIoU on top, into a PNG; whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    figure = draw(rows, title, clock)
    part = path.with_name(path.name + ".part")
    try:
        figure.savefig(part, format="png", dpi=130)
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"The plot {path} cannot be written: {error.strerror}.", hint="Choose another folder with --out."
        ) from error


def draw(rows: Sequence[CompareRow], title: str, clock: str) -> Figure:
    """Five panels: mIoU with every seed, share of parameters trained, time a step, memory, file.

    ``clock`` says which time that is.
    """
    ordered = sorted(rows, key=lambda r: r.miou_mean if r.miou_mean is not None else -1.0)
    figure = Figure(figsize=(13, 1.3 + 0.34 * len(ordered)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 5, sharey=True, width_ratios=(2.2, 1, 1, 1, 1))
    _scores(panels[0], ordered)
    _bars(panels[1], [100 * r.trainable_share for r in ordered], "trained, % of all")
    _bars(panels[2], [_or_nan(r.seconds_per_step) for r in ordered], clock)
    _bars(panels[3], [r.peak_memory_mb for r in ordered], "peak memory, MB")
    _bars(panels[4], [r.file_bytes / 1e6 for r in ordered], "file, MB")
    panels[0].set_yticks(range(len(ordered)), [r.adapter for r in ordered])
    figure.suptitle(title, color=_INK, fontsize=11)
    return figure


def _scores(axes: Axes, rows: Sequence[CompareRow]) -> None:
    for height, row in enumerate(rows):
        axes.plot(row.miou, [height] * len(row.miou), "o", color=_GREY, markersize=4, alpha=0.7)
        if row.miou_mean is not None and row.miou_std is not None:
            axes.errorbar(
                row.miou_mean, height, xerr=row.miou_std, fmt="o", color=_BLUE, markersize=6, capsize=3
            )
    axes.set_xlabel("mIoU: seeds, mean and deviation", color=_INK)
    _plain(axes)


def _bars(axes: Axes, values: Sequence[float], label: str) -> None:
    """Bars with their values; the square root keeps the small ones of a wide range visible."""
    drawn = axes.barh(range(len(values)), values, color=_ORANGE, height=0.55)
    axes.bar_label(drawn, [_short(value) for value in values], padding=3, fontsize=8, color=_INK)
    known = [value for value in values if math.isfinite(value) and value > 0]
    if known and max(known) > _WIDE * min(known):
        axes.set_xscale("function", functions=(_root, np.square))
        label += "\n(lengths: square root)"
    axes.set_xlim(0, _ROOM * max(known, default=1.0))
    axes.set_xticks([])
    axes.set_xlabel(label, color=_INK)
    _plain(axes)
    axes.spines["bottom"].set_visible(False)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(values, 0.0))


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)
    axes.grid(axis="x", color=_GREY, alpha=0.25)
    axes.set_axisbelow(True)


def _short(value: float) -> str:
    """Three digits, never in powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
