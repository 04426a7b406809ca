"""Torch against ONNX Runtime: the forward passes of the same tiles, in one run.

    python tests/benchmarks/onnx_speed.py

Both engines get the same preloaded tiles, batches and threads, and take
turns, so that what else the machine does hits both alike; medians count. The ratio is torch's time over
ONNX Runtime's: above 1, the exported model is faster.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from machine import device_tag, print_table, save, wait_until_idle

from nirlora.bands import ChannelTransform, InputTransform
from nirlora.inference.engine import Engine
from nirlora.inference.onnx_engine import OnnxEngine, OnnxModel
from nirlora.inference.torch_engine import TorchEngine
from nirlora.models.config import ModelConfig
from nirlora.models.onnx_metadata import OnnxInfo
from nirlora.models.segmenter import build_segmenter
from nirlora.onnx_export.graph import write_onnx
from nirlora.onnx_export.parity import compare

CLASSES = 3
BAND = ChannelTransform("nir", "nir", 1, "", 1.0, 0.0, 0.0, 1.0, 0.0, 0.5, 1.0)


def seconds(engine: Engine, tiles: torch.Tensor) -> float:
    """Wall time of all tiles."""
    side = tiles.shape[-2], tiles.shape[-1]
    start = time.perf_counter()
    for first in range(0, len(tiles), engine.batch):
        engine.predict(tiles[first : first + engine.batch], side)
    if engine.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(case: str, options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """One backbone, head and tile: ``backbone,head,pixels``."""
    backbone, head, pixels = case.split(",")
    config = ModelConfig(backbone=backbone, head=head, pretrained=False, num_classes=CLASSES)
    model = build_segmenter(config).merge()
    side = max(1, round(int(pixels) / model.patch)) * model.patch
    path = folder / "m.onnx"
    start = time.perf_counter()
    write_onnx(model, InputTransform((BAND,)), side, {}, path)
    export_s = time.perf_counter() - start
    exported = OnnxEngine(OnnxModel(path, OnnxInfo(side, side), 1, CLASSES), options.device, options.batch)
    ours = TorchEngine(model, CLASSES, options.device, options.batch)
    generator = torch.Generator().manual_seed(0)
    tiles = torch.randn(options.tiles, 1, side, side, generator=generator).clamp_(-2.5, 2.5)
    found = compare(ours, exported, tiles)  # warms both up, too
    rounds = []
    for _ in range(options.rounds):
        if options.wait:
            wait_until_idle(options.wait)
        rounds.append((seconds(ours, tiles), seconds(exported, tiles)))
    torch_s, onnx_s = (statistics.median(times) for times in zip(*rounds, strict=True))
    return {
        "case": f"{backbone} {head} {side} px",
        "torch_ms_per_tile": 1e3 * torch_s / len(tiles),
        "onnx_ms_per_tile": 1e3 * onnx_s / len(tiles),
        "ratio": statistics.median(a / b for a, b in rounds),
        "max_difference": found.max_difference,
        "agreement": found.agreement,
        "export_s": export_s,
        "size_mb": path.stat().st_size / 1e6,
        "devices": [ours.device_name, exported.device_name],
        "warnings": exported.warnings,
        "rounds": rounds,
    }


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cases = ["galileo-nano:p8,detail,192", "galileo-nano,detail,96", "vit-tiny,detail,384"]
    cases += ["vit-base,detail,384", "dinov3-small,detail,384", "swin-tiny,aspp,384"]
    parser.add_argument("--cases", nargs="+", default=cases, metavar="BACKBONE,HEAD,PIXELS")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--tiles", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="of torch and ONNX Runtime; 0: torch's choice")
    parser.add_argument(
        "--wait", type=float, default=0, help="seconds to wait for an idle machine, each round"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for case in options.cases:
            results.append(measure(case, options, Path(folder)))
            print(f"{results[-1]['case']}: ratio {results[-1]['ratio']:.2f}", flush=True)
    print_table(
        ["network", "torch ms/tile", "ONNX ms/tile", "ratio", "max difference", "export s", "MB"],
        [
            [
                r["case"],
                f"{r['torch_ms_per_tile']:.1f}",
                f"{r['onnx_ms_per_tile']:.1f}",
                f"{r['ratio']:.2f}",
                f"{r['max_difference']:.1e}",
                f"{r['export_s']:.0f}",
                f"{r['size_mb']:.0f}",
            ]
            for r in results
        ],
    )
    settings = vars(options)
    save(
        f"onnx_speed_{device_tag(options.device)}",
        {"benchmark": "onnx_speed", "settings": settings, "cases": results},
    )


if __name__ == "__main__":
    main()
