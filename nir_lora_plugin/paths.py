"""Where the plugin's own files lie: in an installed plugin, and in a checkout of the repository."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

PACKAGE = Path(__file__).parent
"""The plugin's folder. Links are not followed: one linked into a profile finds what lies beside the link."""

WHEEL_FOLDER = "wheel"
PIN_NAME = "wheel.json"


@dataclass(frozen=True)
class WheelPin:
    """What the JSON beside the bundled wheel says: ``{"file": ..., "version": ..., "sha256": ...}``."""

    file: str
    version: str
    sha256: str


def resource(name: str) -> Path:
    """Path of ``resources/<name>``; the file need not exist."""
    return _beside(f"resources/{name}")


def metadata() -> Path:
    """Path of ``metadata.txt``."""
    return _beside("metadata.txt")


def plugin_version() -> str:
    """Version of the plugin, and so of the backend that it needs; "" when ``metadata.txt`` is missing."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(metadata(), encoding="utf-8")
    return parser.get("general", "version", fallback="")


def bundled_wheel() -> Optional[Path]:
    """The backend wheel that came with the plugin, None if there is none.

    It lies in ``wheel/`` with ``wheel.json`` beside it, in a checkout in ``build/wheel/``; the environment
    variable ``NIRLORA_WHEEL`` names another one.
    """
    named = os.environ.get("NIRLORA_WHEEL")
    folders = [PACKAGE / WHEEL_FOLDER, PACKAGE.parent / "build" / WHEEL_FOLDER]
    if named:
        folders = [Path(named).parent]
    for folder in folders:
        pin = wheel_pin(folder)
        if pin is not None and (folder / pin.file).is_file():
            return folder / pin.file
    return None


def wheel_pin(folder: Path) -> Optional[WheelPin]:
    """Read ``wheel.json`` in ``folder``, None if it is missing or no pin."""
    try:
        return WheelPin(**json.loads((folder / PIN_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def wheel_sha256() -> str:
    """The pinned SHA-256 of the bundled wheel, "" if there is no wheel."""
    wheel = bundled_wheel()
    pin = wheel_pin(wheel.parent) if wheel else None
    return pin.sha256 if pin else ""


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _beside(name: str) -> Path:
    """``name`` in the plugin's folder, else in the folder above it (a checkout)."""
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
