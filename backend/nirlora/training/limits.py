"""Values of a request that no training can use, refused before anything is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nirlora.errors import OptionError
from nirlora.protocol import TrainRequest

# What a model file may hold (see models/bundle.py) and random generators take.
LIMITS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "alpha": (0, 1e6),
    "point_buffer_m": (0, 1e6),
    "chip_px": (0, 8192),
    "batch": (1, 65536),
    "epochs": (1, math.inf),
    "steps_per_epoch": (0, math.inf),
    "max_seconds": (0, 1e9),
    "learning_rate": (0, 100),
    "patience": (0, math.inf),
    "rank": (1, 65536),
    "val_fraction": (0, 0.5),
}
_ZOOM = (1 / 16, 64.0)
_NORMALISATIONS = ("backbone", "mean")


def check_limits(request: TrainRequest) -> None:
    """Refuse what would fail, or be nonsense, hours later.

    Raises:
        OptionError: A number is out of its range, or a word unknown; the message names it.
    """
    check_numbers(request, LIMITS)
    if request.normalisation not in _NORMALISATIONS:
        raise OptionError(
            f"There is no normalisation {request.normalisation!r}.",
            hint=f"Known are {', '.join(_NORMALISATIONS)}.",
        )


def check_numbers(request: Any, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuse a request with a number out of its range; ``zoom`` may also be 0.

    Raises:
        OptionError: The message names the option.
    """
    for name, (low, high) in limits.items():
        value = getattr(request, name)
        if not (math.isfinite(value) and low <= value <= high):
            raise _out_of_range(name, value, low, high)
    if request.zoom and not _ZOOM[0] <= request.zoom <= _ZOOM[1]:
        raise _out_of_range("zoom", request.zoom, *_ZOOM)


def _out_of_range(name: str, value: float, low: float, high: float) -> OptionError:
    return OptionError(
        f"--{name.replace('_', '-')} must lie between {low:g} and {high:g}, got {value}.",
        hint="Leave it out for the default.",
    )
