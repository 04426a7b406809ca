"""The model card of the shipped weights, written from what the backbone file and the benchmark say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from nirlora.models.backbone_card import SUFFIX, read_backbone_card
from nirlora.models.backbones import backbone_spec

_CURVE_ROWS = 12

_TEXT = """# Model card: {name}

Written by `python packaging/pretrain.py --publish` from the weights' own card; do not edit.

**What it is.** A Vision Transformer for aerial and satellite images ({size:.1f} MB, half precision, {steps}
steps): patches of {patch} px, tokens of 192, 6 blocks, no class token. It was trained by this project from
random weights. Its patch embedding has one kernel for each of {channels}; from these it takes any subset
(`--bands nir`, `red,nir`, ...), since it was trained on subsets scaled as the stem `by_role` scales them. Any
other channel, such as red edge or short-wave infrared, it never saw: it gets the mean of the kernels, and the
program says so.

**Licence.** {licence}, as the project. No weights of others are inside; Galileo-nano (MIT) was a teacher
where the settings below give `teacher` a weight.

**Objective.** From some channels (near-infrared alone half of the time) of some patches: the channels that
were not shown and NDVI of the visible patches (`colour`), everything of the hidden ones (`fill`), and
Galileo-nano's tokens of the same image in red, green and blue (`teacher`). See
`packaging/pretraining/objective.py`.

**Data.** No labels. Of the rasters that quality is measured on, the RedEdge frame and the Landsat scenes were
not seen. Of the NAIP trees the images of the training tiles were, without their labels; every place of a
validation or test tile is left out in every year. Those lie in the same cities as others that were seen, and
the unlabelled tiles carry no coordinates, so that neighbouring places cannot be ruled out. The NAIP tiles of
cities are from Ventura et al. 2024, Individual Tree Detection in Large-Scale Urban Environments using
High-Resolution Multispectral Imagery, Int. J. Appl. Earth Obs. Geoinf. 130, 103848 (imagery: USDA NAIP); the
Sentinel-2 scenes contain modified Copernicus Sentinel data.

| source | kind | tiles of 256 px | licence |
|---|---|---|---|
{sources}

**Settings**, run by run, each going on from the weights of the one before.

{settings}

**Compute.** {compute}

**Curve** of the last run. Mean losses since the row before.

{curve}

**Measured quality.** `python tests/benchmarks/own_weights.py`: mIoU, mean ± deviation over the seeds;
settings were chosen on other seeds.

{measured}

**Limits.** Mostly Californian cities at 0.6 m in uint8; few fields, little from drones and satellites. A
network of less than 3 M parameters cannot know what a large one does. Values are standardised by their 2nd
and 98th percentile: absolute reflectance was not learnt.
"""


def publish(run: Path, home: Path, benchmarks: Path) -> Path:
    """Copy a run's backbone file to ``home`` and write its model card beside it, a ``.md`` of the same name.

    Args:
        run: Folder of the run, with one backbone file and ``curve.json``.
        home: ``resources/pretrained``.
        benchmarks: Folder of the table of these weights, ``own_weights.md`` in a folder of their name;
            "not measured yet" where it is missing.
    """
    (weights,) = run.glob(f"*{SUFFIX}")
    home.mkdir(parents=True, exist_ok=True)
    target = home / weights.name
    shutil.copyfile(weights, target)
    card = read_backbone_card(target)
    record, runs, spec = card.history[-1], card.history, backbone_spec(card.backbone)
    table = benchmarks / card.backbone / "own_weights.md"
    text = _TEXT.format(
        name=card.backbone,
        patch=spec.patch,
        size=target.stat().st_size / 1e6,
        steps=sum(r["steps"] for r in runs),
        channels=", ".join(card.roles),
        licence=spec.licence,
        sources="\n".join(_source(r) for r in record["rasters"]),
        settings="\n\n".join(f"`{json.dumps(r['settings'])}`" for r in runs),
        compute=f"{' + '.join(_hours(r) for r in runs)}; device: {record['device']}.",
        curve=curve_table(json.loads((run / "curve.json").read_text())),
        measured=table.read_text().strip() if table.exists() else "Not measured yet.",
    )
    (home / f"{card.backbone}.md").write_text(text)
    return target


def _hours(record: dict[str, Any]) -> str:
    return f"{record['seconds'] / 3600:.1f} hours"


def _source(record: dict[str, Any]) -> str:
    return f"| {record['name']} | {record['kind']} | {record['tiles']} | {record['licence']} |"


def curve_table(history: list[dict[str, float]]) -> str:
    """Some rows of a run's history as Markdown, the last one among them."""
    if not history:
        return "Empty."
    names = [n for n in history[0] if n not in ("lr", "seconds")]
    every = -(-len(history) // _CURVE_ROWS)
    rows = history[::-1][::every][::-1]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        cells = [str(row[n]) if n == "step" else f"{row[n]:.4f}" for n in names]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
