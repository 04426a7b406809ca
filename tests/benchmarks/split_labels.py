"""A data set's split as label rasters and as arguments, for ``nirlora compare``.

    python tests/benchmarks/split_labels.py --set orchard --seed 0 --out split
    nirlora compare $(cat split/arguments.txt) --adapters all --out comparison

Writes the labels of the training and the test rasters below the folder, and the ``--layer``, ``--labels``,
``--test-layer`` and ``--test-labels`` that name them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from splits import elkton, orchard, urban_trees, yellowstone

SETS = {"orchard": orchard, "urban_trees": urban_trees, "elkton": elkton, "yellowstone": yellowstone}


def main() -> None:
    """Write the labels and the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--set", choices=SETS, default="orchard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    split = SETS[options.set](options.data.resolve(), options.out.resolve(), options.seed)
    words = []
    for prefix, rasters in (("", split.train), ("test-", split.test)):
        for raster in rasters:
            words += [f"--{prefix}layer {raster.image}", f"--{prefix}labels {raster.labels}"]
    (options.out / "arguments.txt").write_text("\n".join(words) + "\n")


if __name__ == "__main__":
    main()
