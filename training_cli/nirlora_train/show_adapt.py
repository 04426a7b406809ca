"""Results of ``nirlora adapt`` for people."""

from __future__ import annotations

from nirlora.protocol import AdaptResult

from .console import duration
from .show import STOPPED, show_facts, show_warnings


def show_adapt(result: AdaptResult) -> None:
    """How the loss moved, trainable share, and where the files are."""
    trained, total = result.trainable_parameters, result.total_parameters
    stopped = f", {STOPPED.get(result.stopped, result.stopped)}" if result.stopped else ""
    first, last = (result.losses.get(end, {}).get("loss", float("nan")) for end in ("first", "last"))
    facts = {
        "objective": f"{result.objective} on {', '.join(result.channels)}, {result.steps:,} steps",
        "loss": f"{first:.4g} to {last:.4g}",
        "trained": f"{trained:,} of {total:,} parameters ({100 * trained / max(total, 1):.2f} %)",
        "time": f"{duration(result.seconds)} on {result.device}{stopped}",
        "backbone": result.backbone,
    }
    show_facts(facts | ({"report": result.report} if result.report else {}))
    show_warnings(result.warnings)
