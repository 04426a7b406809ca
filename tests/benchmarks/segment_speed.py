"""Segmenting a raster end to end, against the forward passes of the same tiles alone.

    python tests/benchmarks/segment_speed.py

End to end is everything from opening the raster to the finished Cloud Optimized GeoTIFF (reading, scaling,
blending, classes, areas, compression, overviews, style), with the model already loaded. The forward passes
take the same tiles, preloaded, in the same batches. Both are run in turn, several times; medians count.
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
from machine import device_tag, print_table, save

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


def end_to_end(
    path: Path, out: Path, transform: InputTransform, engine: TorchEngine, tile: int
) -> tuple[float, int]:
    """Seconds and number of tiles."""
    start = time.perf_counter()
    with open_raster(path) as source:
        area = AreaModel(source.transform, source.crs, source.width, source.height)
        options = PredictOptions(tile, tile // 4, patch_px=16, pixel_area_m2=area.pixel_area_m2)
        with MapWriter(MapOutputs(out), source, CLASSES) as writer:
            stats = predict_map(ChannelReader(source, transform), engine, writer, options)
            writer.finalise()
    return time.perf_counter() - start, stats.tiles


def load_tiles(path: Path, transform: InputTransform, tile: int) -> list[torch.Tensor]:
    """All tiles as model input."""
    with open_raster(path) as source:
        grid = PredictOptions(tile, tile // 4, patch_px=16).grid(source.width, source.height)
        reader = ChannelReader(source, transform)
        return [torch.from_numpy(reader.read(window)[0]) for window in grid]


def forward_passes(tiles: list[torch.Tensor], engine: TorchEngine) -> float:
    """Seconds for the model alone."""
    start = time.perf_counter()
    for first in range(0, len(tiles), engine.batch):
        batch = torch.stack(tiles[first : first + engine.batch])
        engine.predict(batch, tuple(batch.shape[-2:]))
    if engine.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


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
    options = parser.parse_args()
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
        pairs = []
        for _ in range(options.rounds):
            forward = forward_passes(tiles, engine)
            whole, count = end_to_end(path, Path(folder) / "map.tif", transform, engine, options.tile)
            pairs.append((forward, whole))
            print(
                f"forward {forward:.2f} s, end to end {whole:.2f} s, ratio {whole / forward:.3f}", flush=True
            )
    forward, whole = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = statistics.median(w / f for f, w in pairs)
    rate = options.side**2 / whole
    print_table(
        ["tiles", "forward s", "end to end s", "px/s", "ratio", "goal"],
        [[count, f"{forward:.2f}", f"{whole:.2f}", f"{rate:,.0f}", f"{ratio:.3f}", f"<= {GOAL:.2f}"]],
    )
    result = {
        "benchmark": "segment_speed",
        "settings": vars(options) | {"batch": engine.batch, "device": engine.device_name, "tiles": count},
        "forward_s": forward,
        "end_to_end_s": whole,
        "px_per_s": rate,
        "ratio": ratio,
        "goal": GOAL,
        "rounds": [{"forward_s": f, "end_to_end_s": w} for f, w in pairs],
    }
    save(f"segment_speed_{device_tag(str(engine.device))}", result)


if __name__ == "__main__":
    main()
