"""How often each class is said: set by what the source's labels say, not by how its chips were drawn.

Training sees chips in which rare classes are common, and weighs those classes more; a network trained so says
them too often wherever they are rare. In a single training that is a price; in self-training the next round
learns it as truth. A bias per class undoes it and leaves the ranking of the pixels within a class as it is.
(That a prior can be exchanged after training: Saerens et al. 2002, Adjusting the outputs of a classifier to
new a priori probabilities, doi 10.1162/089976602753284446. Theirs needs calibrated probabilities, which a
network trained with class weights and Dice does not give; here the classes said are counted instead.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from nirlora.models.logits import to_raster
from nirlora.protocol import NO_CLASS
from nirlora.self_training.draws import Batch
from nirlora.self_training.student import Student

MAX_PIXELS = 200_000  # looked at for the biases
_STEPS = 120
_LIMIT = 6.0  # of a bias; a class that needs more is not known to the network at all


@torch.inference_mode()
def labelled_logits(
    net: Student, batches: Sequence[Batch], accelerator: Accelerator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Logits ``(n, K)`` and labels ``(n,)`` of the labelled pixels, evenly thinned to ``MAX_PIXELS``."""
    net.eval()
    logits, labels = [], []
    for batch in batches:
        size = (batch.labels.shape[1], batch.labels.shape[2])
        with accelerator.autocast():
            seen = net(torch.from_numpy(batch.images).to(accelerator.device)).logits
        known = batch.labels != NO_CLASS
        logits.append(to_raster(seen, size).permute(0, 2, 3, 1).cpu().numpy()[known])
        labels.append(batch.labels[known])
    step = max(1, -(-sum(map(len, labels)) // MAX_PIXELS))
    return np.concatenate(logits)[::step], np.concatenate(labels)[::step]


def matching_biases(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], shares: Sequence[float]
) -> NDArray[np.float64]:
    """Biases ``(K,)`` with which each class is said as often as its share, were the pixels so distributed.

    Args:
        logits: ``(n, K)``.
        labels: ``(n,)`` true classes; how often each occurs here does not matter.
        shares: ``(K,)`` of the classes, not negative, in any unit.

    Returns:
        Their mean is 0 over the classes that have a share and pixels; the others get 0. All 0 where no
        biases are better than none.
    """
    counts = np.bincount(labels, minlength=len(shares))
    wanted = np.where(counts > 0, np.asarray(shares, float), 0.0)
    present = wanted > 0
    best = np.zeros(len(shares))
    if present.sum() < 2:
        return best
    wanted /= wanted.sum()
    weights = (wanted / np.maximum(counts, 1))[labels]
    biases, least = best, np.inf
    for step in range(_STEPS):
        said = np.bincount((logits + biases).argmax(1), weights, minlength=len(shares))
        missed = float(np.abs(said - wanted).sum())
        if missed < least:
            best, least = biases, missed
        rate = 0.5 if step < _STEPS // 2 else 0.1
        change = np.log(np.maximum(wanted, 1e-4) / np.maximum(said, 1e-4))
        biases = np.where(present, np.clip(biases + rate * change, -_LIMIT, _LIMIT), 0.0)
        biases = np.where(present, biases - biases[present].mean(), 0.0)
    return best


@torch.no_grad()
def add_biases(head: nn.Module, biases: NDArray[np.float64]) -> None:
    """Fold the biases ``(K,)`` into the convolution that gives the head's logits, one or K of them."""
    last = [module for module in head.modules() if isinstance(module, nn.Conv2d)][-1]
    if last.bias is None:
        raise TypeError("the last convolution of a head has a bias")
    added = biases[1:] - biases[0] if last.out_channels == 1 else biases
    last.bias += torch.from_numpy(added).to(last.bias)


def collapsed(
    before: Sequence[float], after: Sequence[float], names: Sequence[str], factor: float = 4.0
) -> list[str]:
    """Names of the classes that cover ``factor`` times less (or more) of the target than before.

    Classes below one in a thousand before and after are passed over.
    """
    found = []
    for name, then, now in zip(names, before, after, strict=True):
        low, high = sorted((then, now))
        if high >= 1e-3 and high > factor * low:
            found.append(name)
    return found


def images_of(batches: Iterable[Batch], accelerator: Accelerator) -> Iterable[torch.Tensor]:
    """The batches' images on the device, one after the other."""
    return (torch.from_numpy(batch.images).to(accelerator.device) for batch in batches)
