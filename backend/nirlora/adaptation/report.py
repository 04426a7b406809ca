"""The report of an adaptation: one HTML file that needs no network, in the form of a training's."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nirlora.adaptation.features import FeatureLook
from nirlora.adaptation.setup import Setup
from nirlora.models.backbone_card import BackboneCard
from nirlora.training.checkpoint import RunState
from nirlora.training.report import (
    STOPPED,
    command_line,
    data_uri,
    duration,
    picture,
    png,
    template,
    write_page,
)

_MAX_LAYERS = 40  # rasters that are named
_PANEL_PX = 640
_TITLES = {
    "loss": "Loss",
    "dino": "DINO: summaries of crops",
    "ibot": "iBOT: masked patches",
    "koleo": "KoLeo: spread",
    "entropy": "Entropy of the targets",
    "lr": "Learning rate",
}
_BLUE, _GREY = "#1f6f9e", "#8a94a0"


def write_adaptation_report(
    path: Path, setup: Setup, looks: Sequence[FeatureLook], card: BackboneCard, state: RunState
) -> None:
    """Write the page to ``path``, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    run = card.history[-1]
    files = [c.layer.path for c in setup.data.coverage]
    more = [f"and {len(files) - _MAX_LAYERS} more"] if len(files) > _MAX_LAYERS else []
    page = template(
        Path(__file__).with_name("pretraining_report.html")
    ).render(
        title=path.name.removesuffix("_adaptation.html") + ".nirlora-backbone",
        created=str(run["date"]).replace("T", " ").replace("+00:00", " UTC"),
        verdict=verdict(run, len(card.history)),
        run=run,
        duration=duration(float(run["seconds"])),
        stopped=STOPPED.get(run["stopped"], run["stopped"]),
        d=SimpleNamespace(warnings=run["warnings"]),  # of the part shared with other reports
        looks=[_pictures(look) for look in looks],
        curves=data_uri(draw_losses(state.history)),
        history=[_row(entry) for entry in card.history],
        settings=_settings(setup),
        layers=files[:_MAX_LAYERS] + more,
        versions=card.versions,
        command=command_line(setup.request),
    )
    write_page(path, page)


def verdict(run: Mapping[str, Any], runs: int) -> str:
    """One or two sentences: what happened, and that it is no proof."""
    first, last = run["losses"]["first"]["loss"], run["losses"]["last"]["loss"]
    moved = "fell" if last < first else "did not fall"
    objective = {"mae": "drawing hidden patches", "dino": "agreeing with its teacher"}[run["objective"]]
    rasters = f"{len(run['rasters'])} raster{'s' if len(run['rasters']) > 1 else ''}"
    before = {1: "", 2: " It had been adapted once before."}
    again = before.get(runs, f" It had been adapted {runs - 1} times before.")
    return (
        f"The loss of {objective} {moved} from {first:.3g} to {last:.3g} on {rasters}.{again} "
        "Whether maps get better, only a training with labels can say."
    )


def draw_losses(history: Sequence[Mapping[str, float | int | None]]) -> bytes:
    """Every loss and the learning rate over the steps, as PNG."""
    names = [name for name in _TITLES if history and name in history[0]]
    rows = -(-max(len(names), 1) // 3)
    figure = Figure(figsize=(10.4, 2.7 * rows), dpi=170, layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, min(3, max(len(names), 1)))).ravel()
    for panel, name in zip(axes, names, strict=False):
        points = [(float(h["step"] or 0), float(h[name] or 0.0)) for h in history]
        _draw(panel, points, _TITLES[name], _GREY if name == "lr" else _BLUE)
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw(axes: Axes, points: list[tuple[float, float]], title: str, color: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e9ec", linewidth=0.7)
    axes.set_axisbelow(True)
    marker = "." if len(points) < 3 else None
    axes.plot([p[0] for p in points], [p[1] for p in points], color=color, marker=marker, linewidth=1.4)


def _pictures(look: FeatureLook) -> dict[str, str]:
    step = max(1, -(-max(look.image.shape[1:]) // _PANEL_PX))
    parts = {"input": picture(look.image[:, ::step, ::step]), "before": look.before, "after": look.after}
    uris = {name: data_uri(png(part)) for name, part in parts.items() if part is not None}
    return uris | {"title": look.title}


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the history as the table shows it; records of other versions may lack something."""
    losses = entry.get("losses") or {}
    ends = [f"{losses[end]['loss']:.4g}" for end in ("first", "last") if end in losses]
    start = entry.get("start", {})
    return {
        "date": str(entry.get("date", ""))[:10],
        "start": f"{start.get('backbone', '?')}, {PurePath(str(start.get('source', '?'))).name}",
        "objective": entry.get("objective", "?"),
        "channels": ", ".join(map(str, entry.get("channels", []))),
        "rasters": len(entry.get("rasters", [])),
        "steps": entry.get("steps", 0),
        "loss": " to ".join(ends),
    }


def _settings(setup: Setup) -> dict[str, Any]:
    request, recipe, options = setup.request, setup.recipe, setup.options
    low, high = recipe.scale
    return {
        "backbone": setup.backbone,
        "weights": setup.source or ("hub" if setup.pretrained else "random"),
        "objective": request.objective,
        "blocks unfrozen": options.unfreeze,
        "LoRA elsewhere": f"rank {options.rank}, alpha {options.alpha:g}" if options.rank else "none",
        "patch embedding": "trained" if options.patch_embedding else "frozen",
        "channels": ", ".join(setup.data.transform.names),
        "chip": f"{recipe.chip_px} px; views show {low:g} to {high:g} of it at {recipe.input_px} px",
        "batch": f"{request.batch} x {request.accumulate}" if request.accumulate > 1 else request.batch,
        "learning rate": recipe.rate,
        "seed": request.seed,
    }
