"""Results for people, on stdout; the same facts as ``--json``, laid out to be read."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nirlora.protocol import ClassArea, EvaluateResult, ExportResult, SegmentResult, TrainResult

from .console import duration, speed

if TYPE_CHECKING:
    from nirlora.doctor import Examination

_SCORED_ON = {"target": "labels of the target", "source": "held-out labels of the source"}
STOPPED = {"cancelled": "stopped by you", "max-seconds": "time limit", "patience": "no better for a while"}


def show_train(result: TrainResult) -> None:
    """Scores, trainable share and where the files are."""
    _scores(result.metrics, _SCORED_ON.get(result.metrics.get("of", ""), "validation"))
    trained, total = result.trainable_parameters, result.total_parameters
    stopped = f", {STOPPED.get(result.stopped, result.stopped)}" if result.stopped else ""
    facts = {
        "trained": f"{trained:,} of {total:,} parameters ({100 * trained / max(total, 1):.2f} %)",
        "time": f"{duration(result.seconds)} on {result.device}{stopped}",
        "model": result.model,
    }
    if result.report:
        facts["report"] = result.report
    _facts(facts)
    show_warnings(result.warnings)


def show_segment(result: SegmentResult) -> None:
    """Area per class and where the files are."""
    _areas(result.areas)
    facts = {"time": f"{duration(result.seconds)} on {result.device}, {speed(result.px_per_s)}"}
    facts |= {"map": result.map} | {k: v for k, v in result.outputs.items() if k != "map"}
    _facts(facts)
    show_warnings(result.warnings)


def show_evaluate(result: EvaluateResult) -> None:
    """Scores of the map."""
    _scores(result.metrics, "reference")
    _facts({"time": f"{duration(result.seconds)} on {result.device}"})
    show_warnings(result.warnings)


def show_export(result: ExportResult) -> None:
    """How far it is from the original, and where the file is."""
    _facts(
        {
            "compared on": result.chips,
            "difference": f"at most {result.max_difference:.2g} of logits",
            "same class": f"{result.agreement:.4%} of pixels",
            "tiles": f"{result.tile_px} x {result.tile_px} raster pixels, any number at a time",
            "size": f"{result.size_bytes / 1e6:.1f} MB",
            "time": duration(result.seconds),
            "model": result.onnx,
        }
    )
    show_warnings(result.warnings)


def show_demo(train: TrainResult, segment: SegmentResult, evaluate: EvaluateResult) -> None:
    """Scores against the truth, areas, and where to look."""
    _scores(evaluate.metrics, "truth of the whole field")
    _areas(segment.areas)
    took = train.seconds + segment.seconds + evaluate.seconds
    _facts(
        {
            "time": f"{duration(took)} ({duration(train.seconds)} of it training) on {train.device}",
            "map": segment.map,
            "report": train.report,
            "model": train.model,
        }
    )
    show_warnings((*train.warnings, *segment.warnings))


def show_plan(plan: Mapping[str, Any]) -> None:
    """What a training would do."""
    show_facts(plan)


def show_doctor(report: Examination) -> None:
    """Versions, devices, problems with their cures."""
    _facts(report.versions)
    print()
    for check in report.checks:
        print(f"{'ok     ' if check.ok else 'FAILED '} {check.name}: {check.detail}")
    for problem in report.problems:
        print(f"\nproblem [{problem.name}] {problem.message}\n  cure: {problem.cure}")
    print("\nno problems found" if not report.problems else f"\n{len(report.problems)} problem(s)")


def show_facts(facts: Mapping[str, Any]) -> None:
    """Nested facts: scalars as lines, lists of records and records of records as tables."""
    _facts({k: _text(v) for k, v in facts.items() if not _is_table(v)})
    for name, value in facts.items():
        if _is_table(value):
            print()
            rows = value if isinstance(value, list) else [{"": k} | dict(v) for k, v in value.items()]
            print(f"{name.replace('_', ' ')}:")
            _table(list(dict.fromkeys(key for row in rows for key in row)), rows)


def _is_table(value: Any) -> bool:
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return bool(items) and all(isinstance(item, dict) for item in items)


def _scores(metrics: Mapping[str, Any], what: str) -> None:
    if not metrics:
        print("no scores: nothing could be held out\n")
        return
    columns = ["class", "iou", "f1", "precision", "recall", "pixels"]
    rows = [
        {"class": name} | {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in scores.items()}
        for name, scores in metrics.get("classes", {}).items()
    ]
    print(f"scores against the {what}:")
    _table(columns, rows)
    means = {"mIoU": "miou", "mean F1": "mean_f1", "accuracy": "accuracy"}
    known = [f"{k} {metrics[v]:.3f}" for k, v in means.items() if metrics.get(v) is not None]
    print(f"{', '.join(known)}\n")
    if metrics.get("verdict"):
        print(f"{textwrap.fill(metrics['verdict'], 100)}\n")


def _areas(areas: Sequence[ClassArea]) -> None:
    total = sum(a.pixels for a in areas) or 1
    rows = [
        {"class": a.name, "hectares": f"{a.hectares:,.4g}", "share": f"{100 * a.pixels / total:.1f} %"}
        for a in areas
    ]
    _table(["class", "hectares", "share"], rows)
    print()


def _facts(facts: Mapping[str, Any]) -> None:
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):<{width}}  {value}")


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(c), *(len(r[i]) for r in cells)) if cells else len(c) for i, c in enumerate(columns)]
    for line in [list(columns), *cells]:
        first, *rest = [
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(["", first, *rest]).rstrip())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items()) or "-"
    return str(value) or "-"


def _number(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return _text(int(value))
    size = abs(value)
    if size >= 1000:
        return _text(round(value))
    return f"{value:.4g}"


def show_warnings(warnings: Sequence[str]) -> None:
    """One line each, on stderr."""
    sys.stdout.flush()
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
