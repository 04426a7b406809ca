"""What the plugin costs in QGIS: at its start, from a click to a map, and in the event loop meanwhile.

    python tests/benchmarks/qgis_speed.py [--rounds 5] [--qgis 3.22]

In the real desktop of every QGIS of the machine, on a display of its own, with the real backend. What is
compared is measured in turn within one run, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "qgis")]

from machine import print_table, save

from desktop import run_inside
from installations import Installation, installations, what_is_missing
from start_once import start_times

TIMEOUT_S = 1800


def measure(qgis: Installation, rounds: int) -> dict[str, Any]:
    """Every round of every measurement in one QGIS, with the machine's load before and after."""
    load_before = os.getloadavg()
    starts = start_times(qgis, 5 * rounds)  # single starts differ by more than the plugin takes
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "measured.json"
        variables = {"NIRLORA_MEASURED": str(target), "NIRLORA_ROUNDS": str(rounds)}
        outcome = run_inside(qgis, ["measure_speed.py", "-x"], timeout_s=TIMEOUT_S, extra=variables)
        if outcome.code != 0:
            raise SystemExit(f"QGIS {qgis.version}: {outcome.log[-4000:]}")
        inside = json.loads(target.read_text())
    loads = {"before": load_before, "after": os.getloadavg()}
    return {"start": starts, **inside, "load_1_5_15_min": loads, "niceness": os.nice(0)}


def rows(found: dict[str, Any]) -> list[tuple[str, float, float, str, str]]:
    """(what, median, worst, unit, goal) of one QGIS."""
    pairs = list(zip(found["start"]["with"], found["start"]["without"], strict=True))
    added, used_more = ([a[key] - b[key] for a, b in pairs] for key in ("ready_s", "cpu_s"))
    own = [start["plugin_s"] for start in found["start"]["with"]]
    first, imports = found["cold_first_progress_s"], found["import_torch_timm_peft_s"]
    extra = [a - b for a, b in zip(first, imports, strict=True)]
    cold = _ratios(found["cold_click_to_layer_s"], found["command_line_s"])
    used = _ratios(found["cold_cpu_s"], found["command_line_cpu_s"])
    warm = _ratios(found["warm_click_to_layer_s"], found["command_line_own_s"])
    blocks = [*found["block_segment_ms"], *found["block_cold_ms"], *found["block_train_ms"]]
    return [
        _row("start of QGIS: the plugin's part", [1000 * s for s in own], "ms", "< 100"),
        _row("start of QGIS: with less without", [1000 * s for s in added], "ms", "< 100"),
        _row("the same, processor time", [1000 * s for s in used_more], "ms", ""),
        _row(
            "click to first progress, warm", [1000 * s for s in found["warm_first_progress_s"]], "ms", "< 300"
        ),
        _row("click to first progress, cold", first, "s", ""),
        _row("bare import of torch, timm, peft", imports, "s", ""),
        _row("first progress, cold, less that import", extra, "s", "0"),
        _row("click to layer / `nirlora segment`, both cold", cold, "", "<= 1.15"),
        _row("the same, warm / without its start", warm, "", "<= 1.15"),
        _row("the same, processor time, both cold", used, "", ""),
        _row("longest block of the event loop", blocks, "ms", "< 50"),
        _row("the same while nothing is asked", found["block_at_rest_ms"], "ms", ""),
        _row("backend gone after SIGKILL of QGIS", found["gone_after_kill_s"], "s", "< 2"),
    ]


def _ratios(one: list[float], other: list[float]) -> list[float]:
    """Of what was measured in the same round."""
    return [a / b for a, b in zip(one, other, strict=True)]


def _row(what: str, values: list[float], unit: str, goal: str) -> tuple[str, float, float, str, str]:
    return what, statistics.median(values), max(values), unit, goal


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--qgis", default="all", help="a version, such as 3.22, or all")
    options = parser.parse_args()
    if missing := what_is_missing():
        raise SystemExit(f"error: {missing}")
    chosen = [one for one in installations() if options.qgis in ("all", one.version)]
    found: dict[str, dict[str, Any]] = {}
    for qgis in chosen:
        found[qgis.version] = measure(qgis, options.rounds)
        save("qgis_speed", {"benchmark": "qgis_speed", "rounds": options.rounds, "qgis": found})
    table = []
    tables = {version: rows(one) for version, one in found.items()}
    for lines in zip(*tables.values(), strict=True):
        what, _, _, unit, goal = lines[0]
        cells = [f"{median:.3g} ({worst:.3g})" for _, median, worst, _, _ in lines]
        table.append([f"{what}, {unit}".rstrip(", "), *cells, goal])
    print_table(["median (worst)", *(f"QGIS {version}" for version in found), "goal"], table)


if __name__ == "__main__":
    main()
