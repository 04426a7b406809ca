"""What is classified, as views: model input and which part of it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nirlora.training.augment import AugmentConfig, jitter, orient

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class View:
    """One look at an image or a parcel.

    Attributes:
        x: Standardised model input ``(C, S, S)``.
        weight: Per token ``(S / patch, S / patch)``, the share of its pixels (0..1) that are valid and
            belong to what is classified.
    """

    x: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class ViewSpec:
    """Size and treatment of a view.

    Attributes:
        input_px: Side of the model input, a multiple of ``patch``.
        patch: Input pixels of a token of the deepest stage.
        mean, std: Of the input transform, per channel.
        augment: Strength of the augmentation in training.
    """

    input_px: int
    patch: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: AugmentConfig = AugmentConfig()  # noqa: RUF009 - frozen

    @property
    def tokens(self) -> int:
        """Tokens along one side."""
        return self.input_px // self.patch


class Samples(Protocol):
    """Images or parcels, numbered from 0."""

    @property
    def parallel(self) -> bool:
        """Whether several threads may read at once."""

    def __len__(self) -> int: ...

    def draw(self, index: int, rng: np.random.Generator) -> View:
        """One view to train on: another one each time, decided by ``rng`` alone."""

    def views(self, index: int) -> Iterator[View]:
        """The views to predict from, always the same."""

    def reopen(self) -> Samples:
        """The same samples for another thread."""

    def close(self) -> None:
        """Close files."""


def token_weights(counts: NDArray[np.bool_], tokens: int) -> NDArray[np.float32]:
    """Share of counting pixels per token: ``(h, w)`` booleans to ``(tokens, tokens)`` in 0..1."""
    rows, cols = _overlap(counts.shape[0], tokens), _overlap(counts.shape[1], tokens)
    shares: NDArray[np.float32] = rows @ counts.astype(np.float32) @ cols.T
    return shares


@lru_cache(maxsize=16)
def _overlap(pixels: int, tokens: int) -> NDArray[np.float32]:
    """``(tokens, pixels)``: how much of each token's length each pixel covers; rows sum to 1."""
    edges = np.arange(tokens + 1) * (pixels / tokens)
    starts = np.arange(pixels)
    low = np.maximum(edges[:-1, None], starts[None])
    high = np.minimum(edges[1:, None], starts[None] + 1)
    return np.asarray(np.clip(high - low, 0, None) * (tokens / pixels), dtype=np.float32)


def augmented(view: View, spec: ViewSpec, rng: np.random.Generator) -> View:
    """The view in another light and turned: a nadir image has no up. What is invalid stays 0."""
    x = view.x
    if spec.augment.gain or spec.augment.offset:
        empty = (x == 0).all(0)
        jitter(x, np.asarray(spec.mean, np.float32), np.asarray(spec.std, np.float32), rng, spec.augment)
        x[:, empty] = 0.0
    if not spec.augment.orientation:
        return View(x, view.weight)
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    return View(*(np.ascontiguousarray(orient(a, turns, flip)) for a in (x, view.weight)))


class Draws:
    """Training batches; batch ``step`` is a pure function of the seed and ``step``.

    Samples come in passes, each pass in a new random order, each sample once; a batch may span two passes.

    Args:
        samples: What to draw from.
        chosen: Numbers of the training samples.
        values: Class value of every sample.
        batch: Samples per batch.
        seed: Of orders and augmentation.
        threads: That read at once, where the samples allow it.
    """

    def __init__(
        self,
        samples: Samples,
        chosen: Sequence[int],
        values: NDArray[np.int64],
        *,
        batch: int,
        seed: int,
        threads: int = 1,
    ) -> None:
        self._samples, self._values = samples, values
        self._chosen = np.asarray(chosen, dtype=np.int64)
        self._batch_size, self._seed = batch, seed
        self._order: tuple[int, NDArray[np.int64]] = (-1, self._chosen)
        self._pool = ThreadPoolExecutor(threads) if samples.parallel and threads > 1 else None

    def batch(self, step: int) -> Batch:
        """Batch ``step``: input ``(N, C, S, S)``, token weights ``(N, h, w)``, class values ``(N,)``."""
        first = step * self._batch_size
        places = range(first, first + self._batch_size)
        indices = [self._at(place) for place in places]

        def one(place: int, index: int) -> View:
            return self._samples.draw(index, np.random.default_rng((self._seed, 1, place)))

        views = list((self._pool.map if self._pool else map)(one, places, indices))
        x, weight = np.stack([v.x for v in views]), np.stack([v.weight for v in views])
        return x, weight, self._values[indices]

    def _at(self, place: int) -> int:
        """The sample at a place of the endless sequence of passes."""
        number, position = divmod(place, len(self._chosen))
        if self._order[0] != number:
            order = np.random.default_rng((self._seed, 0, number)).permutation(self._chosen)
            self._order = (number, order)
        return int(self._order[1][position])
