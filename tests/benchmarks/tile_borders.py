"""How much of a map depends on where its tiles lie, and what more overlap or larger tiles are worth.

    python tests/benchmarks/tile_borders.py --data ../shared/data --seeds 0,1,2

LoRA on the near-infrared band of the RedEdge frame, with many and with few training squares. The same model
then draws maps with other tiles. *mIoU* is that of the half of the frame that was not trained on; *moved*
the share of pixels whose class changes when the raster begins 77 px further down and right, so that all
tiles lie elsewhere: 0 for a map without any trace of its tiles. Finished runs are kept and not repeated.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).resolve().parent))

from accuracy import score
from machine import describe_machine, print_table
from splits import SplitSet, orchard

import nirlora
from nirlora.metrics import summarise
from nirlora.protocol import LayerRef, SegmentRequest, TrainRequest
from nirlora.raster.source import open_raster

SHIFT_PX = 77
BACKBONE = "nirlora-tiny"
SHARES = {"many squares": 0.05, "few squares": 0.01}
TILES = {  # side and least overlap, raster pixels; training chips have 192
    "192 px, an eighth": (192, 24),
    "192 px, a quarter (default)": (192, 48),
    "192 px, half": (192, 96),
    "192 px, three quarters": (192, 144),
    "384 px, a quarter": (384, 96),
}
RESULTS = Path(__file__).resolve().parent / "results"


def train(split: SplitSet, out: Path, steps: int, seed: int) -> str:
    """A model of the near-infrared band; its path."""
    request = TrainRequest(
        layers=tuple(LayerRef(str(r.image), str(r.labels)) for r in split.train),
        out=str(out),
        classes=split.classes,
        bands="nir",
        backbone=BACKBONE,
        epochs=1,
        steps_per_epoch=steps,
        val_fraction=0.0,
        seed=seed,
        device="cpu",
        report=False,
    )
    return nirlora.train(request).model


def shifted(image: Path, out: Path) -> Path:
    """The raster without its first rows and columns."""
    with rasterio.open(image) as file:
        window = Window(SHIFT_PX, SHIFT_PX, file.width - SHIFT_PX, file.height - SHIFT_PX)
        kept = ("crs", "dtype", "count", "nodata", "driver")
        profile = {k: file.profile[k] for k in kept} | {"width": window.width, "height": window.height}
        with rasterio.open(out, "w", **profile, transform=file.window_transform(window)) as cut:
            cut.write(file.read(window=window))
            cut.descriptions = file.descriptions
            cut.update_tags(**file.tags())
    return out


def draw(image: Path, model: str, folder: Path, tiles: tuple[int, int]) -> tuple[np.ndarray, float]:
    """The map, and the processor time that it took."""
    began = time.process_time()
    request = SegmentRequest(
        layer=LayerRef(str(image)),
        model=model,
        out=str(folder / "map.tif"),
        tile_px=tiles[0],
        overlap_px=tiles[1],
        device="cpu",
        allow_mismatch=True,
    )
    result = nirlora.segment(request)
    seconds = time.process_time() - began
    with open_raster(result.map) as drawn:
        return drawn.read(drawn.window, [1])[0][0], seconds


def measure(share: float, seed: int, options: argparse.Namespace) -> list[dict[str, object]]:
    """One record for each way to tile, all of one model."""
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split = orchard(options.data, folder, seed, share)
        test = split.test[0]
        moved_image = shifted(test.image, folder / "shifted.tif")
        with rasterio.open(split.train[0].labels) as file:
            labelled = int((file.read(1) != 255).sum())
        model = train(split, folder / "m.nirlora", options.steps, seed)
        for title, tiles in TILES.items():
            whole, seconds = draw(test.image, model, folder, tiles)
            other, _ = draw(moved_image, model, folder, tiles)
            kept = whole[SHIFT_PX:, SHIFT_PX:]
            valid = (kept != 255) & (other != 255)
            miou = summarise(score(test, split, whole), split.classes)["miou"]
            found.append(
                {
                    "labelled_px": labelled,
                    "tiles": title,
                    "miou": round(miou, 4),
                    "moved": round(float((kept != other)[valid].mean()), 4),
                    "seconds": round(seconds, 1),
                }
            )
    return found


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    log = RESULTS / "tile_borders_runs.jsonl"
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for seed in seeds:
        for title, share in SHARES.items():
            key = {"squares": title, "seed": seed, "steps": options.steps}
            if any(all(run[k] == v for k, v in key.items()) for run in runs):
                continue
            machine = describe_machine()["cpu"]
            new = [key | record | {"cpu": machine} for record in measure(share, seed, options)]
            runs += new
            with log.open("a") as file:
                file.writelines(json.dumps(record) + "\n" for record in new)
    rows = []
    for title in SHARES:
        base = _of(runs, title, "192 px, a quarter (default)", seeds, options.steps)
        for tiles in TILES:
            of = _of(runs, title, tiles, seeds, options.steps)
            miou, moved, seconds = (np.array([r[k] for r in of]) for k in ("miou", "moved", "seconds"))
            time_ratio = float(np.mean(seconds / [r["seconds"] for r in base]))
            spread = f"{miou.mean():.3f} ± {miou.std():.3f}"
            rows.append(
                [title, tiles, spread, f"{moved.mean():.3f} ± {moved.std():.3f}", f"{time_ratio:.2f}"]
            )
    print_table(["trained on", "tiles, overlap", "mIoU", "moved", "time"], rows)


def _of(runs: list[dict], squares: str, tiles: str, seeds: list[int], steps: int) -> list[dict]:
    """Records of one row, in the order of the seeds."""
    return [
        next(
            r for r in runs if (r["squares"], r["tiles"], r["seed"], r["steps"]) == (squares, tiles, s, steps)
        )
        for s in seeds
    ]


if __name__ == "__main__":
    main()
