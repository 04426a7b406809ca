"""The orchard's split as two label rasters, for ``nirlora compare``.

    python tests/benchmarks/orchard_labels.py --seed 0 --out orchard_split

Writes ``train.tif`` (5 % of one half of the blocks, as 32 px squares) and ``test.tif`` (the other half).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from splits import orchard


def main() -> None:
    """Draw the squares and write both rasters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out) as work:
        split = orchard(options.data, Path(work), options.seed)
        for raster in (*split.train, *split.test):
            print(raster.labels.rename(options.out / raster.labels.name))


if __name__ == "__main__":
    main()
