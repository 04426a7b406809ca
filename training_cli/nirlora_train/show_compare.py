"""A comparison for people."""

from __future__ import annotations

from nirlora.protocol import CompareResult, CompareRow

from .console import duration
from .show import show_facts, show_warnings


def show_compare(result: CompareResult) -> None:
    """Scores and costs of every adapter, the best first, and where the files are."""
    ordered = sorted(result.rows, key=lambda r: -(r.miou_mean if r.miou_mean is not None else -1.0))
    clock = "processor s/step" if result.device == "cpu" else "s/step"
    kept = f", {result.runs_kept} kept from before" if result.runs_kept else ""
    show_facts(
        {
            "time": f"{duration(result.seconds)} on {result.device}, {result.runs_done} runs{kept}",
            "table": result.table,
            "plot": result.plot,
            "records": result.records,
            "adapters": {row.adapter: _cells(row, clock) for row in ordered},
        }
    )
    show_warnings(result.warnings)


def _cells(row: CompareRow, clock: str) -> dict[str, str]:
    scored = row.miou_mean is not None and row.miou_std is not None
    return {
        "mIoU": f"{row.miou_mean:.3f} ± {row.miou_std:.3f}" if scored else "-",
        "seeds": str(len(row.miou)),
        "trained %": f"{100 * row.trainable_share:.2f}",
        clock: "-" if row.seconds_per_step is None else f"{row.seconds_per_step:.3f}",
        "memory MB": f"{row.peak_memory_mb:.0f}",
        "file MB": f"{row.file_bytes / 1e6:.2f}",
    }
