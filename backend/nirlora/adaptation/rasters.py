"""The unlabelled rasters of a run, however many: looked at once, then a few of them open at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.errors import RasterError
from nirlora.protocol import AdaptRequest, LayerRef
from nirlora.raster.source import RasterSource, open_raster
from nirlora.training.run import place_of

_FITTED = 64  # rasters that the value range is taken from; the others are compared with it
_OPEN = 64
_CELLS = 64  # along either side of a raster, at most


@dataclass(frozen=True)
class Coverage:
    """Where a raster is valid, coarsely.

    Attributes:
        layer: The raster.
        size: (width, height) in pixels.
        grid: (columns, rows) of cells that it is divided into.
        cells: (n, 2) column and row of the cells that are valid in the middle.
        facts: Path, CRS, bounds, resolution: for the card.
    """

    layer: LayerRef
    size: tuple[int, int]
    grid: tuple[int, int]
    cells: NDArray[np.int16]
    facts: dict[str, Any]

    @property
    def valid_px(self) -> int:
        """About how many pixels are valid."""
        return len(self.cells) * self.size[0] * self.size[1] // (self.grid[0] * self.grid[1])


@dataclass(frozen=True)
class Unlabelled:
    """All rasters of a run, checked, with the input transform of them all."""

    coverage: tuple[Coverage, ...]
    transform: InputTransform
    warnings: tuple[str, ...]

    @property
    def valid_px(self) -> int:
        """About how many pixels of all rasters are valid."""
        return sum(c.valid_px for c in self.coverage)


def look_at(layers: Sequence[LayerRef], request: AdaptRequest) -> Unlabelled:
    """Open every raster once, fit the input transform and find where there is something.

    Raises:
        InputError: A raster cannot be opened, has not the bands, or nothing valid.
        MismatchError: Values differ by a factor between rasters, as reflectance and digital numbers do.
    """
    step = -(-len(layers) // _FITTED)
    fitted = list(layers)[::step]
    scale, offset = request.reflectance_scale, request.reflectance_offset
    with ExitStack() as stack:
        sources = [stack.enter_context(open_raster(layer)) for layer in fitted]
        transform = fit_transform(sources, request.bands, scale=scale, offset=offset)
    coverage, warnings = [], []
    for layer in layers:
        with open_raster(layer) as source:
            reader = ChannelReader(source, transform, request.bands, scale=scale, offset=offset)
            warnings += list(reader.warnings) if layer in fitted else reader.check()
            coverage.append(_cover(reader, layer))
    if not any(len(c.cells) for c in coverage):
        raise RasterError(
            "No valid pixel was found in these rasters.", hint="Check their nodata values and masks."
        )
    return Unlabelled(tuple(coverage), transform, tuple(dict.fromkeys(warnings)))


class RasterPool:
    """Readers of the rasters, opened when needed, a few at a time; for one thread."""

    def __init__(self, data: Unlabelled, request: AdaptRequest) -> None:
        self.data = data
        self._request = request
        self._open: OrderedDict[int, ChannelReader] = OrderedDict()

    def reader(self, index: int) -> ChannelReader:
        """The reader of raster ``index``; good until the next call.

        Raises:
            RasterError: The raster is no longer what it was.
        """
        if index not in self._open:
            coverage, request = self.data.coverage[index], self._request
            source = open_raster(coverage.layer)
            if (source.width, source.height) != coverage.size:
                source.close()
                raise RasterError(f"{source.path} has changed.", hint="Adapt anew, without --resume.")
            self._open[index] = ChannelReader(
                source,
                self.data.transform,
                request.bands,
                scale=request.reflectance_scale,
                offset=request.reflectance_offset,
            )
        self._open.move_to_end(index)
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return self._open[index]

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            self._open.popitem()[1].close()


def _cover(reader: ChannelReader, layer: LayerRef) -> Coverage:
    source = reader.source
    bands = [b for channel in reader.channels for b in channel.bands]
    cols, rows = min(source.width, _CELLS), min(source.height, _CELLS)
    _, valid = source.read(source.window, bands, out_px=(rows, cols))
    found = np.argwhere(valid)[:, ::-1].astype(np.int16)
    return Coverage(layer, (source.width, source.height), (cols, rows), found, _facts(source))


def _facts(source: RasterSource) -> dict[str, Any]:
    return {
        "path": source.path,
        **place_of(source),
        "resolution_m": source.resolution_m,
        "width_px": source.width,
        "height_px": source.height,
    }
