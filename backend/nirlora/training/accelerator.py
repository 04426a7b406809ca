"""accelerate, set up for one device: where, and in which precision a training computes."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from nirlora.inference.devices import describe_device, has_bf16_units


def make_accelerator(device: torch.device) -> Accelerator:
    """accelerate on ``device``: bf16 where it is computed in hardware, else float32; weights stay float32."""
    # accelerate keeps one state per process; a second job may want another device.
    AcceleratorState._reset_state(reset_partial_state=True)
    precision = "bf16" if has_bf16_units(device) else "no"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        return Accelerator(mixed_precision=precision)
    return Accelerator(cpu=device.type == "cpu", mixed_precision=precision)


def describe_computing(device: torch.device) -> str:
    """The device in words, and the precision of trainings on it."""
    return f"{describe_device(device)}, {'bf16' if has_bf16_units(device) else 'float32'}"
