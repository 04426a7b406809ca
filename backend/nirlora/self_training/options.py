"""What a request for self-training may say, checked before anything is opened; no torch here."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from nirlora.errors import OptionError
from nirlora.protocol import TrainRequest

# name -> whether the backbone is adapted with LoRA, whether an EMA teacher makes the pseudo-labels
STABILISERS: dict[str, tuple[bool, bool]] = {
    "none": (False, False),
    "ema": (False, True),
    "lora": (True, False),
    "lora+ema": (True, True),
}
_WORDS: dict[str, tuple[str, ...]] = {
    "stabiliser": tuple(STABILISERS),
    "target_values": ("auto", "own", "source"),
    "round_start": ("continue", "pretrained"),
    "class_shares": ("source", "trained"),
    "discriminator": ("binary", "class"),
}
_LIMITS: dict[str, tuple[float, float]] = {
    "rounds": (0, 100),
    "min_confidence": (0, 0.999),
    "adversarial_weight": (0, 10),
}


def as_published(request: TrainRequest) -> bool:
    """Whether the procedure is TransDA's rather than this product's."""
    return request.preset == "transda"


def checked(request: TrainRequest) -> TrainRequest:
    """The request with the adapter that its stabiliser asks for.

    Raises:
        OptionError: A word or number cannot be used, or does not go with self-training.
    """
    for name, words in _WORDS.items():
        value = getattr(request, name)
        if value not in words:
            raise OptionError(f"There is no {_option(name)} {value!r}.", hint=f"Choose {', '.join(words)}.")
    for name, (low, high) in _LIMITS.items():
        value = getattr(request, name)
        if not (math.isfinite(value) and low <= value <= high):
            raise OptionError(f"{_option(name)} must lie between {low:g} and {high:g}, got {value}.")
    if request.preset not in ("", "transda"):
        raise OptionError(
            f"--preset {request.preset} is a protocol without a target.",
            hint="Leave it out, or choose --preset transda.",
        )
    if request.patience:
        raise OptionError(
            "--patience needs a score to wait for, and self-training may not look at one of the target.",
            hint="Leave it out; --max-seconds bounds the time.",
        )
    _not_the_source(request)
    return replace(request, adapter=_adapter(request))


def _adapter(request: TrainRequest) -> str:
    with_lora, _ = STABILISERS[request.stabiliser]
    wanted = "lora" if with_lora else "full"
    if request.adapter not in ("lora", wanted):  # lora is also what a request says that does not care
        raise OptionError(
            f"--stabiliser {request.stabiliser} trains with the adapter {wanted}, got --adapter "
            f"{request.adapter}.",
            hint="Leave out --adapter; --stabiliser chooses it.",
        )
    return wanted


def _not_the_source(request: TrainRequest) -> None:
    sources = {Path(layer.path).resolve() for layer in request.layers}
    for layer in request.target_layers:
        if Path(layer.path).resolve() in sources:
            raise OptionError(
                f"{layer.path} is both a source and a target.",
                hint="Give as --target-layer the raster without labels.",
            )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
