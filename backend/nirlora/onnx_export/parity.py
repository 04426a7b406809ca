"""How far the exported model's output is from torch's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from nirlora.errors import ModelError
from nirlora.inference.engine import Engine
from nirlora.inference.onnx_engine import FLOOR

BOUND = 1e-3  # of logits in float32; both sum in another order, which in deep networks comes to some 1e-4
BATCH = 3  # chips at once: a graph that holds for one batch size alone would show


@dataclass(frozen=True)
class Parity:
    """Largest difference of logits (less a number per pixel), and share of pixels of the same class."""

    max_difference: float
    agreement: float


def compare(
    ours: Engine, exported: Engine, images: torch.Tensor, tick: Callable[[float], None] = lambda _: None
) -> Parity:
    """Run both engines on the same images.

    Logits count up to a number per pixel that is the same for all classes, and down to a probability of
    1e-30: nothing that is drawn depends on more.

    Args:
        ours: The reference.
        exported: The exported model.
        images: ``(N, C, H, W)``.
        tick: Told the fraction done after every batch.
    """
    side = images.shape[-2], images.shape[-1]
    difference, same, count = 0.0, 0, 0
    for first in range(0, len(images), BATCH):
        batch = images[first : first + BATCH]
        a, b = (_normalised(engine.predict(batch, side)) for engine in (ours, exported))
        worst = float((a - b).abs().max())
        difference = math.inf if math.isnan(worst) else max(difference, worst)
        same += int((a.argmax(1) == b.argmax(1)).sum())
        count += a[:, 0].numel()
        tick((first + len(batch)) / len(images))
    return Parity(difference, same / count)


def check(parity: Parity, max_difference: float, min_agreement: float) -> None:
    """Refuse a model that differs too much.

    Args:
        parity: From :func:`compare`.
        max_difference: Of logits; 0: :data:`BOUND`.
        min_agreement: Share of pixels, 0 to 1.

    Raises:
        ModelError: It differs more than that.
    """
    bound = max_difference or BOUND
    if parity.max_difference <= bound and parity.agreement >= min_agreement:
        return
    raise ModelError(
        f"The exported model differs from the original: logits by up to {parity.max_difference:.3g} (allowed "
        f"{bound:.3g}), the same class on {parity.agreement:.4%} of pixels (wanted {min_agreement:.4%}). "
        "Nothing was written.",
        hint="Update torch, onnxscript and onnxruntime; or allow more with --max-difference and "
        "--min-agreement.",
        code="export_differs",
    )


def _normalised(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().cpu().log_softmax(dim=1).clamp_(min=math.log(FLOOR))
