"""Which pixels an export writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Tuple

from qgis.core import QgsRasterDataProvider, QgsRectangle

from .errors import PluginError
from .translation import translate

TILE_PX = 512
Tile = Tuple[int, int, int, int]
"""A window: column, row, columns, rows."""
_SAME_RESOLUTION = 1e-3  # relative; people see rounded pixel sizes


@dataclass(frozen=True)
class ExportGrid:
    """The pixels to write: ``columns`` x ``rows`` over ``extent`` (xmin, ymin, xmax, ymax)."""

    columns: int
    rows: int
    extent: Tuple[float, float, float, float]

    @property
    def steps(self) -> Tuple[float, float]:
        """Width and height of a pixel."""
        xmin, ymin, xmax, ymax = self.extent
        return (xmax - xmin) / self.columns, (ymax - ymin) / self.rows

    def tiles(self) -> Iterator[Tile]:
        """Windows (column, row, columns, rows) that cover the grid."""
        for row in range(0, self.rows, TILE_PX):
            for column in range(0, self.columns, TILE_PX):
                yield column, row, min(TILE_PX, self.columns - column), min(TILE_PX, self.rows - row)

    def rectangle(self, tile: Tile) -> QgsRectangle:
        """Extent of a window."""
        column, row, columns, rows = tile
        (xmin, _, _, ymax), (width, height) = self.extent, self.steps
        return QgsRectangle(
            xmin + column * width,
            ymax - (row + rows) * height,
            xmin + (column + columns) * width,
            ymax - row * height,
        )


def export_grid(provider: QgsRasterDataProvider, extent: QgsRectangle, resolution: float) -> ExportGrid:
    """Pixels that cover ``extent``: on the layer's own grid if its resolution is wanted, else square.

    Pixels of a map service must be square: it draws other ones misplaced and says nothing.

    Raises:
        PluginError: No pixel size is known, or the part is empty.
    """
    whole = provider.extent()
    columns, rows = provider.xSize(), provider.ySize()
    if columns > 0 and rows > 0:
        width = whole.width() / columns
        if not resolution or abs(resolution - width) <= _SAME_RESOLUTION * width:
            return _own_grid(whole, columns, rows, extent)
    if not resolution > 0:
        raise PluginError(
            _tr("The layer has no pixel size of its own."), hint=_tr("Choose the pixel size of the copy.")
        )
    part = extent if whole.isEmpty() else extent.intersect(whole)
    if part.isEmpty():
        raise _empty()
    columns = max(1, round(part.width() / resolution))
    rows = max(1, round(part.height() / resolution))
    xmin, ymax = part.xMinimum(), part.yMaximum()
    return ExportGrid(columns, rows, (xmin, ymax - rows * resolution, xmin + columns * resolution, ymax))


def _own_grid(whole: QgsRectangle, columns: int, rows: int, extent: QgsRectangle) -> ExportGrid:
    width, height = whole.width() / columns, whole.height() / rows
    slack = 1e-6  # of a pixel: an extent that ends on an edge ends there

    def first(offset: float) -> int:
        return int(offset + slack) if offset > 0 else 0

    left = first((extent.xMinimum() - whole.xMinimum()) / width)
    top = first((whole.yMaximum() - extent.yMaximum()) / height)
    right = columns - first((whole.xMaximum() - extent.xMaximum()) / width)
    bottom = rows - first((extent.yMinimum() - whole.yMinimum()) / height)
    if right <= left or bottom <= top:
        raise _empty()
    box = (
        whole.xMinimum() + left * width,
        whole.yMaximum() - bottom * height,
        whole.xMinimum() + right * width,
        whole.yMaximum() - top * height,
    )
    return ExportGrid(right - left, bottom - top, box)


def _empty() -> PluginError:
    return PluginError(_tr("The part wanted lies outside the layer."), hint=_tr("Choose another part."))


def _tr(text: str) -> str:
    return translate("ExportLayer", text)
