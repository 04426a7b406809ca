"""Versions of what a result was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("nirlora", "torch", "timm", "peft", "rasterio", "numpy")


def versions() -> dict[str, str]:
    """Name to version of Python and the packages that shape a result; read from metadata, imports nothing."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
