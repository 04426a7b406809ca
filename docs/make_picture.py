"""Draw docs/orchard.png: a drone NIR band, the squares that were labelled, and the map.

python docs/make_picture.py --data ../shared/data --steps 1000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from splits import orchard  # noqa: E402

import nirlora  # noqa: E402
from nirlora.protocol import EvaluateRequest, LayerRef, SegmentRequest, TrainRequest  # noqa: E402
from nirlora.raster.source import open_raster  # noqa: E402

COLORS = ("#d8cfc0", "#4f9d3a", "#14532d", "#e4572e")


def main() -> None:
    """Train, segment, score, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        split = orchard(options.data, Path(folder), seed=0)
        train, test = split.train[0], split.test[0]
        trained = nirlora.train(
            TrainRequest(
                layers=(LayerRef(str(train.image), str(train.labels)),),
                out=f"{folder}/orchard.nirlora",
                classes=split.classes,
                epochs=1,
                steps_per_epoch=options.steps,
                val_fraction=0.0,
                report=False,
            )
        )
        drawn = nirlora.segment(
            SegmentRequest(LayerRef(str(test.image)), trained.model, out=f"{folder}/map.tif")
        )
        scores = nirlora.evaluate(EvaluateRequest(LayerRef(str(test.image), str(test.labels)), trained.model))
        nir, squares, result = _band(test.image, 4), _band(train.labels, 1), _band(Path(drawn.map), 1)
    draw(nir, squares, result, split.classes, scores.metrics["miou"])


def draw(
    nir: np.ndarray, squares: np.ndarray, result: np.ndarray, names: tuple[str, ...], miou: float
) -> None:
    """Three panels side by side, written to docs/orchard.png."""
    figure = Figure(figsize=(13, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    grey = np.clip(nir / np.percentile(nir[nir > 0], 99), 0, 1)
    colors = ListedColormap(COLORS)
    labelled = np.ma.masked_equal(squares, 255)
    share = 100 * (~labelled.mask).mean()
    titles = (
        "near-infrared band",
        f"labelled: {share:.1f} % of the pixels",
        f"map (test half: mIoU {miou:.2f})",
    )
    for axes, title in zip(figure.subplots(1, 3), titles, strict=True):
        axes.imshow(grey, cmap="gray", interpolation="none")
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    figure.axes[1].imshow(labelled, cmap=colors, vmin=0, vmax=3, interpolation="none")
    figure.axes[2].imshow(np.ma.masked_equal(result, 255), cmap=colors, vmin=0, vmax=3, interpolation="none")
    legend = [Patch(facecolor=c, edgecolor="#555555", label=n) for c, n in zip(COLORS, names, strict=True)]
    figure.legend(handles=legend, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(Path(__file__).with_name("orchard.png"), dpi=110)


def _band(path: Path, band: int) -> np.ndarray:
    with open_raster(str(path)) as source:
        return source.read(source.window, [band])[0][0]


if __name__ == "__main__":
    main()
