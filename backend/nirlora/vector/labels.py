"""The only opener of labels: polygons and points, or a label raster, on the grid of a raster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nirlora.errors import LabelsError, RasterError
from nirlora.raster.source import RasterSource, open_raster

from .items import MAX_CLASSES, LabelItem, LabelSource
from .label_raster import open_label_raster
from .polygons import open_polygons
from .reading import split_path, vector_layers

_VECTOR_SUFFIXES = (".gpkg", ".shp", ".geojson", ".json", ".fgb", ".kml", ".gml", ".csv")

__all__ = ["MAX_CLASSES", "LabelItem", "LabelSource", "open_labels"]


def open_labels(
    path: str | Path,
    source: RasterSource,
    *,
    class_field: str = "class",
    point_buffer_m: float = 0.0,
    classes: Sequence[str] = (),
) -> LabelSource:
    """Open labels and bring them onto the grid of a raster.

    Polygons are reprojected to the raster's CRS; a pixel belongs to the polygon that holds its centre.
    Pixels claimed by polygons of different classes are ignored, like everything unlabelled. Class values
    follow the names: whole numbers by value, else alphabetically, else the order of ``classes``.

    Args:
        path: A vector file (optionally ``|layername=NAME``) or a raster of whole numbers, on any grid.
        source: The raster to be labelled.
        class_field: Field with the class name or number (vector files).
        point_buffer_m: Radius around points, metres on the ground; 0: one and a half pixels.
        classes: Keep only these, valued in this order; empty: all there are.

    Returns:
        The labels; it says in ``warnings`` what was repaired, skipped or assumed, with counts.

    Raises:
        LabelsError: No such file, layer or field; nothing usable; everything outside the raster.
    """
    file, _ = split_path(str(path))
    layers = vector_layers(file)
    if layers is not None and any(spatial for _, spatial in layers):
        return open_polygons(str(path), source, class_field, point_buffer_m, classes)
    if layers is None and Path(file).suffix.lower() in _VECTOR_SUFFIXES and not _is_raster(file):
        raise LabelsError(
            f"{file} cannot be opened as a vector file; it may be damaged or empty.",
            hint="Copy it again, or open it in QGIS and save it anew.",
        )
    if layers:
        raise LabelsError(
            f"{file} is a table without geometries.", hint="Give a file of polygons, or a label raster."
        )
    return open_label_raster(file, source, classes)


def _is_raster(file: str) -> bool:
    """A GeoPackage may hold either."""
    try:
        open_raster(file).close()
    except RasterError:
        return False
    return True
