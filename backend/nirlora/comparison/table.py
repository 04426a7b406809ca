"""Rows of a comparison from its records, and the rows as a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from nirlora.protocol import CompareRow

_HEAD = "| adapter | mIoU | trained, % of all | of the adapter | {clock} | peak memory, MB | file, MB |"
_RULE = "|---|---|---|---|---|---|---|"


def clock_words(device: str) -> str:
    """What :func:`make_row` gives as time on ``device``, for a heading."""
    return "processor s a step" if _on_cpu(device) else "s a step"


def make_row(label: str, records: Sequence[dict[str, Any]]) -> CompareRow:
    """One row from the records of an adapter's seeds, one at least."""
    scores = [r["metrics"].get("miou") for r in records]
    miou = tuple(float(s) for s in scores if s is not None)
    first = records[0]
    clock = "processor_seconds_per_step" if _on_cpu(str(first["device"])) else "seconds_per_step"
    times = [r[clock] for r in records if r[clock] is not None]
    peaks = [r["peak_memory_mb"] for r in records if r["peak_memory_mb"] is not None]
    return CompareRow(
        adapter=label,
        miou=miou,
        miou_mean=statistics.fmean(miou) if miou else None,
        miou_std=statistics.pstdev(miou) if miou else None,
        trainable_parameters=first["trainable_parameters"],
        adapter_parameters=first["adapter_parameters"],
        trainable_share=first["trainable_parameters"] / max(first["total_parameters"], 1),
        seconds_per_step=statistics.median(times) if times else None,
        peak_memory_mb=max(peaks, default=float("nan")),
        file_bytes=first["file_bytes"],
    )


def markdown(rows: Sequence[CompareRow], clock: str) -> str:
    """The rows as a Markdown table, the best mIoU first; ``clock`` heads the times of their steps."""
    ordered = sorted(rows, key=lambda r: -(r.miou_mean if r.miou_mean is not None else -1.0))
    return "\n".join([_HEAD.format(clock=clock), _RULE, *(_line(row) for row in ordered)]) + "\n"


def _line(row: CompareRow) -> str:
    score = "not scored"
    if row.miou_mean is not None and row.miou_std is not None:
        score = f"{row.miou_mean:.3f} ± {row.miou_std:.3f} ({len(row.miou)})"
    cells = (
        row.adapter,
        score,
        f"{100 * row.trainable_share:.2f}",
        f"{row.adapter_parameters:,}",
        "-" if row.seconds_per_step is None else f"{row.seconds_per_step:.3f}",
        f"{row.peak_memory_mb:.0f}",
        f"{row.file_bytes / 1e6:.2f}",
    )
    return "| " + " | ".join(cells) + " |"


def _on_cpu(device: str) -> bool:
    return "cuda" not in device.lower() and not device.startswith("mps")
