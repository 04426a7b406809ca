"""From a finished run to the data of its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nirlora.models.bundle import ModelCard
from nirlora.models.segmenter import Segmenter
from nirlora.training.checkpoint import RunState
from nirlora.training.config import Recipe
from nirlora.training.quicklook import quick_looks
from nirlora.training.report import ClassCount, ReportData, command_line, write_report

if TYPE_CHECKING:
    from nirlora.training.run import Setup


def write_training_report(
    path: Path,
    setup: Setup,
    model: Segmenter,
    recipe: Recipe,
    card: ModelCard,
    state: RunState,
    device: torch.device,
) -> None:
    """Write the HTML report of a run to ``path``.

    Raises:
        OutputError: It cannot be written.
    """
    write_report(path, report_data(path, setup, model, recipe, card, state, device))


def report_data(
    path: Path,
    setup: Setup,
    model: Segmenter,
    recipe: Recipe,
    card: ModelCard,
    state: RunState,
    device: torch.device,
) -> ReportData:
    """What the report of a run shows."""
    training = card.training
    channels = [
        {
            "channel": c.name,
            "band": c.band or "computed",
            "description": c.description,
            "scale": c.scale,
            "offset": c.offset,
            "low (2 %)": round(c.low, 4),
            "median": round(c.median, 4),
            "high (98 %)": round(c.high, 4),
        }
        for c in setup.transform.channels
    ]
    resolution = setup.transform.resolution_m
    settings = {
        "backbone": setup.config.backbone,
        "pretrained": "yes" if model.backbone_sha256 else "no, random weights",
        "adapter": model.config.adapter_words,
        "head": setup.config.head,
        "chip": f"{recipe.chip_px} px, read at {recipe.input_px} px",
        "batch": setup.request.batch,
        "steps": state.step,
        "learning rate": f"head {recipe.head_rate:.2g}, backbone {recipe.backbone_rate:.2g}",
        "values": setup.transform.kind,
        "resolution": f"{resolution:.3g} m" if resolution else "unknown",
        "seed": setup.request.seed,
    }
    return ReportData(
        title=path.name.removesuffix("_report.html"),
        classes=card.classes,
        counts=tuple(
            ClassCount(c.name, c.train_items, c.val_items, c.train_pixels, c.val_pixels)
            for c in setup.data.split.counts
        ),
        metrics=card.metrics,
        history=state.history,
        quick_looks=quick_looks(setup, model, recipe, device),
        parameters=model.num_parameters(),
        seconds=float(training["seconds"]),
        device=str(training["device"]),
        stopped=str(training["stopped"]),
        channels=channels,
        settings={k: v for k, v in settings.items() if v != ""},
        layers=tuple(s.path for s in setup.data.sources),
        command=command_line(setup.request),
        warnings=setup.data.warnings,
        versions=card.versions,
        created=str(training["date"]),
        dense=setup.data.dense,
    )
