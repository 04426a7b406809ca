"""What no adaptation can use, refused before anything is read; without torch."""

from __future__ import annotations

from dataclasses import replace

from nirlora.errors import OptionError
from nirlora.protocol import AdaptRequest
from nirlora.training.limits import check_numbers

_LIMITS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "rank": (0, 1024),
    "alpha": (0, 1e6),
    "mask_ratio": (0.1, 0.95),
    "decoder_rank": (0, 1024),
    "prototypes": (0, 2**20),
    "local_crops": (0, 64),
    "chip_px": (0, 8192),
    "batch": (1, 65536),
    "accumulate": (1, 65536),
    "steps": (0, 1e9),
    "max_seconds": (0, 1e9),
    "learning_rate": (0, 100),
}
_WORDS: dict[str, tuple[str, ...]] = {
    "objective": ("mae", "dino"),
    "centering": ("center", "sinkhorn"),
    "patch_embedding": ("auto", "train", "freeze"),
}


def check_request(request: AdaptRequest) -> None:
    """Refuse what would fail, or be nonsense, hours later.

    Raises:
        OptionError: A value is out of its range; the message names the option.
    """
    if not request.layers:
        raise OptionError("No raster was given.", hint="Give at least one with --layer FILE.")
    for name, words in _WORDS.items():
        value = getattr(request, name)
        if value not in words:
            option = f"--{name.replace('_', '-')}"
            raise OptionError(
                f"{option} is {value!r}, expected {' or '.join(words)}.", hint="Leave it out for the default."
            )
    check_numbers(request, _LIMITS)
    if request.batch < least_batch(request):
        raise OptionError(
            "--objective dino compares the chips of a batch and needs at least 2 of them, got --batch 1.",
            hint="Use --batch 2 or more, or --objective mae.",
        )
    if request.objective == "dino" and request.decoder:
        raise OptionError(
            f"--objective dino draws nothing and has no use for --decoder {request.decoder}.",
            hint="Leave --decoder out, or use --objective mae.",
        )


def least_batch(request: AdaptRequest) -> int:
    """Chips that a batch must have; ``dino`` compares them."""
    return 2 if request.objective == "dino" else 1


def with_smaller_batch(request: AdaptRequest) -> AdaptRequest:
    """With half the batch and about as many chips per step; unchanged where a batch cannot be smaller."""
    batch = max(least_batch(request), request.batch // 2)
    if batch == request.batch:
        return request
    return replace(request, batch=batch, accumulate=request.accumulate * 2)
