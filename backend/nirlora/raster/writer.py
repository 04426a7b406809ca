"""Writing the results of segmenting: opened before the first prediction, renamed when whole."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from nirlora.errors import OutputError, OutputPathError
from nirlora.protocol import NO_CLASS, ClassInfo
from nirlora.raster.cog import BLOCK_PX, lost_georeference, write_cog
from nirlora.raster.grid import Window
from nirlora.raster.outputs import check_output, publish, remove_temporary, with_suffix, write_text
from nirlora.raster.source import RasterSource
from nirlora.raster.style import colour_table, pam_xml, qml

_LEAST_CACHE, _MOST_CACHE = 48 * 2**20, 2**30  # bytes


@dataclass(frozen=True)
class MapOutputs:
    """What to write.

    Attributes:
        map: The class raster, uint8, value of the class, nodata 255.
        confidence: Probability of the class drawn, uint8 percent 0..100, nodata 255; None: not wanted.
        probabilities: The same for every class, one band each; None: not wanted.
        overwrite: Whether existing files may be replaced.
        tags: Further metadata of all files.
    """

    map: Path
    confidence: Path | None = None
    probabilities: Path | None = None
    overwrite: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)

    def wanted(self) -> dict[str, Path]:
        """Kind of output -> path."""
        paths = {"map": self.map, "confidence": self.confidence, "probabilities": self.probabilities}
        return {kind: path for kind, path in paths.items() if path is not None}


@dataclass(frozen=True)
class MapBlock:
    """Finished pixels of one window, nodata already 255.

    Attributes:
        classes: ``(rows, cols)`` uint8.
        confidence: ``(rows, cols)`` uint8 percent, or None.
        probabilities: ``(K, rows, cols)`` uint8 percent, or None.
    """

    classes: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None = None
    probabilities: NDArray[np.uint8] | None = None


class MapWriter:
    """Output rasters on the grid of ``source``, bit for bit. Leaving the ``with`` block early removes them.

    Pixels never written stay nodata, and cost neither time nor space. Writing may happen in another
    thread than opening, one at a time.

    Attributes:
        width, height: Of the raster.
        outputs: As asked for.
        classes: In value order.
    """

    def __init__(self, outputs: MapOutputs, source: RasterSource, classes: Sequence[ClassInfo]) -> None:
        """Check every path and open every file.

        Raises:
            OutputError: One cannot be written; then none is left behind.
        """
        self.outputs = outputs
        self.classes = tuple(sorted(classes, key=lambda c: c.value))
        self.width, self.height = source.width, source.height
        self._source_row = (
            source.width * source.count * np.dtype(source.dtype).itemsize,
            source.block_shape[0],
        )
        self._grid = {"transform": source.transform, "crs": source.crs}
        self._files: dict[str, Any] = {}
        self._sidecar = ""
        wanted = outputs.wanted()
        if len({p.resolve() for p in wanted.values()}) < len(wanted):
            raise OutputPathError("Two outputs have the same path.", hint="Give each output its own name.")
        for path in (*wanted.values(), self.style_path):
            check_output(path, overwrite=outputs.overwrite, inputs=[source.path])
        try:
            for kind, path in wanted.items():
                remove_temporary(path)  # of a run that was killed
                self._files[kind] = self._open(kind, path)
        except BaseException:
            self.abort()
            raise

    @property
    def style_path(self) -> Path:
        """The QGIS style beside the map."""
        return self.outputs.map.with_suffix(".qml")

    def cache_bytes(self, tile_rows: int, readers: int = 1) -> int:
        """GDAL block cache that a row of tiles needs, so that no block is read or packed twice.

        Whole rows, because a file in strips is decoded in whole rows whatever window is asked for.

        Args:
            tile_rows: Height of a tile in pixels.
            readers: Handles that read the raster at the same time.
        """
        row_bytes, block_rows = self._source_row
        reading = row_bytes * min(tile_rows + block_rows, self.height) * readers
        bands = sum(int(file.count) for file in self._files.values())
        return min(max(reading + self.width * bands * 2 * BLOCK_PX, _LEAST_CACHE), _MOST_CACHE)

    def write(self, window: Window, block: MapBlock) -> None:
        """Write one finished block into all outputs.

        Raises:
            OutputError: The disk is full, say.
        """
        arrays = {
            "map": block.classes,
            "confidence": block.confidence,
            "probabilities": block.probabilities,
        }
        try:
            for kind, file in self._files.items():
                values = arrays[kind]
                if values is None:
                    raise ValueError(f"the block has no {kind}")
                bands = file.indexes if kind == "probabilities" else 1
                file.write(values, bands, window=window.to_rasterio())
        except RasterioError as error:
            raise OutputError(
                f"Writing beside {self.outputs.map} failed: {error}.", hint="Is the disk full?"
            ) from error

    def pack(self, tick: Callable[[], None] | None = None) -> Path:
        """Make every output whole under a temporary name; nothing more can be written then.

        Args:
            tick: Called often; may raise to stop, and nothing is left behind.

        Returns:
            The map, to be read until :meth:`finalise`.

        Raises:
            OutputError: The disk is full, say; nothing is left behind.
        """
        try:
            self._close()
            for kind, path in self.outputs.wanted().items():
                part, whole = with_suffix(path, ".part"), with_suffix(path, ".part.cog")
                write_cog(part, whole, resampling="mode" if kind == "map" else "average", tick=tick)
                part.unlink()
                if kind == "map":
                    self._sidecar = pam_xml(self.classes, lost_georeference(whole, **self._grid))
                    write_text(with_suffix(whole, ".aux.xml"), self._sidecar)
        except BaseException:
            self.abort()
            raise
        return with_suffix(self.outputs.map, ".part.cog")

    def finalise(self) -> dict[str, str]:
        """Make the outputs whole, unless :meth:`pack` did, and give them their names.

        Returns:
            Kind -> path: ``map``, ``style``, and ``confidence`` and ``probabilities`` where wanted.

        Raises:
            OutputError: The disk is full, or a file of that name is in use; nothing new is left behind.
        """
        wanted = self.outputs.wanted()
        if not self._sidecar:
            self.pack()
        try:
            for kind, path in reversed(wanted.items()):  # the map last: where it is, all is
                publish(path, with_suffix(path, ".part.cog"))
                if kind == "map":
                    write_text(with_suffix(path, ".aux.xml"), self._sidecar)
            write_text(self.style_path, qml(self.classes))
        finally:
            self.abort()
        return {kind: str(path) for kind, path in wanted.items()} | {"style": str(self.style_path)}

    def abort(self) -> None:
        """Remove everything unfinished; finished files of an earlier run stay. May be called twice."""
        try:
            self._close()
        except OutputError:
            pass  # it is being thrown away
        finally:
            for path in self.outputs.wanted().values():
                remove_temporary(path)

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _open(self, kind: str, path: Path) -> Any:
        names = [c.name for c in self.classes]
        count = len(names) if kind == "probabilities" else 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                file = rasterio.open(
                    with_suffix(path, ".part"),
                    "w",
                    driver="GTiff",
                    width=self.width,
                    height=self.height,
                    count=count,
                    dtype="uint8",
                    nodata=NO_CLASS,
                    tiled=True,
                    blockxsize=BLOCK_PX,
                    blockysize=BLOCK_PX,
                    compress="deflate",
                    interleave="band",
                    BIGTIFF="IF_SAFER",
                    SPARSE_OK=True,
                    **self._grid,
                )
        except RasterioError as error:
            raise OutputError(f"{path} cannot be created: {error}.", hint="Choose another path.") from error
        file.update_tags(**self._tags())
        if kind == "map":
            file.write_colormap(1, colour_table(self.classes, NO_CLASS))
            file.set_band_description(1, "class")
        elif kind == "confidence":
            file.set_band_description(1, "confidence (percent)")
        else:
            file.descriptions = names
        return file

    def _tags(self) -> dict[str, str]:
        listed = [{"value": c.value, "name": c.name, "color": c.color} for c in self.classes]
        tags = {f"CLASS_{c.value}": c.name for c in self.classes}
        return {**tags, "CLASSES": json.dumps(listed), **self.outputs.tags}

    def _close(self) -> None:
        files, self._files = list(self._files.values()), {}
        failure: RasterioError | None = None
        for file in files:
            try:
                file.close()
            except RasterioError as error:
                failure = error
        if failure is not None:
            raise OutputError(
                f"Writing beside {self.outputs.map} failed: {failure}.", hint="Is the disk full?"
            ) from failure
