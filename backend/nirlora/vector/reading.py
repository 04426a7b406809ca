"""Reading vector layers: choosing a layer, fields, and geometries brought to pixel coordinates."""

from __future__ import annotations

import warnings as python_warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj.exceptions import CRSError, ProjError
from shapely.lib import GEOSException

from nirlora.errors import LabelsError
from nirlora.raster.source import RasterSource

from .geodesy import Ground, horizontal_crs, pixel_positions
from .shared_file import undisturbed

Geometries = NDArray[np.object_]

POINT, POLYGON = 0, 3
DEFAULT_POINT_RADIUS_PX = 1.5
_CIRCLE = 32


@dataclass(frozen=True)
class VectorLayer:
    """A layer of a vector file: geometries in its own CRS and the fields asked for."""

    path: str
    name: str
    crs: str
    geometries: Geometries
    columns: dict[str, NDArray[Any]]
    fields: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass
class PixelGeometries:
    """Polygons and points in pixel coordinates ``(col, row)`` of a raster; ``feature`` is their origin."""

    geometries: Geometries
    feature: NDArray[np.intp]
    warnings: list[str] = field(default_factory=list)


def split_path(path: str) -> tuple[str, dict[str, str]]:
    """Split ``file.gpkg|layername=fields`` as QGIS writes it.

    Raises:
        LabelsError: An option other than ``layername`` and ``layerid`` is there.
    """
    file, *options = path.split("|")
    pairs = dict(option.partition("=")[::2] for option in options)
    unknown = sorted(set(pairs) - {"layername", "layerid"})
    if unknown:
        raise LabelsError(
            f"{path}: option {unknown[0]!r} is not understood, expected layername=... or layerid=...",
            hint="Export the features wanted to a file of their own.",
        )
    return file, pairs


def vector_layers(file: str) -> tuple[tuple[str, bool], ...] | None:
    """Names of a vector file's layers and whether they have geometries; None if OGR cannot open it."""
    if not file.startswith("/vsi") and not Path(file).exists():
        raise LabelsError(f"There is no file {file}.", hint="Check the path.")
    try:
        with undisturbed(file) as readable:
            return tuple((str(name), kind is not None) for name, kind in pyogrio.list_layers(readable))
    except DataSourceError:
        return None


def read_layer(path: str, wanted: str = "", optional: tuple[str, ...] = ()) -> VectorLayer:
    """Read one layer.

    Args:
        path: File, optionally with ``|layername=``.
        wanted: Field that must exist; ``""``: none.
        optional: Fields read if they exist.

    Raises:
        LabelsError: No such file, layer or field, or several layers and none chosen.
    """
    file, options = split_path(path)
    name, notes = _choose_layer(file, options, wanted)
    fields = _fields(file, name)
    if wanted and wanted not in fields:
        raise _unknown_field(path, wanted, fields)
    columns = [f for f in fields if f == wanted or f in optional]
    try:
        with undisturbed(file) as readable, python_warnings.catch_warnings(record=True) as said:
            python_warnings.simplefilter("always")
            meta, _, wkb, data = pyogrio.raw.read(readable, layer=name, columns=columns, force_2d=True)
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise LabelsError(
            f"{path} cannot be read: {error}.", hint="The file may be damaged; open and save it in QGIS."
        ) from error
    if wkb is None:
        raise LabelsError(f"Layer {name} of {file} has no geometries.", hint="Choose a layer of polygons.")
    notes += [f"{file}: {w.message}" for w in said]
    return VectorLayer(
        path=path,
        name=name,
        crs=meta["crs"] or "",
        geometries=shapely.from_wkb(wkb, on_invalid="ignore"),
        columns=dict(zip(meta["fields"], data, strict=True)),
        fields=fields,
        warnings=tuple(notes),
    )


def _choose_layer(file: str, options: dict[str, str], wanted: str) -> tuple[str, list[str]]:
    layers = vector_layers(file)
    if layers is None:
        raise LabelsError(
            f"{file} cannot be opened as a vector file.",
            hint="Expected a format that OGR reads, such as GeoPackage, Shapefile or GeoJSON.",
        )
    if "layerid" in options and "layername" not in options:
        number = options["layerid"]
        if not number.isdigit() or int(number) >= len(layers):
            raise LabelsError(f"{file} has {len(layers)} layers, got layerid={number}.")
        return layers[int(number)][0], []
    names = [name for name, spatial in layers if spatial]
    listed = ", ".join(names) or "none"
    if "layername" in options:
        if options["layername"] not in [name for name, _ in layers]:
            raise LabelsError(
                f"{file} has no layer {options['layername']!r}.", hint=f"Layers with geometries: {listed}."
            )
        return options["layername"], []
    if len(names) == 1:
        return names[0], []
    fitting = [n for n in names if wanted and wanted in _fields(file, n)]
    if len(fitting) == 1:
        return fitting[0], [f"{file} has several layers ({listed}); {fitting[0]} has field {wanted!r}."]
    raise LabelsError(
        f"{file} has {len(names)} layers with geometries, expected one or a choice: {listed}.",
        hint=f"Write the path as {file}|layername=NAME.",
    )


def _fields(file: str, layer: str) -> tuple[str, ...]:
    with undisturbed(file) as readable:
        return tuple(str(f) for f in pyogrio.read_info(readable, layer=layer)["fields"])


def _unknown_field(path: str, wanted: str, fields: tuple[str, ...]) -> LabelsError:
    near = [f for f in fields if f.lower() == wanted.lower()]
    hint = f"Add a text field {wanted!r} that names the class of each polygon or point."
    if near:
        hint = f"Did you mean {near[0]!r}? Field names are case-sensitive."
    elif fields:
        hint = "Choose the field that names the classes with --class-field."
    return LabelsError(
        f"{path} has no field {wanted!r}; it has {', '.join(fields) or 'no fields at all'}.", hint=hint
    )


