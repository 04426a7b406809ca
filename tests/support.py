"""Helpers shared by the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared_data(name: str) -> Path:
    """Folder of a real data set, or skip the test with a reason."""
    folder = Path(os.environ.get("NIRLORA_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.exists():
        pytest.skip(f"real data set {name} is not on this machine (set NIRLORA_DATA)")
    return folder
