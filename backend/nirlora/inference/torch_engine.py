"""The engine that runs a segmenter with torch."""

from __future__ import annotations

import contextlib

import torch
from torch import nn

from nirlora.inference.devices import describe_device, has_bf16_units, resolve_device
from nirlora.inference.halving import HalvingEngine
from nirlora.models.logits import class_logits, to_raster
from nirlora.models.segmenter import Segmenter

# One tile at a time keeps a CPU's caches warm; a GPU wants many.
BATCH = {"cpu": 1, "mps": 4, "cuda": 16}


class TorchEngine(HalvingEngine):
    """A segmenter, merged and in eval mode, on a device; bf16 where the GPU has it.

    When the device runs out of memory the batch is halved, for good, and ``warnings`` says so.

    Args:
        model: A segmenter, which is changed in place (adapter merged, moved), or any module that maps
            ``(N, C, H, W)`` to logits ``(N, K, H, W)``; K = 1 means the logit of class 1 against 0.
        num_classes: K; a single logit counts as 2 classes.
        device: See :func:`~nirlora.inference.devices.resolve_device`.
        batch: Tiles per call; 0: chosen from the device.

    Raises:
        DeviceError: The device asked for does not work.
    """

    def __init__(self, model: nn.Module, num_classes: int, device: str = "auto", batch: int = 0) -> None:
        self.device = resolve_device(device)
        self.device_name = describe_device(self.device)
        self.num_classes = max(num_classes, 2)
        self.batch = batch or BATCH[self.device.type]
        self.warnings: list[str] = []
        if isinstance(model, Segmenter):
            model.merge()
        self._bf16 = self.device.type == "cuda" and has_bf16_units(self.device)
        self._model = model.eval().requires_grad_(False).to(self.device)

    def _forward(self, x: torch.Tensor, out_px: tuple[int, int]) -> torch.Tensor:
        cuda = self.device.type == "cuda"
        x = x.pin_memory().to(self.device, non_blocking=True) if cuda else x.to(self.device)
        with torch.autocast("cuda", torch.bfloat16) if self._bf16 else contextlib.nullcontext():
            logits: torch.Tensor = self._model(x)
        return class_logits(to_raster(logits.float(), out_px))
