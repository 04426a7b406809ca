"""What an adaptation would do, without doing it: counts, sizes, and honest estimates of time and memory."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from nirlora.adaptation.objective import Objective
from nirlora.adaptation.paths import output_paths
from nirlora.adaptation.record import count_parameters
from nirlora.adaptation.setup import Setup, assemble, prepare
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.backbones import build_backbone
from nirlora.protocol import AdaptRequest
from nirlora.training.cost import count_step
from nirlora.training.plan import BASE_MB, activation_bytes, step_seconds


def plan_adaptation(request: AdaptRequest) -> dict[str, Any]:
    """Look at the rasters, decide everything, and say what an adaptation would do. Reads no weights.

    Returns:
        JSON-ready: ``rasters``, ``valid_megapixels``, ``channels``, ``objective``, ``unfreeze``, sizes,
        ``steps``, parameter counts, ``estimated_seconds``, ``estimated_memory_mb`` (both estimates), ``out``,
        ``warnings``.

    Raises:
        NirLoraError: As an adaptation would.
    """
    device = resolve_device(request.device)
    paths = output_paths(request)
    setup = prepare(request)
    objective = _on_meta(setup)
    backbone, recipe = objective.backbone, setup.recipe
    counts = count_parameters(backbone)
    every = sum(p.numel() for p in objective.parameters() if p.requires_grad)
    with torch.device("meta"):
        cost = count_step(objective, lambda: objective(meta_batch(setup, backbone.patch), 0.5)["loss"])
    seconds = recipe.steps * request.accumulate * step_seconds(cost, device)[0]
    seconds = min(seconds, request.max_seconds or math.inf)
    weights = 4 * sum(p.numel() for p in objective.parameters()) + 12 * every
    return {
        "rasters": len(setup.data.coverage),
        "valid_megapixels": round(setup.data.valid_px / 1e6, 3),
        "channels": list(setup.data.transform.names),
        "resolution_m": setup.data.transform.resolution_m,
        "backbone": setup.backbone,
        "start": setup.source or ("hub" if setup.pretrained else "random weights"),
        "objective": request.objective,
        "unfreeze": setup.options.unfreeze,
        "patch_embedding": "train" if setup.options.patch_embedding else "freeze",
        "chip_px": recipe.chip_px,
        "input_px": recipe.input_px,
        "zoom": recipe.zoom,
        "batch": request.batch * request.accumulate,
        "steps": recipe.steps,
        "passes": round(
            recipe.steps * request.batch * request.accumulate * recipe.chip_px**2 / setup.data.valid_px, 1
        ),
        "learning_rate": recipe.rate,
        "trainable_parameters": counts["trainable"],
        "head_parameters": every - counts["trainable"],
        "total_parameters": counts["total"],
        "estimated_seconds": round(seconds, 1),
        "estimated_memory_mb": round((weights + activation_bytes(cost, device)) / 2**20 + BASE_MB),
        "device": describe_device(device),
        "out": str(paths.backbone),
        "warnings": list(setup.warnings),
    }


def _on_meta(setup: Setup) -> Objective:
    """The network without memory or weights."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone = build_backbone(setup.backbone)
        backbone.set_channels(setup.known.roles)
        return assemble(setup, backbone)


def meta_batch(setup: Setup, patch: int) -> dict[str, Tensor]:
    """A batch of the sizes that the objective will get; make it on the meta device."""
    request, recipe = setup.request, setup.recipe
    n, channels = request.batch, len(setup.data.transform.channels)
    length = (recipe.input_px // patch) ** 2
    if request.objective == "mae":
        kept = max(1, int(length * (1 - request.mask_ratio)))
        return {
            "images": torch.empty(n, channels, recipe.input_px, recipe.input_px),
            "keep": torch.empty(n, kept, dtype=torch.int64),
            "target": torch.empty(n, length, dtype=torch.bool),
        }
    hidden = int(2 * n * length * 0.5 * 0.3)  # half of the views, from a tenth to a half of each
    return {
        "globals": torch.empty(2 * n, channels, recipe.input_px, recipe.input_px),
        "locals": torch.empty(request.local_crops * n, channels, recipe.local_px, recipe.local_px),
        "masked": torch.empty(2 * n, length, dtype=torch.bool),
        "masked_at": torch.empty(hidden, dtype=torch.int64),
        "weights": torch.empty(hidden),
    }
