"""The pipeline: threads read tiles ahead, the device predicts, a thread writes finished blocks behind."""

from __future__ import annotations

import os
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nirlora.inference.blend import RowBlender
from nirlora.inference.decode import Decoded, decode
from nirlora.inference.engine import Engine
from nirlora.inference.options import MapStatistics, PredictOptions, TileReader
from nirlora.protocol import NO_CLASS, Progress
from nirlora.raster.cache import block_cache
from nirlora.raster.grid import TileGrid, Window
from nirlora.raster.writer import MapBlock, MapWriter

_MAX_SKIPPED = 256  # tiles passed over before progress is told again


@dataclass(frozen=True)
class _Tile:
    """A tile as read: ``keep`` ``(tile_h, tile_w)`` says which pixels get a class; ``x`` None: none does."""

    window: Window
    x: torch.Tensor | None
    keep: NDArray[np.bool_]


def predict_map(
    reader: TileReader,
    engine: Engine,
    writer: MapWriter,
    options: PredictOptions,
    progress: Callable[[Progress], None] | None = None,
) -> MapStatistics:
    """Predict a whole raster into ``writer``. Memory is bounded by a row of tiles.

    The writer is neither finalised nor aborted here: use it in a ``with`` block and call ``finalise`` after.

    Args:
        reader: Of the raster; only its ``reopen`` is used.
        engine: The model.
        writer: Opened on the same raster.
        options: Tiling, area of interest, pixel areas.
        progress: Told after every batch; ``fraction`` is of the prediction alone. What it raises
            (``JobCancelled``) ends the run and is passed on.

    Raises:
        OptionError: Tile and overlap do not fit.
        RasterError: The raster cannot be read.
        OutputError: A result cannot be written.
        DeviceError: One tile does not fit into the device.
    """
    grid = options.grid(writer.width, writer.height)
    tally = _Tally(engine.num_classes, options)
    meter = _Meter(len(grid), grid.covered_px, progress)
    readers = options.readers or _num_readers(engine.device)
    cache = writer.cache_bytes(grid.tile_h, readers)
    with block_cache(cache), ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        blender = RowBlender(grid, engine.device)
        tiles = stack.enter_context(_TilesAhead(reader, readers, grid, options, engine.batch))
        behind = stack.enter_context(_WriterBehind(writer, tally))
        for batch in _batches(tiles, engine):
            live = [tile.x for tile in batch if tile.x is not None]
            logits = _predict(engine, live, (grid.tile_h, grid.tile_w))
            for tile in batch:
                window, block = blender.add(None if tile.x is None else next(logits))
                if block is not None:
                    outputs = writer.outputs
                    decoded = decode(
                        block,
                        confidence=outputs.confidence is not None,
                        probabilities=outputs.probabilities is not None,
                    )
                    behind.submit(window, decoded, _crop(tile, window))
            meter.advance(len(batch), len(batch) - len(live))
        behind.drain()
    return tally.statistics(meter, engine)


def _num_readers(device: torch.device) -> int:
    """One thread keeps up with a CPU that predicts; a GPU needs several to decode and scale for it."""
    return 1 if device.type == "cpu" else min(4, os.cpu_count() or 1)


def _predict(engine: Engine, live: list[torch.Tensor], out_px: tuple[int, int]) -> Iterator[torch.Tensor]:
    if not live:
        return iter(())
    batch = live[0][None] if len(live) == 1 else torch.stack(live)
    return iter(engine.predict(batch, out_px))


def _crop(tile: _Tile, window: Window) -> NDArray[np.bool_]:
    rows, cols = window.shift(-tile.window.col_off, -tile.window.row_off).slices
    return tile.keep[rows, cols]


def _batches(tiles: Iterator[_Tile], engine: Engine) -> Iterator[list[_Tile]]:
    """Runs of tiles with at most ``engine.batch`` to predict."""
    batch: list[_Tile] = []
    live = 0
    for tile in tiles:
        batch.append(tile)
        live += tile.x is not None
        if live >= engine.batch or len(batch) >= _MAX_SKIPPED:
            yield batch
            batch, live = [], 0
    if batch:
        yield batch


