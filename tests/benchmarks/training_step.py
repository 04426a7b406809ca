"""A training step in the product's loop against the same step in a bare loop with preloaded chips.

    python tests/benchmarks/training_step.py

LoRA on ViT-Ti at 224 px, batch 8, chips drawn from a 2048 x 2048 deflated uint16 raster with 200 polygons.
The two loops take turns in one process; goal: median ratio at most 1.10. What the loop adds is drawing the
chips, moving them, the schedule and the progress callback.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from machine import device_tag, print_table, save

from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.segmenter import build_segmenter
from nirlora.protocol import LayerRef, TrainRequest
from nirlora.training.checkpoint import TrainState
from nirlora.training.chips import ChipSampler
from nirlora.training.config import make_recipe
from nirlora.training.loop import LoopConfig, fit, make_optimizer, training_step
from nirlora.training.run import chip_spec, make_accelerator, prepare

SIDE = 2048
GOAL = 1.10


def make_job(folder: Path) -> TrainRequest:
    """A raster with texture and 200 polygons of four classes."""
    rng = np.random.default_rng(0)
    data = rng.integers(500, 6000, (1, SIDE, SIDE)).astype("uint16")
    raster = make_raster(
        folder / "field.tif",
        data,
        descriptions=("NIR",),
        compress="deflate",
        tiled=True,
        blockxsize=512,
        blockysize=512,
    )
    boxes = [
        (pixel_box(grid_transform(), c, r, 40, 40), {"class": f"class {i % 4}"})
        for i, (c, r) in enumerate(rng.integers(0, SIDE - 50, (200, 2)).tolist())
    ]
    labels = make_polygons(folder / "field.gpkg", boxes)
    return TrainRequest(
        layers=(LayerRef(str(raster), str(labels)),),
        backbone="vit-tiny",
        pretrained=False,
        zoom=1.0,
        chip_px=224,
    )


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="of each loop in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        setup = prepare(make_job(Path(folder)), stack)
        model = build_segmenter(setup.config)
        recipe = make_recipe(setup.request, model.patch, model.backbone.dim, model.backbone.stride)
        spec = chip_spec(setup, recipe)
        layers = setup.data.layers(setup.readers, held_out=False)
        sampler = ChipSampler(layers, spec, len(setup.data.classes))
        config = LoopConfig(1, options.steps + 1, 1e-3, 1e-3)
        preloaded = [sampler.batch(s) for s in range(options.steps + 1)]
        accelerator = make_accelerator(device)
        net, optimizer = accelerator.prepare(model, make_optimizer(model, config))
        net.train()

        def bare() -> float:
            training_step(net, optimizer, accelerator, *preloaded[0], config)  # warms up
            _wait(device)
            started = time.perf_counter()
            for chips in preloaded[1:]:
                training_step(net, optimizer, accelerator, *chips, config)
            _wait(device)
            return (time.perf_counter() - started) / options.steps

        def product() -> float:
            marks: list[float] = []
            fit(
                model,
                sampler,
                [],
                config,
                accelerator,
                TrainState(),
                lambda _: marks.append(time.perf_counter()),
            )
            return (marks[-1] - marks[0]) / options.steps

        bare(), product()
        times = [(product(), bare()) for _ in range(options.rounds)]
    ratio = float(np.median([p / b for p, b in times]))
    whole, bare_s = (float(np.median(values)) for values in zip(*times, strict=True))
    print_table(
        ["device", "product s/step", "bare s/step", "ratio", "goal"],
        [[describe_device(device), f"{whole:.3f}", f"{bare_s:.3f}", f"{ratio:.3f}", f"<= {GOAL:.2f}"]],
    )
    result = {
        "benchmark": "training_step",
        "settings": vars(options),
        "product_s": whole,
        "bare_s": bare_s,
        "ratio": ratio,
        "goal": GOAL,
        "rounds": [{"product_s": p, "bare_s": b} for p, b in times],
    }
    save(f"training_step_{device_tag(str(device))}", result)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
