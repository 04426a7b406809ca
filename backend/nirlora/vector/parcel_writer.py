"""A copy of a vector layer with more fields, as a GeoPackage."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FieldError

from nirlora.errors import LabelsError, OutputError
from nirlora.raster.outputs import publish, temporary_folder

from .reading import split_path
from .shared_file import undisturbed

# Names that a GeoPackage gives its own columns, unless told otherwise.
_FID, _GEOMETRY = "fid", "geom"
_MULTI = (4, 5, 6)  # shapely's numbers of multi-part points, lines and polygons
_NO_CRS = "'crs' was not provided"  # what a source without one makes of its copy; the reader has said it


def copy_with_fields(source: str, layer: str, target: Path, fields: Mapping[str, NDArray[Any]]) -> list[str]:
    """Write a layer's features with all their attributes and ``fields`` besides, in the same CRS and order.

    A layer of single parts that holds features of several, as shapefiles do, becomes one of multi parts.

    Args:
        source: The file, as :func:`~nirlora.vector.reading.read_layer` takes it.
        layer: Name of its layer.
        target: The ``.gpkg`` to be, written under a temporary name and renamed when whole.
        fields: Name -> one value per feature; None (objects) or NaN (floats) is null.

    Returns:
        What could not be kept, one sentence each.

    Raises:
        LabelsError: The source cannot be read.
        OutputError: The target cannot be written.
    """
    file, _ = split_path(source)
    try:
        with undisturbed(file) as readable, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            meta, _, geometries, columns = pyogrio.raw.read(readable, layer=layer)
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise LabelsError(f"{source} cannot be read: {error}.", hint="Open and save it in QGIS.") from error
    names = [str(name) for name in meta["fields"]]
    kinds = [np.dtype(kind) for kind in meta["dtypes"]]
    values, nulls = zip(*map(_restored, columns, kinds), strict=True) if names else ((), ())
    options = {}
    if _FID in {n.lower() for n in names}:
        options["FID"] = free_name("feature_id", names)
    if _GEOMETRY in {n.lower() for n in names}:
        options["GEOMETRY_NAME"] = free_name("shape", names)
    try:
        with temporary_folder(target) as folder, warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            part = folder / "parcels.gpkg"
            pyogrio.raw.write(
                part,
                geometries,
                [*values, *fields.values()],
                [*names, *fields],
                field_mask=[*nulls, *(None for _ in fields)],
                layer=layer,
                driver="GPKG",
                geometry_type=_geometry_type(meta["geometry_type"], geometries),
                crs=meta["crs"],
                layer_options=options or None,
            )
            publish(target, part)
    except (DataSourceError, DataLayerError, FieldError, OSError) as error:
        raise OutputError(
            f"{target} cannot be written: {error}.",
            hint="Is the folder there and writable, the disk full, or the file open in QGIS?",
        ) from error
    kept = [w for w in remarks if _NO_CRS not in str(w.message)]
    return [f"{path}: {w.message}" for path, some in ((file, said), (target, kept)) for w in some]


def free_name(wanted: str, taken: list[str]) -> str:
    """``wanted``, or with the first number that makes it differ from all of ``taken`` (capitals or not)."""
    used = {name.lower() for name in taken}
    names = (wanted, *(f"{wanted}_{n}" for n in range(2, len(taken) + 3)))
    return next(name for name in names if name.lower() not in used)


def _geometry_type(declared: str, geometries: NDArray[Any]) -> str:
    """The type of the layer: what it was, or its multi type if a feature has several parts."""
    single = declared.startswith(("Point", "LineString", "Polygon"))
    kinds = shapely.get_type_id(shapely.from_wkb(geometries, on_invalid="ignore"))
    return f"Multi{declared}" if single and np.isin(kinds, _MULTI).any() else declared


def _restored(values: NDArray[Any], kind: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Whole numbers and truth values, read as floats where some are null, as what they are; the nulls."""
    if values.dtype == kind or kind.kind not in "iub":
        return values, None
    missing = np.array([v is None or v != v for v in values], dtype=np.bool_)
    filled = np.where(missing, 0, values)
    return filled.astype(kind), missing
