"""Our numbers beside the published: rows, and the Markdown they are shown in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nirlora.protocol import ReproducedRow
from nirlora.recipes.recipe import Experiment, Metric, Recipe


def make_rows(
    recipe: Recipe, chosen: Sequence[Experiment], records: Iterable[Mapping[str, Any]]
) -> tuple[ReproducedRow, ...]:
    """One row for each experiment (replicates and seeds averaged) and metric, then published ones alone.

    Args:
        recipe: The recipe.
        chosen: The experiments that were wanted.
        records: What their finished runs came to.
    """
    found = list(records)
    rows = []
    for key in dict.fromkeys(e.row(recipe.replicates) for e in chosen):
        labels = dict(key)
        own = [r for r in found if labels.items() <= r["labels"].items()]
        for metric in recipe.metrics:
            values = [r["scores"][metric.name] for r in own if metric.name in r["scores"]]
            published = [
                p
                for p in recipe.published
                if p.metric == metric.name and p.match and p.match.items() <= labels.items()
            ]
            rows.append(
                ReproducedRow(
                    experiment=labels,
                    metric=metric.name,
                    ours=float(np.mean(values)) if values else None,
                    spread=float(np.std(values)) if values else None,
                    runs=len(values),
                    published=published[0].value if published else None,
                    tag=published[0].tag if published else "",
                )
            )
    alone = [p for p in recipe.published if not p.match]
    return tuple(rows) + tuple(
        ReproducedRow({}, p.metric, None, None, 0, p.value, p.tag, p.name) for p in alone
    )


def markdown(recipe: Recipe, rows: Sequence[ReproducedRow], notes: Sequence[str]) -> str:
    """The page: title, table, what is known of the experiment, what differs here."""
    axes = [axis for axis in recipe.axes if axis not in recipe.replicates]
    lines = [f"# {recipe.title}", "", recipe.paper, ""]
    for metric in recipe.metrics:
        own = [row for row in rows if row.metric == metric.name]
        if own:
            lines += [f"## {metric.title}", "", *_table(axes, own, metric), ""]
    lines += [
        "Published numbers: *primary* from paper, publisher or official code, *secondary* from others, "
        "*inferred* by reasoning. Ours: mean ± deviation over the runs.",
        "",
    ]
    lines += _list("Known of the published experiment", [f"{f.fact} *({f.tag})*" for f in recipe.protocol])
    lines += _list("Different here", recipe.differences)
    lines += _list("Notes on this run", notes)
    return "\n".join(lines).rstrip() + "\n"


def _table(axes: Sequence[str], rows: Sequence[ReproducedRow], metric: Metric) -> list[str]:
    header = [*axes, "ours", "runs", "published", "difference", "source"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        labels = [row.experiment.get(axis, "") for axis in axes]
        if row.name:
            labels = [f"*{row.name}*", *[""] * (len(axes) - 1)]
        gap = None if row.ours is None or row.published is None else row.ours * metric.scale - row.published
        cells = [
            *labels,
            _ours(row, metric),
            str(row.runs or "–"),
            _number(row.published, metric),
            "–" if gap is None else f"{gap:+.{metric.digits}f}",
            row.tag or "–",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return lines


def _ours(row: ReproducedRow, metric: Metric) -> str:
    if row.ours is None or row.spread is None:
        return "–"
    text = _number(row.ours * metric.scale, metric)
    return text if row.runs < 2 else f"{text} ± {row.spread * metric.scale:.{metric.digits}f}"


def _number(value: float | None, metric: Metric) -> str:
    return "–" if value is None else f"{value:.{metric.digits}f}"


def _list(title: str, entries: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"* {entry}" for entry in entries), ""] if entries else []
