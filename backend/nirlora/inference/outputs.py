"""Where segmenting writes; without torch, so that it can be checked before a job is queued."""

from __future__ import annotations

from pathlib import Path

from nirlora.errors import OptionError, OutputError, RasterError
from nirlora.protocol import SegmentRequest
from nirlora.raster.outputs import check_output, named, wished
from nirlora.raster.source import RasterSource, open_raster
from nirlora.raster.writer import MapOutputs
from nirlora.vector.polygonise import is_polygon_map

_TAG = "NIRLORA_MODEL"


def map_outputs(request: SegmentRequest) -> MapOutputs:
    """The rasters of a request; the default name is ``<raster>_<model>.tif`` beside the raster.

    Raises:
        OptionError: The map is named as something else than a GeoTIFF.
        OutputError: It is named as a folder.
    """
    raster, model = named(request.layer.path or "map"), Path(request.model)
    kind = "map" if model.stem == raster.stem else model.stem
    out = wished(request.out) if request.out else raster.with_name(f"{raster.stem}_{kind}.tif")
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise OptionError(
            f"The map is a GeoTIFF, but --out is {out.name}.", hint=f"Name it {out.stem}.tif, for example."
        )
    return MapOutputs(
        map=out,
        confidence=out.with_name(f"{out.stem}_confidence.tif") if request.confidence else None,
        probabilities=out.with_name(f"{out.stem}_probabilities.tif") if request.probabilities else None,
        overwrite=request.overwrite,
        tags={_TAG: model.name},
    )


def side_outputs(
    request: SegmentRequest, outputs: MapOutputs, source: RasterSource
) -> tuple[Path, Path | None]:
    """Paths of the area table and the polygons, checked before any work.

    Raises:
        OptionError: The polygons are named as something else than a GeoPackage.
        OutputError: One cannot be written, or exists and is no earlier result.
    """
    areas = outputs.map.with_name(f"{outputs.map.stem}_areas.csv")
    check_output(areas, overwrite=request.overwrite, inputs=[source.path])
    for path in outputs.wanted().values():
        if path.exists() and not _is_map(path):
            raise _not_ours(path)
    if not request.polygons:
        return areas, None
    polygons = Path(request.polygons)
    if polygons.suffix.lower() != ".gpkg":
        raise OptionError(
            f"Polygons are written as a GeoPackage, but --polygons is {polygons.name}.",
            hint=f"Name it {polygons.stem}.gpkg, for example.",
        )
    check_output(polygons, overwrite=request.overwrite, inputs=[source.path, *filter(None, [request.aoi])])
    if polygons.exists() and not is_polygon_map(polygons):
        raise _not_ours(polygons)
    return areas, polygons


def _is_map(path: Path) -> bool:
    """Whether a raster is one of ours; another one may be the user's only copy."""
    try:
        with open_raster(path) as source:
            return _TAG in source.tags
    except RasterError:
        return False


def _not_ours(path: Path) -> OutputError:
    return OutputError(
        f"{path} exists and is no earlier map, so it is not replaced.",
        hint="Choose another name (it may hold your labels), or remove the file yourself.",
    )
