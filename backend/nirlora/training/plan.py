"""What a training would do, without doing it: counts, sizes, and honest estimates of time and memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch.nn import functional

from nirlora.inference.devices import describe_device, has_bf16_units, resolve_device
from nirlora.models.backbones import build_backbone
from nirlora.models.segmenter import parameter_counts
from nirlora.protocol import TrainRequest, to_dict
from nirlora.training.config import Recipe, recipe_of, steps_per_epoch
from nirlora.training.cost import StepCost, step_cost
from nirlora.training.paths import output_paths
from nirlora.training.run import Setup, chip_spec, prepare
from nirlora.training.validation import held_out_windows

# Fitted to trainings of six networks on a CPU; tests/benchmarks/estimate.py says how far off they are.
_OVERHEAD = 1.2  # time of a network's arithmetic over that of one matrix product with as many operations
_PASSES = 25  # passes over what is kept for backward, at the speed of an activation function
_TEMPORARY = 1.6  # activations, what passes by and what the allocator cannot reuse, over what is kept
BASE_MB = 100  # libraries, buffers and threads of a training, whatever its size


def plan(request: TrainRequest) -> dict[str, Any]:
    """Open the data, decide everything, and say what a training would do. Reads no weights.

    Returns:
        JSON-ready: ``layers``, ``classes`` (value, name, color, polygons and pixels in train and val),
        ``channels``, ``chip_px``, ``input_px``, ``chips_per_epoch``, ``steps``, parameter counts,
        ``estimated_seconds``, ``estimated_memory_mb`` (both estimates), ``device``, ``out``, ``warnings``.

    Raises:
        NirLoraError: As training would.
    """
    device = resolve_device(request.device)
    paths = output_paths(request)
    with ExitStack() as stack:
        setup = prepare(request, stack)
        with torch.device("meta"):
            backbone = build_backbone(setup.config.backbone)
        recipe = recipe_of(setup.request, backbone)
        counts = parameter_counts(setup.config)
        steps = setup.request.epochs * steps_per_epoch(
            setup.request, setup.data.labelled_px(), recipe.chip_px
        )
        cost = step_cost(
            setup.config, setup.request.batch, recipe.input_px, recipe.chip_px, recipe.dice_weight
        )
        seconds = _seconds(setup, recipe, cost, steps, device)
        if setup.request.max_seconds:
            seconds = min(seconds, setup.request.max_seconds)
        return {
            "layers": [
                {"path": s.path, "labels": p}
                for s, p in zip(setup.data.sources, setup.data.label_paths, strict=True)
            ],
            "classes": _classes(setup),
            "channels": [c.name for c in setup.transform.channels],
            "backbone": setup.config.backbone,
            "adapter": setup.config.adapter,
            "head": setup.config.head,
            "chip_px": recipe.chip_px,
            "input_px": recipe.input_px,
            "zoom": recipe.zoom,
            "chips_per_epoch": steps // setup.request.epochs * setup.request.batch,
            "steps": steps,
            "adapter_parameters": counts["adapter"],
            "head_parameters": counts["head"],
            "trainable_parameters": counts["trainable"],
            "total_parameters": counts["total"],
            "estimated_seconds": round(seconds, 1),
            "estimated_memory_mb": round(_memory_mb(setup, recipe, counts, cost, device)),
            "device": describe_device(device),
            "out": str(paths.model),
            "warnings": list(setup.data.warnings),
        }


def _classes(setup: Setup) -> list[dict[str, Any]]:
    return [
        {
            **to_dict(info),
            "train_polygons": count.train_items,
            "train_pixels": count.train_pixels,
            "val_polygons": count.val_items,
            "val_pixels": count.val_pixels,
        }
        for info, count in zip(setup.data.classes, setup.data.split.counts, strict=True)
    ]


def _seconds(setup: Setup, recipe: Recipe, cost: StepCost, steps: int, device: torch.device) -> float:
    step, look = step_seconds(cost, device)
    batches = -(-_held_out_chips(setup, recipe) // setup.request.batch)
    return steps * step + (setup.request.epochs + 1) * batches * look


def step_seconds(cost: StepCost, device: torch.device) -> tuple[float, float]:
    """Of a step, and of its forward pass alone.

    Arithmetic at the speed of a matrix product, and passes over memory at the speed of an activation.
    """
    rate, bandwidth = flops(device) / _OVERHEAD, memory_bytes(device)
    step = (cost.forward_flops + cost.backward_flops) / rate + _PASSES * cost.saved_bytes / bandwidth
    return step, cost.forward_flops / rate + _PASSES / 3 * cost.saved_bytes / bandwidth


def _held_out_chips(setup: Setup, recipe: Recipe) -> int:
    return len(held_out_windows(setup.data.layers(setup.readers, held_out=True), chip_spec(setup, recipe)))


def flops(device: torch.device) -> float:
    """Floating-point operations a second of a matrix product, measured now."""
    side = 4096 if device.type == "cuda" else 512  # long beside a launch, short beside a slice of time
    a = torch.randn(side, side, device=device, dtype=_dtype(device))
    return 2 * side**3 / _best_seconds(lambda: a @ a)


def memory_bytes(device: torch.device) -> float:
    """Bytes a second, read and written, of an activation function, measured now."""
    side = 8192 if device.type == "cuda" else 2048
    a = torch.randn(side, side, device=device, dtype=_dtype(device))
    return 2 * a.nbytes / _best_seconds(lambda: functional.gelu(a))


def _dtype(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if has_bf16_units(device) else torch.float32


def _best_seconds(work: Callable[[], torch.Tensor], budget_s: float = 0.3) -> float:
    """Of the fastest of many short runs: other programs may have had the processor during the others."""
    end, best = time.perf_counter() + budget_s, math.inf
    while (start := time.perf_counter()) < end or math.isinf(best):
        float(work()[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - start)
    return best


def _memory_mb(
    setup: Setup, recipe: Recipe, counts: dict[str, int], cost: StepCost, device: torch.device
) -> float:
    """Weights, gradients, Adam's two moments, the best weights so far, activations, chips waiting."""
    weights = 4 * counts["total"] + 16 * counts["trainable"]
    waiting = _held_out_chips(setup, recipe) + 4 * setup.request.batch
    chips = waiting * 4 * setup.config.num_channels * recipe.input_px**2
    return (weights + activation_bytes(cost, device) + chips) / 2**20 + BASE_MB


def activation_bytes(cost: StepCost, device: torch.device) -> float:
    """What a step holds beside weights and their moments."""
    return cost.saved_bytes * (0.6 if has_bf16_units(device) else 1.0) * _TEMPORARY
