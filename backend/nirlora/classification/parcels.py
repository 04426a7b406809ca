"""Parcels of rasters as samples: seen at the raster's own scale, with their surroundings.

The network sees what lies around a parcel, but only tokens inside it are pooled. A parcel larger than a chip
is drawn at another place each time in training; in prediction its chips are averaged by the pixels in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nirlora.bands import ChannelReader
from nirlora.bands.statistics import bands_of
from nirlora.classification.samples import View, ViewSpec, augmented, token_weights
from nirlora.raster.grid import Window, tile_starts
from nirlora.vector.parcels import Parcel, inside, usable_spots

MAX_VIEWS = 16  # chips of one parcel in a prediction
_JITTER = 4  # a training chip is moved by up to a quarter of its side


@dataclass(frozen=True)
class RasterParcel:
    """A parcel with the raster it lies on and its usable pixels.

    Attributes:
        layer: Number of the raster.
        parcel: Where it is.
        spots: Valid pixels ``(N, 2)`` spread over it, as ``(col, row)``; at least one.
    """

    layer: int
    parcel: Parcel
    spots: NDArray[np.int64]


def usable(parcels: Sequence[Parcel], reader: ChannelReader, layer: int) -> list[RasterParcel]:
    """The parcels that have valid pixels."""
    bands = bands_of(reader.channels)
    looked_at = ((p, usable_spots(p, reader.source, bands)) for p in parcels)
    return [RasterParcel(layer, parcel, spots) for parcel, spots in looked_at if len(spots)]


def typical_side(parcels: Sequence[RasterParcel]) -> float:
    """Longer side of the bounding box that three of four parcels do not exceed, in pixels."""
    sides = [max(p.parcel.window.width, p.parcel.window.height) for p in parcels]
    return float(np.percentile(sides, 75))


class ParcelSamples:
    """Parcels of one or more rasters.

    Args:
        readers: One per raster.
        parcels: In the order they are numbered.
        chip_px: Side of a chip in raster pixels.
        spec: Size of the model input that a chip is read at.
    """

    parallel = False  # a raster is read by one thread

    def __init__(
        self, readers: Sequence[ChannelReader], parcels: Sequence[RasterParcel], chip_px: int, spec: ViewSpec
    ) -> None:
        self._readers, self._parcels = list(readers), list(parcels)
        self._chip_px, self._spec = chip_px, spec

    def __len__(self) -> int:
        return len(self._parcels)

    def draw(self, index: int, rng: np.random.Generator) -> View:
        """A chip at a random place of the parcel, turned, in another light."""
        item = self._parcels[index]
        box, side = item.parcel.window, self._chip_px
        move = side // _JITTER
        if max(box.width, box.height) <= side:
            col, row = box.col_off + box.width // 2, box.row_off + box.height // 2
            spare = tuple(min(move, (side - n) // 2) for n in (box.width, box.height))
        else:
            col, row = (int(v) for v in item.spots[rng.integers(len(item.spots))])
            spare = (move, move)
        dx, dy = (int(rng.integers(-n, n + 1)) for n in spare)
        view = self._read(item, Window(col + dx - side // 2, row + dy - side // 2, side, side))
        return augmented(view, self._spec, rng)

    def views(self, index: int) -> Iterator[View]:
        """One chip in the middle, or chips side by side that cover the parcel: at most 16, the fullest.

        There is always one, though none may show a valid pixel: the spots come from a thinned raster.
        """
        item = self._parcels[index]
        windows = chip_windows(item, self._chip_px)
        first, seen = None, False
        for window in windows:
            view = self._read(item, window)
            first = first or view
            if view.weight.any():
                seen = True
                yield view
        if first and not seen:
            yield first

    def reopen(self) -> ParcelSamples:
        """The same parcels on freshly opened rasters."""
        return ParcelSamples([r.reopen() for r in self._readers], self._parcels, self._chip_px, self._spec)

    def close(self) -> None:
        """Close the rasters."""
        for reader in self._readers:
            reader.close()

    def _read(self, item: RasterParcel, window: Window) -> View:
        side = self._spec.input_px
        x, valid = self._readers[item.layer].read(window, (side, side))
        counts = valid & inside(item.parcel.outline, window)
        return View(x, token_weights(counts, self._spec.tokens))


def chip_windows(item: RasterParcel, side: int) -> list[Window]:
    """Windows of ``side`` pixels that a parcel is predicted from."""
    box = item.parcel.window
    if max(box.width, box.height) <= side:
        middle = box.col_off + box.width // 2, box.row_off + box.height // 2
        return [Window(middle[0] - side // 2, middle[1] - side // 2, side, side)]
    grown = replace(box, width=max(box.width, side), height=max(box.height, side))
    grown = grown.shift(-((grown.width - box.width) // 2), -((grown.height - box.height) // 2))
    windows = [
        Window(grown.col_off + col, grown.row_off + row, side, side)
        for row in tile_starts(grown.height, side, 0)
        for col in tile_starts(grown.width, side, 0)
    ]
    held = [_held(item.spots, window) for window in windows]
    best = sorted(range(len(windows)), key=lambda i: -held[i])[:MAX_VIEWS]
    return [windows[i] for i in sorted(best) if held[i]]


def _held(spots: NDArray[np.int64], window: Window) -> int:
    offset = spots - (window.col_off, window.row_off)
    return int(((offset >= 0) & (offset < (window.width, window.height))).all(1).sum())