class _TilesAhead:
    """Iterates the tiles in order while threads, each with its own file handle, read the next ones."""

    def __init__(
        self, reader: TileReader, readers: int, grid: TileGrid, options: PredictOptions, batch: int
    ) -> None:
        self._grid, self._aoi = grid, options.aoi
        self._model_px = options.model_px(grid)
        self._ahead = readers + 2 * batch
        self._handles: queue.SimpleQueue[TileReader] = queue.SimpleQueue()
        for _ in range(readers):
            self._handles.put(reader.reopen())
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="read")

    def __enter__(self) -> Iterator[_Tile]:
        return self._run()

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        while not self._handles.empty():
            self._handles.get().close()

    def _run(self) -> Iterator[_Tile]:
        windows = iter(self._grid)
        pending: deque[Future[_Tile]] = deque()
        while True:
            while len(pending) < self._ahead and (window := next(windows, None)) is not None:
                pending.append(self._pool.submit(self._load, window))
            if not pending:
                return
            yield pending.popleft().result()

    def _load(self, window: Window) -> _Tile:
        nothing = np.zeros(window.shape, dtype=np.bool_)
        if self._aoi is not None and not self._aoi.touches(window):
            return _Tile(window, None, nothing)
        handle = self._handles.get()
        try:
            x, keep = handle.read(window, self._model_px)
        finally:
            self._handles.put(handle)
        if self._aoi is not None and keep.any():
            keep = keep & self._aoi.mask(window)
        return _Tile(window, torch.from_numpy(x) if keep.any() else None, keep)


class _WriterBehind:
    """Writes and counts blocks in a thread, at most a few behind."""

    def __init__(self, writer: MapWriter, tally: _Tally, behind: int = 4) -> None:
        self._writer, self._tally, self._behind = writer, tally, behind
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._pending: deque[Future[None]] = deque()

    def submit(self, window: Window, decoded: Decoded, keep: NDArray[np.bool_]) -> None:
        """Hand over a block; raises what an earlier one failed with."""
        while len(self._pending) >= self._behind or (self._pending and self._pending[0].done()):
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._write, window, decoded, keep))

    def drain(self) -> None:
        """Wait for all blocks."""
        while self._pending:
            self._pending.popleft().result()

    def __enter__(self) -> _WriterBehind:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _write(self, window: Window, decoded: Decoded, keep: NDArray[np.bool_]) -> None:
        block = MapBlock(*(None if t is None else t.cpu().numpy() for t in decoded))  # type: ignore[arg-type]
        drop = ~keep
        for values in (block.classes, block.confidence):
            if values is not None:
                values[drop] = NO_CLASS
        if block.probabilities is not None:
            block.probabilities[:, drop] = NO_CLASS
        self._writer.write(window, block)
        self._tally.count(window, block.classes)


class _Tally:
    """Pixels and areas per class, block by block."""

    def __init__(self, num_classes: int, options: PredictOptions) -> None:
        self._area = options.pixel_area_m2
        self._pixels = np.zeros(num_classes, dtype=np.int64)
        self._area_m2 = np.zeros(num_classes, dtype=np.float64)

    def count(self, window: Window, classes: NDArray[np.uint8]) -> None:
        rows = len(classes)
        keys = classes + (np.arange(rows, dtype=np.int32) * 256)[:, None]
        counts = np.bincount(keys.ravel(), minlength=rows * 256).reshape(rows, 256)[:, : len(self._pixels)]
        self._pixels += counts.sum(axis=0)
        if self._area is not None:
            self._area_m2 += self._area(window) @ counts

    def statistics(self, meter: _Meter, engine: Engine) -> MapStatistics:
        seconds = meter.seconds
        return MapStatistics(
            pixels=tuple(int(n) for n in self._pixels),
            area_m2=tuple(float(a) for a in self._area_m2),
            valid_pixels=int(self._pixels.sum()),
            seconds=seconds,
            px_per_s=meter.raster_px / max(seconds, 1e-9),
            tiles=meter.total,
            skipped_tiles=meter.skipped,
            warnings=tuple(engine.warnings),
        )


class _Meter:
    """Tells progress: fraction, speed, and time left."""

    def __init__(self, total: int, raster_px: int, progress: Callable[[Progress], None] | None) -> None:
        self.total, self.raster_px = total, raster_px
        self.done = self.skipped = 0
        self._progress = progress
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def advance(self, tiles: int, skipped: int) -> None:
        self.done += tiles
        self.skipped += skipped
        if self._progress is None:
            return
        fraction, seconds = self.done / self.total, self.seconds
        # Skipped tiles take next to no time, so only predicted ones tell how long the rest may take.
        predicted = self.done - self.skipped
        eta = (self.total - self.done) * seconds / predicted if predicted else None
        speed = fraction * self.raster_px / max(seconds, 1e-9)
        self._progress(
            Progress("segment", fraction, f"tile {self.done} of {self.total}", eta, {"px_per_s": speed})
        )
