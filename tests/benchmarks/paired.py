"""Whether one method is better than another on the same splits: the runs of accuracy.py, pair by pair.

    python tests/benchmarks/paired.py LoRA frozen

A pair is one set and seed, whose split, labels and chips both methods had. Tests are one-sided: t test of the
differences, and Wilcoxon's signed ranks, which needs no normal distribution.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy import stats

RUNS = Path(__file__).resolve().parent / "results" / "accuracy_runs.jsonl"


def main() -> None:
    """Print the differences and how likely they are by chance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("better")
    parser.add_argument("worse")
    parser.add_argument("--runs", type=Path, default=RUNS)
    options = parser.parse_args()
    scores: dict[str, dict[tuple[str, int], float]] = {options.better: {}, options.worse: {}}
    for line in options.runs.read_text().splitlines():
        run = json.loads(line)
        if run["method"] in scores:
            scores[run["method"]][run["set"], run["seed"]] = run["miou"]
    first, second = scores.values()
    gains = {pair: first[pair] - second[pair] for pair in sorted(first) if pair in second}
    if len(gains) < 2:
        raise SystemExit(
            f"error: fewer than two pairs of {options.better!r} and {options.worse!r} in {options.runs}"
        )
    for (name, seed), gain in gains.items():
        print(f"{name}, seed {seed}: {gain:+.3f}")
    values = np.array(list(gains.values()))
    by_t = stats.ttest_1samp(values, 0.0, alternative="greater").pvalue
    by_ranks = stats.wilcoxon(values, alternative="greater").pvalue
    print(f"mean {values.mean():+.3f}, better in {np.sum(values > 0)} of {len(values)}")
    print(f"p = {by_t:.3f} (t test), {by_ranks:.3f} (Wilcoxon)")


if __name__ == "__main__":
    main()
