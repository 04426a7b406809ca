"""Choosing a device by trying it."""

from __future__ import annotations

import re
import warnings
from typing import Any

import torch

from nirlora.errors import DeviceError, OptionError

_NAME = re.compile(r"cpu|mps|cuda(:\d+)?")


def resolve_device(name: str = "auto") -> torch.device:
    """The device to work on.

    Args:
        name: ``auto`` (CUDA if a real small operation works there, else MPS, else the CPU), ``cpu``,
            ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        OptionError: The name is none of these.
        DeviceError: The device asked for is absent or does not work.
    """
    if name == "auto":
        for candidate in ("cuda", "mps"):
            if not try_device(torch.device(candidate)):
                return _numbered(torch.device(candidate))
        return torch.device("cpu")
    if not _NAME.fullmatch(name):
        raise OptionError(f"There is no device {name!r}.", hint="Choose auto, cpu, cuda, cuda:N or mps.")
    device = torch.device(name)
    problem = try_device(device)
    if problem:
        raise DeviceError(
            f"The device {name} does not work: {problem}.",
            hint="Choose --device cpu or auto; nirlora doctor says what each device lacks.",
        )
    return _numbered(device)


def try_device(device: torch.device) -> str:
    """Run a small convolution and a matrix product; return what went wrong, or ``""``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of old drivers; the answer says it
        if device.type == "cuda" and not torch.cuda.is_available():
            return "this torch has no CUDA" if torch.version.cuda is None else "no CUDA device was found"
        if device.type == "mps" and not torch.backends.mps.is_available():
            return "there is no Metal device"
        try:
            x = torch.ones(1, 1, 8, 8, device=device)
            y = torch.nn.functional.conv2d(x, torch.ones(1, 1, 3, 3, device=device))[0, 0]
            total = float((y @ y).sum())
        except (RuntimeError, AssertionError) as error:
            return str(error).splitlines()[0]
    return "" if total == 6 * 6 * 6 * 81 else f"it computed {total} instead of 17496"


def describe_device(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def has_bf16_units(device: torch.device) -> bool:
    """Whether bf16 is computed in hardware; emulated, as on most laptops, it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    told: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch cannot tell
    return bool(told.get("avx512_bf16") or told.get("amx_bf16"))


def _numbered(device: torch.device) -> torch.device:
    return torch.device("cuda", 0) if device == torch.device("cuda") else device