def to_pixels(
    layer: VectorLayer, source: RasterSource, point_buffer_m: float | None = None
) -> PixelGeometries:
    """Bring a layer onto the pixel grid of a raster.

    Multi-part features are taken apart, coordinates reprojected (never relabelled), invalid polygons
    repaired, points buffered; the rest is dropped and counted.

    Args:
        layer: What :func:`read_layer` gave.
        source: The raster.
        point_buffer_m: Radius around points in metres on the ground; 0: 1.5 pixels; None: drop points.

    Raises:
        LabelsError: The CRS is unknown.
    """
    found = PixelGeometries(*_explode(layer.geometries))
    empty = len(layer.geometries) - len(np.unique(found.feature))
    _say(found, empty, "feature(s) without a geometry skipped.")
    found.geometries = _reproject(found, layer, source)
    _keep(found, _finite(found.geometries), "skipped: cannot be reprojected.")
    kinds = shapely.get_type_id(found.geometries)
    usable = (kinds == POLYGON) | ((kinds == POINT) & (point_buffer_m is not None))
    _keep(found, usable, f"skipped: not a polygon{'' if point_buffer_m is None else ' or point'}.")
    _buffer_points(found, source, point_buffer_m)
    _repair(found)
    _keep(found, shapely.area(found.geometries) > 0, "skipped: without an area.")
    return found


def _say(found: PixelGeometries, count: int, text: str) -> None:
    if count:
        found.warnings.append(f"{count} {text}")


def _keep(found: PixelGeometries, good: NDArray[np.bool_], text: str) -> None:
    _say(found, int((~good).sum()), f"geometr{'y' if (~good).sum() == 1 else 'ies'} {text}")
    found.geometries, found.feature = found.geometries[good], found.feature[good]


def _finite(geometries: Geometries) -> NDArray[np.bool_]:
    """Which geometries have no infinite coordinate (beyond the domain of a projection)."""
    xy, origin = shapely.get_coordinates(geometries, return_index=True)
    result = np.ones(len(geometries), dtype=np.bool_)
    result[origin[~np.isfinite(xy).all(axis=1)]] = False
    return result


def _explode(geometries: Geometries) -> tuple[Geometries, NDArray[np.intp]]:
    """Single-part geometries and the index each came from; missing and empty ones fall out."""
    feature = np.arange(len(geometries))
    while True:
        geometries, origin = shapely.get_parts(geometries, return_index=True)
        feature = feature[origin]
        if not (shapely.get_type_id(geometries) > POLYGON).any():
            full = ~shapely.is_empty(geometries)
            return geometries[full], feature[full]


def _reproject(found: PixelGeometries, layer: VectorLayer, source: RasterSource) -> Geometries:
    """Coordinates in the raster's CRS, then in its pixels."""
    try:
        own, target = horizontal_crs(layer.crs), horizontal_crs(source.crs)
    except CRSError as error:
        raise LabelsError(f"The CRS of {layer.path} or of the raster is not understood: {error}.") from error
    transformer = None
    if own is None:
        found.warnings.append(f"{layer.path} has no CRS; it is taken to be the raster's.")
    elif target is None:
        found.warnings.append(f"The raster has no CRS; coordinates of {layer.path} are taken to be its own.")
    elif own != target:
        try:
            transformer = pyproj.Transformer.from_crs(own, target, always_xy=True)
        except ProjError as error:
            raise LabelsError(
                f"{layer.path} ({own.name}) cannot be reprojected to the CRS of the raster ({target.name}).",
                hint="One is a local system without a place on the ground; give the raster's real one with "
                "--crs EPSG:N, or save the polygons without a CRS.",
            ) from error

    def onto_grid(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = xy.T if transformer is None else transformer.transform(xy[:, 0], xy[:, 1])
        return np.column_stack(pixel_positions(source.transform, x, y))

    return np.asarray(shapely.transform(found.geometries, onto_grid))


def _buffer_points(found: PixelGeometries, source: RasterSource, radius_m: float | None) -> None:
    points = np.flatnonzero(shapely.get_type_id(found.geometries) == POINT)
    if not len(points):
        return
    centre = shapely.get_coordinates(found.geometries[points])
    angle = np.arange(_CIRCLE) * (2 * np.pi / _CIRCLE)
    circle = np.stack([np.cos(angle), np.sin(angle)])  # (2, 32)
    if radius_m:
        ground = Ground(source.transform, source.crs)
        if ground.unit != "m":
            found.warnings.append(
                "The raster has no CRS; the point buffer is taken in its units, not metres."
            )
        local = ground.metres_per_pixel(centre[:, 0], centre[:, 1])
        ring = np.linalg.inv(local) @ (circle * radius_m)
    else:
        ring = np.broadcast_to(circle * DEFAULT_POINT_RADIUS_PX, (len(points), *circle.shape))
    rings = np.swapaxes(ring, 1, 2) + centre[:, None, :]
    found.geometries[points] = shapely.polygons(rings)


def _repair(found: PixelGeometries) -> None:
    broken = ~shapely.is_valid(found.geometries)
    if not broken.any():
        return
    _say(found, int(broken.sum()), "invalid polygon(s) repaired (self-intersections, open rings).")
    try:
        found.geometries[broken] = shapely.make_valid(found.geometries[broken])
    except GEOSException as error:
        raise LabelsError(
            f"Invalid polygons could not be repaired: {error}.", hint="Run 'Fix geometries' in QGIS."
        ) from error
    parts, origin = _explode(found.geometries)
    polygons = shapely.get_type_id(parts) == POLYGON
    found.geometries, found.feature = parts[polygons], found.feature[origin[polygons]]
