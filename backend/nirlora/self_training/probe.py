"""How steady the predictions are from epoch to epoch, on a few target chips that never change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from nirlora.protocol import NO_CLASS
from nirlora.self_training.draws import Batch
from nirlora.self_training.pseudo import flipped
from nirlora.self_training.student import Student


@torch.inference_mode()
def look_at(net: Student, probe: Sequence[Batch], accelerator: Accelerator) -> list[NDArray[np.uint8]]:
    """Class of every model pixel of the probe ``(N, h, w)``, 255 where there is none."""
    net.eval()
    looks = []
    for batch in probe:
        with accelerator.autocast():
            logits = net(torch.from_numpy(batch.images).to(accelerator.device)).logits
        classes = logits.argmax(1).to(torch.uint8).cpu().numpy()
        classes[~batch.seen] = NO_CLASS
        looks.append(classes)
    return looks


def share_of_flips(before: Sequence[NDArray[np.uint8]], after: Sequence[NDArray[np.uint8]]) -> float | None:
    """Share of pixels with another class than the time before; None the first time."""
    if not before:
        return None
    changed, both = zip(*(flipped(*looks) for looks in zip(before, after, strict=True)), strict=True)
    return sum(changed) / sum(both) if sum(both) else None
