"""Results of ``nirlora classify`` for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nirlora.protocol import ClassifyPredictResult, ClassifyTrainResult

from .console import duration
from .show import STOPPED, show_facts, show_warnings


def show_classify_train(result: ClassifyTrainResult) -> None:
    """Scores, trainable share and where the files are."""
    _scores(result.metrics, "held-out")
    trained, total = result.trainable_parameters, result.total_parameters
    stopped = f", {STOPPED.get(result.stopped, result.stopped)}" if result.stopped else ""
    facts = {
        "trained": f"{trained:,} of {total:,} parameters ({100 * trained / max(total, 1):.2f} %)",
        "time": f"{duration(result.seconds)} on {result.device}{stopped}",
        "model": result.model,
        "split": result.split,
    }
    show_facts(facts | ({"report": result.report} if result.report else {}))
    show_warnings(result.warnings)


def show_classify_predict(result: ClassifyPredictResult) -> None:
    """How many of each class, scores where the classes were known, and where the file is."""
    if result.metrics:
        _scores(result.metrics, "known")
    facts: dict[str, Any] = {"time": f"{duration(result.seconds)} on {result.device}", "out": result.out}
    if result.unclassified:
        facts["unclassified"] = result.unclassified
    show_facts(facts | {"predicted": {name: {"count": n} for name, n in result.counts.items()}})
    show_warnings(result.warnings)


def _scores(metrics: Mapping[str, Any], what: str) -> None:
    if not metrics or metrics.get("accuracy") is None:
        print("no scores: nothing was held out\n")
        return
    show_facts({f"classes, of those {what}": metrics["classes"]})
    print(f"\ntop-1 accuracy {metrics['accuracy']:.4f}, mean of the classes {metrics['mean_accuracy']:.4f}\n")
