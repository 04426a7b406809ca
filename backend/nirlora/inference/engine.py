"""What runs a model on tiles. One file per engine; the pipeline knows only this."""

from __future__ import annotations

from typing import Protocol

import torch


class Engine(Protocol):
    """A model on a device.

    Attributes:
        device: Where logits come out.
        device_name: For people: ``cpu``, ``cuda:0 (NVIDIA ...)``.
        num_classes: K of the logits, at least 2.
        batch: Tiles that fit into one call; may fall while running.
        warnings: What went otherwise than planned, for the user.
    """

    device: torch.device
    device_name: str
    num_classes: int
    batch: int
    warnings: list[str]

    def predict(self, x: torch.Tensor, out_px: tuple[int, int]) -> torch.Tensor:
        """Logits of a batch.

        Args:
            x: ``(N, C, H, W)`` float32 on the CPU, standardised, 0 where invalid.
            out_px: ``(rows, cols)`` of the tiles in raster pixels.

        Returns:
            ``(N, K, rows, cols)`` float32 on the engine's device; the caller may overwrite it.

        Raises:
            DeviceError: One tile alone does not fit into the device's memory.
        """
        ...
