"""Messages between backend and worker: one JSON object a line."""

from __future__ import annotations

import json
import math
from typing import Any


def encode(message: dict[str, Any]) -> bytes:
    """A line; NaN and infinity become null."""
    return json.dumps(finite(message), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of a line.

    Raises:
        ValueError: It is no JSON object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"expected an object, got {type(message).__name__}")
    return message


def finite(value: Any) -> Any:
    """``value`` in what strict JSON has: null for NaN and infinity, lists for tuples, text as keys."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
