"""What a training would do, without doing it: counts, sizes, and honest estimates of time and memory."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import torch

from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.backbones import build_backbone
from nirlora.models.segmenter import parameter_counts
from nirlora.protocol import TrainRequest, to_dict
from nirlora.training.config import Recipe, make_recipe, steps_per_epoch
from nirlora.training.paths import output_paths
from nirlora.training.run import Setup, prepare

# Bytes of activations kept for backward per token and width of a transformer block (float32, fused
# attention), and per pixel of the detail head; measured orders of magnitude, not bounds.
_BYTES_PER_TOKEN_WIDTH = 4 * 16
_BYTES_PER_PIXEL = 4 * 220


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
        recipe = make_recipe(setup.request, backbone.patch, backbone.dim, backbone.stride)
        counts = parameter_counts(setup.config)
        steps = setup.request.epochs * steps_per_epoch(
            setup.request, setup.data.labelled_px(), recipe.chip_px
        )
        weights = counts["total"] - counts["head"]
        seconds = steps * _step_seconds(setup, recipe, weights, backbone.stride, device)
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
            "estimated_memory_mb": round(_memory_mb(setup, recipe, counts, backbone)),
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


def _step_seconds(setup: Setup, recipe: Recipe, weights: int, stride: int, device: torch.device) -> float:
    """Multiply-adds of a step over the measured speed of a matrix product, at half its efficiency."""
    tokens = (recipe.input_px // stride) ** 2 * setup.request.batch
    passes = {"frozen": 1.0, "lora": 2.2, "full": 3.0}.get(setup.request.adapter, 2.5)
    head = recipe.input_px**2 * setup.request.batch * 60_000 * 3
    return (2 * weights * tokens * passes + head) / (0.5 * flops(device))


def flops(device: torch.device, side: int = 768, repeats: int = 4) -> float:
    """Floating-point operations a second of a matrix product, measured now."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a = torch.randn(side, side, device=device, dtype=dtype)
    float((a @ a)[0, 0])
    start = time.perf_counter()
    for _ in range(repeats):
        b = a @ a
    float(b[0, 0])
    return repeats * 2 * side**3 / (time.perf_counter() - start)


def _memory_mb(setup: Setup, recipe: Recipe, counts: dict[str, int], backbone: Any) -> float:
    tokens = (recipe.input_px // backbone.stride) ** 2 * setup.request.batch
    blocks = max(1, len(backbone.attentions()))
    activations = 0.0
    if setup.request.adapter != "frozen":
        activations = tokens * backbone.dim * blocks * _BYTES_PER_TOKEN_WIDTH
    head = recipe.input_px**2 * setup.request.batch * _BYTES_PER_PIXEL
    return (4 * counts["total"] + 12 * counts["trainable"] + activations + head) / 2**20
