"""What the pipeline is told and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nirlora.errors import OptionError
from nirlora.raster.grid import TileGrid, Window


class TileReader(Protocol):
    """Model input of a raster, such as :class:`nirlora.bands.ChannelReader`."""

    def read(
        self, window: Window, out_px: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """``(C, *out_px)`` standardised, 0 where invalid, and validity ``(H, W)`` of the raster's pixels."""
        ...

    def reopen(self) -> TileReader:
        """The same reader for another thread."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Area(Protocol):
    """The part of the raster to predict, such as :class:`nirlora.vector.aoi.Aoi`; used by many threads."""

    @property
    def window(self) -> Window:
        """A window of the raster that holds all of it."""
        ...

    def touches(self, window: Window) -> bool:
        """Whether any pixel of ``window`` is inside."""
        ...

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """``(H, W)``, True inside."""
        ...


PixelArea = Callable[[Window], NDArray[np.float64]]
"""Area in m² of one pixel of each row of a window, ``(H,)``."""


@dataclass(frozen=True)
class PredictOptions:
    """How a raster is cut into tiles, and what is predicted.

    Attributes:
        tile_px: Side of a tile in raster pixels; rounded up to whole patches.
        overlap_px: Least overlap of neighbouring tiles, in raster pixels.
        zoom: Model-input pixels per raster pixel.
        patch_px: Model input must be a multiple of this, in model-input pixels.
        aoi: Nothing is predicted outside of it; None: everywhere.
        pixel_area_m2: Gives the area of pixels; None: areas are 0.
        readers: Reading threads; 0: chosen from the device.
    """

    tile_px: int
    overlap_px: int
    zoom: float = 1.0
    patch_px: int = 1
    aoi: Area | None = None
    pixel_area_m2: PixelArea | None = None
    readers: int = 0

    def grid(self, width: int, height: int) -> TileGrid:
        """The tiles of a raster of that size, or of the part that the area of interest touches.

        Raises:
            OptionError: The numbers make no tiling.
        """
        if self.tile_px < 1 or not 0 <= self.overlap_px < self.tile_px or self.zoom <= 0:
            raise OptionError(
                f"Tiles of {self.tile_px} px with an overlap of {self.overlap_px} px do not work.",
                hint="The overlap must be smaller than the tile; a quarter of it is usual.",
            )
        multiple = (Fraction(self.patch_px) / self._zoom).numerator
        grid = TileGrid.cover(width, height, self.tile_px, self.overlap_px, multiple)
        return grid if self.aoi is None else grid.around(self.aoi.window)

    def model_px(self, grid: TileGrid) -> tuple[int, int]:
        """``(rows, cols)`` of a tile as the model sees it."""
        return int(grid.tile_h * self._zoom), int(grid.tile_w * self._zoom)

    @property
    def _zoom(self) -> Fraction:
        return Fraction(self.zoom).limit_denominator(64)


@dataclass(frozen=True)
class MapStatistics:
    """What was drawn.

    Attributes:
        pixels: Pixels per class, in value order.
        area_m2: Area per class.
        valid_pixels: Their sum.
        seconds: From the first read to the last write.
        px_per_s: Raster pixels (nodata included) of the tiles, per second.
        tiles: Tiles in all.
        skipped_tiles: Tiles without a usable pixel, for which the model was not run.
        warnings: Of the engine.
    """

    pixels: tuple[int, ...]
    area_m2: tuple[float, ...]
    valid_pixels: int
    seconds: float
    px_per_s: float
    tiles: int
    skipped_tiles: int
    warnings: tuple[str, ...]
