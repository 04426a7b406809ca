"""From a finished run to the data of its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nirlora.classification.loop import ClassifyState, predict
from nirlora.classification.report import ClassifyReport, Example, write_report
from nirlora.models.bundle import ModelCard
from nirlora.training.accelerator import make_accelerator
from nirlora.training.report import command_line

if TYPE_CHECKING:
    from nirlora.classification.train import Run

_LOOKED_AT, _SHOWN = 96, 12


def write_training_report(
    path: Path, run: Run, card: ModelCard, state: ClassifyState, device: torch.device
) -> None:
    """Write the HTML report of a run to ``path``.

    Raises:
        OutputError: It cannot be written.
    """
    setup, data, training = run.setup, run.setup.data, card.training
    channels = [
        {
            "channel": c.name,
            "role": c.role or "unknown",
            "low": round(c.low, 4),
            "median": round(c.median, 4),
            "high": round(c.high, 4),
        }
        for c in setup.transform.channels
    ]
    request = setup.request
    settings = {
        "backbone": setup.config.backbone,
        "pretrained": "yes" if run.model.backbone_sha256 else "no, random weights",
        "adapter": run.model.config.adapter_words,
        "head": "mean of the tokens, one linear layer",
        "input": f"{run.sizes.input_px} px, of {run.sizes.chip_px} px of the {data.what}'s raster",
        "batch": request.batch,
        "steps": state.step,
        "label smoothing": request.label_smoothing or "",
        "kept": "best" if request.patience else "last",
        "seed": request.seed,
    }
    write_report(
        path,
        ClassifyReport(
            title=path.name.removesuffix("_report.html"),
            what=data.what,
            classes=card.classes,
            counts=tuple(zip(data.counts(data.split.train), data.counts(data.split.val), strict=True)),
            metrics=card.metrics,
            history=state.history,
            examples=_examples(run, device),
            parameters=run.model.num_parameters(),
            seconds=float(training["seconds"]),
            device=str(training["device"]),
            stopped=str(training["stopped"]),
            channels=channels,
            settings={k: v for k, v in settings.items() if v != ""},
            layers=tuple(str(layer["path"]) for layer in data.layers),
            command=command_line(request),
            split=path.name.removesuffix("_report.html") + "_split.json",
            warnings=tuple(training["warnings"]),
            versions=card.versions,
            created=str(training["date"]),
        ),
    )


def _examples(run: Run, device: torch.device) -> tuple[Example, ...]:
    """Held-out samples with the model's opinion, wrong ones first."""
    data = run.setup.data
    chosen = data.split.val[:: max(1, len(data.split.val) // _LOOKED_AT)]
    names = [c.name for c in data.classes]
    accelerator = make_accelerator(device)
    network = accelerator.prepare(run.model)
    found = [
        (index, int(p.argmax()), float(p.max()))
        for index, p in predict(network, run.samples, chosen, run.setup.request.batch, accelerator)
    ]
    found.sort(key=lambda row: int(row[1] == data.values[row[0]]))
    examples = []
    for index, value, confidence in found[:_SHOWN]:
        view = next(iter(run.samples.views(index)))
        image = np.where((view.x == 0).all(0), np.nan, view.x)
        truth = names[int(data.values[index])]
        examples.append(Example(data.names[index], image, truth, names[value], confidence))
    return tuple(examples)
