"""Class maps as polygons in a GeoPackage."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.features import shapes

from nirlora.errors import OutputError
from nirlora.protocol import NO_CLASS, ClassInfo
from nirlora.raster.grid import Window
from nirlora.raster.outputs import publish, temporary_folder
from nirlora.raster.source import open_raster

from .area import AreaModel, PolygonAreas
from .geodesy import crs_positions, pixel_positions
from .reading import Geometries
from .sieve import sieve_map

LAYER = "map"
_BATCH = 20_000
_CROP_ROWS = 512


@dataclass(frozen=True)
class PolygoniseResult:
    """How many polygons were written, and how many too small ones could not be merged and were dropped."""

    polygons: int
    dropped: int


def polygonise(
    map_path: str | Path,
    out_path: str | Path,
    classes: Sequence[ClassInfo],
    *,
    min_area_m2: float = 0.0,
    window: Window | None = None,
    tick: Callable[[], None] | None = None,
) -> PolygoniseResult:
    """Outline the patches of a class map.

    One polygon per 4-connected patch, along the edges of its pixels, in the CRS of the map (rotated grids
    too), with fields ``value, name, color, area_m2, area_ha``; areas are on the ellipsoid. Patches under
    the minimum take the class of their largest neighbour; those without a neighbour (islands in nodata),
    and those that are still too small, are dropped. Memory follows the number of vertices, not of pixels.

    Args:
        map_path: uint8 class raster; its nodata value (255 if it has none) and values that are no class
            have no polygons.
        out_path: ``.gpkg``; written under a temporary name and renamed when whole. Layer ``map``.
        classes: Names and colours of the values.
        window: The part of the map to outline, if not all: nothing else is read.
        min_area_m2: In m² on the ground (squared pixels if the map has no CRS); 0: keep all.
        tick: Called now and then; may raise to stop, and nothing is left behind.

    Raises:
        RasterError: The map cannot be opened.
        OutputError: The polygons cannot be written.
    """
    target = Path(out_path)
    tick = tick or (lambda: None)
    try:
        with temporary_folder(target) as folder:
            part = folder / "polygons.gpkg"
            read = Path(map_path)
            if window is not None:
                read = _crop(read, window, folder / "cropped.tif", tick)
            with open_raster(str(read)) as source:
                areas = AreaModel(source.transform, source.crs, source.width, source.height)
                nodata = NO_CLASS if source.nodata[0] is None else int(source.nodata[0])
            infos = {c.value: c for c in classes if c.value != nodata}
            if min_area_m2 > 0:
                whole, read = read, folder / "sieved.tif"
                with _open(whole) as file:
                    sieve_map(file, read, nodata, areas, min_area_m2, tick)
            with _open(read) as file:
                writer = _Writer(part, file, areas, min_area_m2)
                writer.append(np.zeros(0, dtype=object), np.zeros(0, dtype=np.int32), infos)
                for polygons, values in _patches(file, frozenset(infos)):
                    tick()
                    writer.append(polygons, values, infos)
            publish(target, part)
    except (RasterioError, DataSourceError, OSError) as error:
        raise OutputError(
            f"{target} cannot be written: {error}.",
            hint="Is the folder there and writable, the disk full, or the file open in QGIS?",
        ) from error
    return PolygoniseResult(writer.written, writer.dropped)


def is_polygon_map(path: Path) -> bool:
    """Whether a file is what :func:`polygonise` writes, so that replacing it loses nobody's drawings."""
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
        fields = set(pyogrio.read_info(path, layer=LAYER)["fields"]) if LAYER in names else set()
    except (DataSourceError, DataLayerError):
        return False
    return names == [LAYER] and fields >= {"value", "name", "color", "area_m2"}


def _open(path: str | Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path)


def _crop(path: Path, window: Window, out_path: Path, tick: Callable[[], None]) -> Path:
    """Write a part of a class map as a map of its own."""
    with _open(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        t = file.transform
        corner = crs_positions(t, np.array([window.col_off]), np.array([window.row_off]))
        profile = {
            "driver": "GTiff", "width": window.width, "height": window.height, "count": 1, "dtype": "uint8",
            "nodata": file.nodata, "crs": file.crs, "compress": "deflate", "zlevel": 1, "BIGTIFF": "IF_SAFER",
            "transform": Affine(t.a, t.b, float(corner[0][0]), t.d, t.e, float(corner[1][0])),
        }  # fmt: skip
        with rasterio.open(out_path, "w", **profile) as out:
            for row in range(0, window.height, _CROP_ROWS):
                tick()
                rows = min(_CROP_ROWS, window.height - row)
                strip = Window(window.col_off, window.row_off + row, window.width, rows)
                here = ((row, row + rows), (0, window.width))
                out.write(file.read(1, window=strip.to_rasterio()), 1, window=here)
    return out_path


def _patches(file: Any, values: frozenset[int]) -> Iterator[tuple[Geometries, NDArray[np.int32]]]:
    """Outlines, in pixel coordinates, of the patches of the wanted values, and the values.

    GDAL reads the band line by line and gives CRS coordinates; their pixel corners are whole numbers.
    """

    def onto_grid(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.rint(np.column_stack(pixel_positions(file.transform, xy[:, 0], xy[:, 1])))

    found = ((p, int(v)) for p, v in shapes(rasterio.band(file, 1), connectivity=4) if int(v) in values)
    while batch := list(itertools.islice(found, _BATCH)):
        polygons = [shapely.Polygon(p["coordinates"][0], p["coordinates"][1:]) for p, _ in batch]
        outlines = shapely.transform(np.array(polygons, dtype=object), onto_grid)
        yield outlines, np.array([v for _, v in batch], dtype=np.int32)


class _Writer:
    """Appends patches to a GeoPackage, those that are large enough."""

    def __init__(self, part: Path, map_file: Any, areas: AreaModel, min_area_m2: float) -> None:
        self._part, self._transform = part, map_file.transform
        self._crs = map_file.crs.to_wkt() if map_file.crs else None
        self._measure, self._min_area = PolygonAreas(areas), min_area_m2 * (1 - 1e-9)
        self.written = self.dropped = 0

    def append(self, polygons: Geometries, values: NDArray[np.int32], classes: dict[int, ClassInfo]) -> None:
        """Write polygons ``(N,)`` in pixel coordinates; none make an empty layer."""
        area = self._measure.of(polygons) if len(polygons) else np.zeros(0)
        good = area >= self._min_area
        self.written += int(good.sum())
        self.dropped += int((~good).sum())
        infos = [classes[v] for v in values[good].tolist()]
        columns = {
            "value": values[good],
            "name": np.array([c.name for c in infos], dtype=object),
            "color": np.array([c.color for c in infos], dtype=object),
            "area_m2": area[good],
            "area_ha": area[good] / 10_000,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks of the driver, on a missing CRS for one
            pyogrio.raw.write(
                self._part,
                shapely.to_wkb(shapely.transform(polygons[good], self._onto_ground)),
                list(columns.values()),
                list(columns),
                layer=LAYER,
                driver="GPKG",
                geometry_type="Polygon",
                crs=self._crs,
                append=self._part.exists(),
            )

    def _onto_ground(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(crs_positions(self._transform, xy[:, 0], xy[:, 1]))
