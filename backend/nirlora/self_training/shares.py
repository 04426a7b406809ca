"""How often each class is said: set by what the source's labels say, not by how its chips were drawn.

Training sees chips in which rare classes are common, and weighs those classes more; a network trained so says
them too often wherever they are rare. In a single training that is a price; in self-training the next round
learns it as truth. A bias per class undoes it.
(That a prior can be exchanged after training: Saerens et al. 2002, Adjusting the outputs of a classifier to
new a priori probabilities, doi 10.1162/089976602753284446. Theirs needs calibrated probabilities, which a
network trained with class weights and Dice does not give; here the classes said are counted instead.)
The target's own shares are not known, so this is done with care, for more of it did harm (measured): not
at all where hardly a pixel too many is said on the source, and of a class no more than the target's map
needs too to come to the source's shares.
A round then moves classes to other places, but keeps how often each is said on the target: a class that is
said a little too often would otherwise be learnt, and said more often, round by round (measured).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from nirlora.models.logits import to_raster
from nirlora.protocol import NO_CLASS
from nirlora.self_training.draws import Batch
from nirlora.self_training.student import Student

T = TypeVar("T", bound=np.generic)

MAX_PIXELS = 200_000  # of each field, looked at for the biases
_STEPS = 120
NEAR = 0.05  # share of pixels said as a class too many that is left alone
MOST = 0.5  # of an agreed bias: a target richer in a rare class than the source must not lose it
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
    return _thinned(logits), _thinned(labels)


@torch.inference_mode()
def seen_logits(net: Student, batches: Sequence[Batch], accelerator: Accelerator) -> NDArray[np.float32]:
    """Logits ``(n, K)`` of all model pixels with a value, evenly thinned to ``MAX_PIXELS``."""
    net.eval()
    logits = []
    for batch in batches:
        with accelerator.autocast():
            seen = net(torch.from_numpy(batch.images).to(accelerator.device)).logits
        logits.append(seen.permute(0, 2, 3, 1).cpu().numpy()[batch.seen])
    return _thinned(logits)


def _thinned(parts: Sequence[NDArray[T]]) -> NDArray[T]:
    step = max(1, -(-sum(map(len, parts)) // MAX_PIXELS))
    return np.concatenate(parts)[::step]


def agreed_biases(
    logits: NDArray[np.float32],
    labels: NDArray[np.uint8],
    target: NDArray[np.float32],
    shares: Sequence[float],
) -> NDArray[np.float64]:
    """Biases ``(K,)`` for the source's shares, no larger than source and target both need, nor than ``MOST``.

    Args:
        logits: ``(n, K)`` of the source.
        labels: ``(n,)`` its classes.
        target: Logits ``(m, K)`` of the target.
        shares: ``(K,)`` of the classes in the source's labels, in any unit.
    """
    known = matching_biases(logits, labels, shares)
    if not known.any() or not len(target):
        return np.zeros(len(known))
    wanted = np.where(np.bincount(labels, minlength=len(shares)) > 0, np.asarray(shares, float), 0.0)
    here = _match(target, np.ones(len(target)), wanted / wanted.sum())
    return np.where(
        known * here > 0, np.sign(known) * np.minimum(np.minimum(abs(known), abs(here)), MOST), 0.0
    )


def keeping_biases(target: NDArray[np.float32], shares: Sequence[float]) -> NDArray[np.float64]:
    """Biases ``(K,)`` with which each class is said on the target as often as ``shares``, whose sum is 1."""
    return _match(target, np.ones(len(target)), np.asarray(shares, float))


def shares_said(logits: NDArray[np.float32], biases: NDArray[np.float64]) -> list[float]:
    """How often each class is said with the biases: ``(K,)``, their sum is 1."""
    counts = np.bincount((logits + biases).argmax(1), minlength=len(biases))
    return [float(share) for share in counts / max(counts.sum(), 1)]


def matching_biases(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], shares: Sequence[float]
) -> NDArray[np.float64]:
    """Biases ``(K,)`` with which each class is said as often as its share, were the pixels so distributed.

    Args:
        logits: ``(n, K)``.
        labels: ``(n,)`` true classes; how often each occurs here does not matter.
        shares: ``(K,)`` of the classes, not negative, in any unit.

    Returns:
        Their mean is 0 over the classes that have a share and pixels; the others get 0. All 0 where the
        classes said without them are off by at most ``NEAR``, or no biases are better.
    """
    counts = np.bincount(labels, minlength=len(shares))
    wanted = np.where(counts > 0, np.asarray(shares, float), 0.0)
    present = wanted > 0
    if present.sum() < 2:
        return np.zeros(len(shares))
    wanted /= wanted.sum()
    return _match(logits, (wanted / np.maximum(counts, 1))[labels], wanted, near=NEAR)


def _match(
    logits: NDArray[np.float32], weights: NDArray[np.float64], wanted: NDArray[np.float64], near: float = 0.0
) -> NDArray[np.float64]:
    """Biases with which the pixels, so weighted, are said in the ``wanted`` shares, whose sum is 1."""
    present = wanted > 0
    best = biases = np.zeros(len(wanted))
    least = np.inf
    for step in range(_STEPS):
        said = np.bincount((logits + biases).argmax(1), weights, minlength=len(wanted)) / weights.sum()
        missed = float(np.abs(said - wanted).sum()) / 2
        if step == 0 and missed <= near:
            return best
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
