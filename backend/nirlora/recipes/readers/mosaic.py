"""Thousands of photographs as one raster, without copying them: a GDAL virtual raster, side by side.

Training and mapping then work on it as on any raster. Between the photographs lies a gutter that is nodata,
so that chips do not mix two of them; labels are brought to class values as they are read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from nirlora.errors import DataMissing
from nirlora.protocol import NO_CLASS, ClassInfo, LayerRef
from nirlora.protocol.codec import to_dict
from nirlora.raster.outputs import write_text
from nirlora.raster.source import open_raster
from nirlora.recipes.readers.base import Tick, thinned

GUTTER_PX = 768  # at least the side of a chip
_COLORS = ("Red", "Green", "Blue")
_TYPES = {"uint8": "Byte", "uint16": "UInt16"}


@dataclass(frozen=True)
class Pair:
    """A photograph and its labels, if there are any."""

    image: Path
    labels: Path | None


def pairs_of(
    folder: Path, pattern: str, labels: Callable[[Path], Path] | None, options: Mapping[str, Any]
) -> list[Pair]:
    """The photographs of a folder, sorted; at most ``options["most"]``, drawn alike from all.

    Raises:
        DataMissing: There are none, or one has no labels.
    """
    images = thinned(sorted(folder.glob(pattern)), options.get("most", 0))
    if not images:
        raise DataMissing(f"There are no images {pattern} in {folder}.")
    pairs = [Pair(image, labels(image) if labels else None) for image in images]
    for pair in pairs:
        if pair.labels is not None and not pair.labels.is_file():
            raise DataMissing(f"{pair.image.name} has no labels {pair.labels}.")
    return pairs


class Mosaic:
    """Photographs in rows and columns, each in a cell that holds the largest of them and a gutter."""

    def __init__(self, pairs: Sequence[Pair], gutter_px: int, tick: Tick) -> None:
        self._pairs = list(pairs)
        self._sizes = []
        for number, pair in enumerate(pairs):
            if number % 256 == 0:
                tick(f"looking at photographs, {number} of {len(pairs)}")
            with open_raster(pair.image) as source:
                if source.count < 3 or source.dtype != "uint8":
                    raise DataMissing(f"{pair.image} is no RGB image of bytes.")
                self._sizes.append((source.width, source.height))
        self._types = ["Byte", "Byte"]
        if self._pairs[0].labels is not None:
            with open_raster(self._pairs[0].labels) as source:
                self._types[1] = _TYPES.get(source.dtype, "Byte")
        self._cell = (max(w for w, _ in self._sizes) + gutter_px, max(h for _, h in self._sizes) + gutter_px)
        self._columns = math.ceil(math.sqrt(len(pairs) * self._cell[1] / self._cell[0]))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        columns = min(self._columns, len(self._pairs))
        return columns * self._cell[0], math.ceil(len(self._pairs) / self._columns) * self._cell[1]

    def place(self, number: int) -> tuple[int, int]:
        """(column, row) of the upper left pixel of a photograph."""
        return number % self._columns * self._cell[0], number // self._columns * self._cell[1]

    def write(self, stem: Path, values: Mapping[int, int], classes: Sequence[ClassInfo]) -> LayerRef:
        """Write ``<stem>.vrt`` and, where there are labels, ``<stem>_labels.vrt``.

        Args:
            stem: Path without a suffix.
            values: Label in the files -> class value; all others become unlabelled.
            classes: Names and colours of the class values.
        """
        image = stem.with_suffix(".vrt")
        bands = [self._image_band(band) for band in (1, 2, 3)]
        write_text(image, self._dataset([*bands, self._mask()], ""))
        if any(pair.labels is None for pair in self._pairs):
            return LayerRef(str(image))
        labels = stem.with_name(f"{stem.name}_labels.vrt")
        named = escape(json.dumps([to_dict(c) for c in classes]))
        tag = f'<Metadata><MDI key="CLASSES">{named}</MDI></Metadata>'
        write_text(labels, self._dataset([self._label_band(values)], tag))
        return LayerRef(str(image), str(labels))

    def _dataset(self, parts: Sequence[str], head: str) -> str:
        width, height = self.size
        body = "\n".join(parts)
        return f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{head}\n{body}\n</VRTDataset>\n'

    def _image_band(self, band: int) -> str:
        sources = "\n".join(
            self._source("SimpleSource", pair.image, band, i, "") for i, pair in enumerate(self._pairs)
        )
        color = f"<ColorInterp>{_COLORS[band - 1]}</ColorInterp>"
        return f'<VRTRasterBand dataType="Byte" band="{band}">{color}\n{sources}\n</VRTRasterBand>'

    def _mask(self) -> str:
        """255 wherever there is a photograph, whatever its pixels."""
        always = "<ScaleOffset>255</ScaleOffset><ScaleRatio>0</ScaleRatio>"
        sources = "\n".join(
            self._source("ComplexSource", pair.image, 1, i, always) for i, pair in enumerate(self._pairs)
        )
        return f'<MaskBand><VRTRasterBand dataType="Byte">\n{sources}\n</VRTRasterBand></MaskBand>'

    def _label_band(self, values: Mapping[int, int]) -> str:
        table = ",".join(f"{number}:{values.get(number, NO_CLASS)}" for number in range(256))
        sources = "\n".join(
            self._source("ComplexSource", pair.labels, 1, i, f"<LUT>{table}</LUT>")
            for i, pair in enumerate(self._pairs)
            if pair.labels
        )
        nodata = f"<NoDataValue>{NO_CLASS}</NoDataValue>"
        return f'<VRTRasterBand dataType="Byte" band="1">{nodata}\n{sources}\n</VRTRasterBand>'

    def _source(self, kind: str, path: Path, band: int, number: int, treatment: str) -> str:
        (width, height), (col, row) = self._sizes[number], self.place(number)
        dtype = self._types[path == self._pairs[number].labels]
        area = f'xSize="{width}" ySize="{height}"'
        return (
            f'<{kind}><SourceFilename relativeToVRT="0">{escape(str(path.resolve()))}</SourceFilename>'
            f"<SourceBand>{band}</SourceBand>"
            f'<SourceProperties RasterXSize="{width}" RasterYSize="{height}" DataType="{dtype}"/>'
            f'<SrcRect xOff="0" yOff="0" {area}/><DstRect xOff="{col}" yOff="{row}" {area}/>'
            f"{treatment}</{kind}>"
        )
