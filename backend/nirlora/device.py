"""Which device a job runs on."""

from __future__ import annotations

import torch

from nirlora.errors import DeviceError


def resolve_device(asked: str = "auto") -> torch.device:
    """Return a device on which a small operation really works.

    Args:
        asked: ``auto`` (CUDA, else Apple's GPU, else CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        DeviceError: The device asked for does not exist or does not work.
    """
    if asked == "auto":
        for name in ("cuda", "mps"):
            if not _problem(name):
                return torch.device(name)
        return torch.device("cpu")
    problem = _problem(asked)
    if problem:
        raise DeviceError(
            f"Device {asked!r} cannot be used: {problem}.",
            hint="Use --device auto or --device cpu; `nirlora doctor` says what is there.",
        )
    return torch.device(asked)


def device_label(device: torch.device) -> str:
    """Name for people: ``NVIDIA H100 (cuda:0)``, ``CPU``."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device.type}:{device.index or 0})"
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(device.type, device.type)


def _problem(name: str) -> str:
    try:
        device = torch.device(name)
        if device.type == "cuda" and not torch.cuda.is_available():
            return "this torch finds no CUDA GPU"
        if device.type == "mps" and not torch.backends.mps.is_available():
            return "this machine has no Apple GPU that torch can use"
        one = torch.ones(2, 2, device=device)
        return "" if float((one @ one).sum()) == 8.0 else "a small multiplication came out wrong"
    except (RuntimeError, AssertionError, ValueError) as error:
        return str(error).splitlines()[0]
