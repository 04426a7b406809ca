"""Segmenting a raster end to end, against the forward passes of the same tiles alone.

    python tests/benchmarks/segment_speed.py

End to end is everything from opening the raster to the finished Cloud Optimized GeoTIFF (reading, scaling,
blending, classes, areas, compression, overviews, style), with the model already loaded. The forward passes
take the same tiles, preloaded, in the same batches. Both are run in turn, several times; medians count.
On a busy machine the ratio of CPU time (one thread) says more than that of wall time, and
``--wait 60`` waits for it to fall idle before each round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from machine import device_tag, print_table, save, wait_until_idle

from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.inference.options import PredictOptions
from nirlora.inference.predict import predict_map
from nirlora.inference.torch_engine import TorchEngine
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.protocol import ClassInfo
from nirlora.raster.source import open_raster
from nirlora.raster.writer import MapOutputs, MapWriter
from nirlora.vector.area import AreaModel

GOAL = 1.10
CLASSES = [
    ClassInfo(i, n, c) for i, (n, c) in enumerate({"a": "#00aa00", "b": "#aa0000", "c": "#0000aa"}.items())
]


class Clock:
    """Seconds that a ``with`` block takes: ``wall``, and ``cpu`` of all threads of this process."""

    def __enter__(self) -> Clock:
        self.wall, self.cpu = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()

    def __str__(self) -> str:
        return f"{self.wall:.2f} s (CPU {self.cpu:.2f} s)"


def make_field(path: Path, side: int) -> Path:
    """A uint16 NIR band of smooth patches with noise: compresses as real rasters do, about 1.5 to 1."""
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint16", "nodata": 0}
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "predictor": 2}
    grid = {"crs": "EPSG:32633", "transform": Affine(0.1, 0, 500000, 0, -0.1, 4000000)}
    with rasterio.open(path, "w", **profile, **layout, **grid) as file:
        file.set_band_description(1, "NIR")
        for row in range(0, side, 256):
            rows, cols = np.mgrid[row : row + 256, 0:side]
            smooth = 4000 + 1500 * np.sin(rows / 90) * np.cos(cols / 130)
            block = (smooth + rng.normal(0, 120, rows.shape)).clip(1, 65535).astype(np.uint16)
            height = min(256, side - row)
            file.write(block[:height], 1, window=((row, row + height), (0, side)))
    return path


def end_to_end(path: Path, out: Path, transform: InputTransform, engine: TorchEngine, tile: int) -> int:
    """Segment the raster; return the number of tiles."""
    with open_raster(path) as source:
        area = AreaModel(source.transform, source.crs, source.width, source.height)
        options = PredictOptions(tile, tile // 4, patch_px=16, pixel_area_m2=area.pixel_area_m2)
        with MapWriter(MapOutputs(out), source, CLASSES) as writer:
            stats = predict_map(ChannelReader(source, transform), engine, writer, options)
            writer.finalise()
    return stats.tiles


def load_tiles(path: Path, transform: InputTransform, tile: int) -> list[torch.Tensor]:
    """All tiles as model input."""
    with open_raster(path) as source:
        grid = PredictOptions(tile, tile // 4, patch_px=16).grid(source.width, source.height)
        reader = ChannelReader(source, transform)
        return [torch.from_numpy(reader.read(window)[0]) for window in grid]


def forward_passes(tiles: list[torch.Tensor], engine: TorchEngine) -> None:
    """The model alone."""
    for first in range(0, len(tiles), engine.batch):
        batch = torch.stack(tiles[first : first + engine.batch])
        engine.predict(batch, tuple(batch.shape[-2:]))
    if engine.device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--backbone", default="vit-tiny")
    parser.add_argument("--head", default="linear")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its own choice")
    parser.add_argument(
        "--wait", type=float, default=0, help="seconds to wait for an idle processor, each round"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    config = ModelConfig(
        backbone=options.backbone, pretrained=False, head=options.head, num_classes=len(CLASSES)
    )
    engine = TorchEngine(build_segmenter(config), len(CLASSES), options.device, options.batch)
    with tempfile.TemporaryDirectory() as folder:
        path = make_field(Path(folder) / "field.tif", options.side)
        with open_raster(path) as source:
            transform = fit_transform([source], "nir").with_normalisation([0.5], [0.5])
        tiles = load_tiles(path, transform, options.tile)
        forward_passes(tiles[: 2 * engine.batch], engine)
        rounds = []
        for _ in range(options.rounds):
            if options.wait:
                wait_until_idle(options.wait)
            with Clock() as forward:
                forward_passes(tiles, engine)
            with Clock() as whole:
                count = end_to_end(path, Path(folder) / "map.tif", transform, engine, options.tile)
            rounds.append((forward, whole))
            print(f"forward {forward}, end to end {whole}, ratio {whole.wall / forward.wall:.3f}", flush=True)
    ratio = statistics.median(w.wall / f.wall for f, w in rounds)
    cpu_ratio = statistics.median(w.cpu / f.cpu for f, w in rounds)
    forward_s, whole_s = (statistics.median(c.wall for c in clocks) for clocks in zip(*rounds, strict=True))
    rate = options.side**2 / whole_s
    print_table(
        ["tiles", "forward s", "end to end s", "px/s", "ratio", "goal", "ratio of CPU time"],
        [
            [count, f"{forward_s:.2f}", f"{whole_s:.2f}", f"{rate:,.0f}", f"{ratio:.3f}", f"<= {GOAL:.2f}",
             f"{cpu_ratio:.3f}"]
        ],
    )  # fmt: skip
    result = {
        "benchmark": "segment_speed",
        "settings": vars(options) | {"batch": engine.batch, "device": engine.device_name, "tiles": count},
        "forward_s": forward_s,
        "end_to_end_s": whole_s,
        "px_per_s": rate,
        "ratio": ratio,
        "ratio_of_fastest": min(w.wall for _, w in rounds) / min(f.wall for f, _ in rounds),
        "ratio_of_cpu_time": cpu_ratio,
        "goal": GOAL,
        "rounds": [{"forward": vars(f), "end_to_end": vars(w)} for f, w in rounds],
    }
    save(f"segment_speed_{device_tag(str(engine.device))}", result)


if __name__ == "__main__":
    main()
