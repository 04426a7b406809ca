"""What an adaptation would do, without doing it: counts, sizes, and honest estimates of time and memory."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch

from nirlora.adaptation.objective import Objective
from nirlora.adaptation.paths import output_paths
from nirlora.adaptation.record import count_parameters
from nirlora.adaptation.setup import Setup, assemble, prepare
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.backbones import build_backbone
from nirlora.protocol import AdaptRequest
from nirlora.training.plan import flops

_BYTES_PER_TOKEN_WIDTH = 4 * 16  # as in training: of activations kept for backward, an order of magnitude


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
    tokens = _tokens(setup, backbone.patch)
    seconds = recipe.steps * request.accumulate * 6 * counts["total"] * tokens / (0.5 * flops(device))
    seconds = min(seconds, request.max_seconds or math.inf)
    blocks = len(backbone.net.blocks)
    activations = tokens * int(backbone.net.embed_dim) * blocks * _BYTES_PER_TOKEN_WIDTH
    weights = sum(p.numel() for p in objective.parameters())
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
        "estimated_memory_mb": round((4 * weights + 12 * every + activations) / 2**20),
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


def _tokens(setup: Setup, patch: int) -> float:
    """Tokens that pass through the backbone in one batch, a teacher's pass counting a third."""
    request, recipe = setup.request, setup.recipe
    whole, near = (recipe.input_px // patch) ** 2, (recipe.local_px // patch) ** 2
    if request.objective == "mae":
        return request.batch * whole * (1 - request.mask_ratio)
    return request.batch * (2 * whole * (1 + 1 / 3) + request.local_crops * near)
