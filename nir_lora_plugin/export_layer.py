"""Writes a raster layer that is no local file (web map, database, virtual raster) to a GeoTIFF.

Prepared on the main thread, where layers may be touched; run on another one, on a clone of the provider.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Tuple

from osgeo import gdal
from qgis.core import (
    Qgis,
    QgsRasterBlock,
    QgsRasterBlockFeedback,
    QgsRasterDataProvider,
    QgsRasterInterface,
    QgsRasterLayer,
    QgsRasterNuller,
    QgsRasterRange,
    QgsRectangle,
)

from .errors import Cancelled, PluginError
from .export_grid import ExportGrid, Tile, export_grid
from .nodata import own_nodata, user_nodata
from .protocol import LayerRef
from .translation import translate

Report = Callable[..., None]
IsCancelled = Callable[[], bool]

_POLL_S = 0.1
_OPTIONS = ["TILED=YES", "COMPRESS=DEFLATE", "BIGTIFF=IF_SAFER", "NUM_THREADS=2"]
_IMAGES = (Qgis.DataType.ARGB32, Qgis.DataType.ARGB32_Premultiplied)
# Qgis.DataType and GDALDataType are the same numbers for these.
_GDAL_TYPES = {
    Qgis.DataType.Byte: gdal.GDT_Byte,
    Qgis.DataType.UInt16: gdal.GDT_UInt16,
    Qgis.DataType.Int16: gdal.GDT_Int16,
    Qgis.DataType.UInt32: gdal.GDT_UInt32,
    Qgis.DataType.Int32: gdal.GDT_Int32,
    Qgis.DataType.Float32: gdal.GDT_Float32,
    Qgis.DataType.Float64: gdal.GDT_Float64,
}


def prepare_export(layer: QgsRasterLayer, extent: QgsRectangle, resolution: float, path: str) -> ExportJob:
    """Make an export ready; on the main thread.

    Args:
        layer: A usable raster layer (``why_not`` is "").
        extent: Part wanted, in the layer's CRS. It is widened to whole pixels.
        resolution: Side of the (square) pixels in units of the layer's CRS; 0, or the layer's own within
            a thousandth: the layer's own pixels, bit for bit.
        path: GeoTIFF to write; replaced if it exists.

    Raises:
        PluginError: No pixel size is known, the part is empty, or the file is the layer's own.
    """
    provider = layer.dataProvider()
    grid = export_grid(provider, extent, resolution)
    if Path(path).exists() and Path(path) == Path(layer.source().split("|")[0]):
        raise PluginError(
            _tr("{} is the layer's own file.").format(path), hint=_tr("Choose another name for the copy.")
        )
    return ExportJob(provider.clone(), grid, layer.crs().toWkt(), path, _band_names(layer))


class ExportJob:
    """A layer on its way to a file. ``grid`` says how many pixels that is."""

    def __init__(
        self, provider: QgsRasterDataProvider, grid: ExportGrid, wkt: str, path: str, names: List[str]
    ) -> None:
        self.grid, self.path = grid, path
        self._provider, self._wkt, self._names = provider, wkt, names

    def run(self, report: Report, is_cancelled: IsCancelled) -> LayerRef:
        """Write the file; on any thread.

        Args:
            report: Told the fraction done, 0..1, after each tile.
            is_cancelled: Asked often, also from a helper thread.

        Returns:
            The file, which holds nodata and CRS itself.

        Raises:
            Cancelled: Then there is no new file, and an earlier one of that name is as it was.
            PluginError: The source gives no data, or the file cannot be written.
        """
        part = self.path + ".part"
        feedback = QgsRasterBlockFeedback()
        try:
            with _cancelling(feedback, is_cancelled):
                self._write(part, feedback, report, is_cancelled)
            os.replace(part, self.path)  # noqa: PTH105 - one system call, atomic
        except (OSError, RuntimeError) as error:  # RuntimeError: GDAL, where its exceptions are on
            raise _not_written(self.path, str(error)) from error
        finally:
            for left in (part, part + ".aux.xml"):
                Path(left).unlink(missing_ok=True)
        return LayerRef(path=self.path)

    def _write(
        self, part: str, feedback: QgsRasterBlockFeedback, report: Report, is_cancelled: IsCancelled
    ) -> None:
        source, nodata = _source(self._provider)
        image = self._provider.dataType(1) in _IMAGES
        file = self._create(part, image, nodata)
        tiles = list(self.grid.tiles())
        seen = False
        for done, tile in enumerate(tiles, 1):
            if image:
                seen |= self._write_image(file, source, tile, feedback)
            else:
                seen = True
                self._write_bands(file, source, tile, feedback)
            if is_cancelled():
                raise Cancelled
            report(done / len(tiles), "")
        file.FlushCache()
        failed = gdal.GetLastErrorType() == gdal.CE_Failure and gdal.GetLastErrorMsg()
        del file
        if failed:
            raise _not_written(self.path, str(failed))
        if not seen:
            raise PluginError(
                _tr("The layer gave no picture of this part: every pixel is transparent."),
                hint=_tr("Check that the map shows it, and that its server can be reached."),
            )

    def _create(self, part: str, image: bool, nodata: Optional[float]) -> Any:
        provider, grid = self._provider, self.grid
        count = 4 if image else provider.bandCount()
        options = [*_OPTIONS, "PHOTOMETRIC=RGB", "ALPHA=YES"] if image else [*_OPTIONS, "ALPHA=NO"]
        gdal.ErrorReset()
        kind = gdal.GDT_Byte if image else _gdal_type(provider)
        file = gdal.GetDriverByName("GTiff").Create(part, grid.columns, grid.rows, count, kind, options)
        if file is None:
            raise _not_written(self.path, gdal.GetLastErrorMsg())
        (width, height), (xmin, _, _, ymax) = grid.steps, grid.extent
        file.SetGeoTransform((xmin, width, 0.0, ymax, 0.0, -height))
        if self._wkt:
            file.SetProjection(self._wkt)
        for band in range(1, count + 1):
            if not image and self._names[band - 1]:
                file.GetRasterBand(band).SetDescription(self._names[band - 1])
            if not image and nodata is not None:
                file.GetRasterBand(band).SetNoDataValue(nodata)
        return file

    def _write_bands(
        self,
        file: Any,
        source: QgsRasterInterface,
        tile: Tile,
        feedback: QgsRasterBlockFeedback,
    ) -> None:
        kind = _gdal_type(self._provider)
        for band in range(1, file.RasterCount + 1):
            block = self._block(source, band, tile, feedback)
            if gdal.GetDataTypeSize(kind) != 8 * block.dataTypeSize():
                block.convert(_qgis_type(kind))
            data = bytes(block.data())
            file.GetRasterBand(band).WriteRaster(*tile, data, tile[2], tile[3], kind)

    def _write_image(
        self,
        file: Any,
        source: QgsRasterInterface,
        tile: Tile,
        feedback: QgsRasterBlockFeedback,
    ) -> bool:
        """Write red, green, blue and alpha of a rendered picture; say whether anything is in it."""
        block = self._block(source, 1, tile, feedback)
        if block.dataType() != Qgis.DataType.ARGB32:
            block.convert(Qgis.DataType.ARGB32)
        data = bytes(block.data())  # blue, green, red, alpha: QGIS runs on little-endian machines
        columns, rows = tile[2], tile[3]
        file.WriteRaster(*tile, data, columns, rows, gdal.GDT_Byte, [3, 2, 1, 4], 4, 4 * columns, 1)
        return any(data[3::4])

    def _block(
        self,
        source: QgsRasterInterface,
        band: int,
        tile: Tile,
        feedback: QgsRasterBlockFeedback,
    ) -> QgsRasterBlock:
        block = source.block(band, self.grid.rectangle(tile), tile[2], tile[3], feedback)
        if feedback.isCanceled():
            raise Cancelled
        if block is None or not block.isValid() or block.isEmpty():
            errors = "; ".join(feedback.errors())
            raise PluginError(
                _tr("The layer could not be read. {}").format(errors).strip(),
                hint=_tr("Is its server reachable, or its source still there?"),
            )
        return block


def _source(provider: QgsRasterDataProvider) -> Tuple[QgsRasterInterface, Optional[float]]:
    """What to read blocks of, and the nodata value in them.

    With nodata ranges of the user's, a filter writes one value of those ranges, which no valid pixel has,
    into every nodata pixel.
    """
    ranges = user_nodata(provider)
    if not ranges:
        return provider, own_nodata(provider)
    value = min(ranges)[0]
    nuller = QgsRasterNuller()
    for band in range(1, provider.bandCount() + 1):
        nuller.setNoData(band, [QgsRasterRange(low, high) for low, high in ranges])
        nuller.setOutputNoDataValue(band, value)
    nuller.setInput(provider)
    return nuller, value


def _gdal_type(provider: QgsRasterDataProvider) -> int:
    """GDAL's type of the file: the widest of the bands'."""
    kinds = [_GDAL_TYPES.get(provider.dataType(b), 0) for b in range(1, provider.bandCount() + 1)]
    if 0 in kinds:
        return int(gdal.GDT_Float32)
    kind = kinds[0]
    for other in kinds[1:]:
        kind = gdal.DataTypeUnion(kind, other)
    return int(kind)


def _qgis_type(kind: int) -> Any:
    return next(key for key, value in _GDAL_TYPES.items() if value == kind)


def _band_names(layer: QgsRasterLayer) -> List[str]:
    """What the source calls its bands; "" where it does not. QGIS shows ``Band 1: name (Gray)``."""
    names = []
    for band in range(1, layer.bandCount() + 1):
        name = layer.dataProvider().generateBandName(band)
        _, _, own = name.partition(": ")
        names.append(own.strip())
    return names


@contextmanager
def _cancelling(feedback: QgsRasterBlockFeedback, is_cancelled: IsCancelled) -> Iterator[None]:
    """Pass a cancel on while a provider waits for its server."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_S):
            if is_cancelled():
                feedback.cancel()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _not_written(path: str, why: str) -> PluginError:
    return PluginError(
        _tr("{} could not be written: {}").format(path, why),
        hint=_tr("Is the disk full, the folder write-protected, or the file open elsewhere?"),
    )


def _tr(text: str) -> str:
    return translate("ExportLayer", text)
