"""``nirlora segment``: one option per field of :class:`nirlora.protocol.SegmentRequest`."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

import nirlora
from nirlora.errors import OptionError
from nirlora.protocol import LayerRef, SegmentRequest, to_dict

from .options import (
    DATA,
    OUTPUT,
    RUN,
    AllowMismatch,
    Crs,
    Debug,
    Device,
    Json,
    Layer,
    Model,
    ModelBackbone,
    Nodata,
    ReflectanceOffset,
    ReflectanceScale,
    RoleMap,
    build,
)
from .run import emit_json, execute
from .show import show_segment

_D = SegmentRequest(layer=LayerRef(""), model="")


def segment(
    ctx: typer.Context,
    layer: Layer,
    model: Model,
    bands: RoleMap = _D.bands,
    reflectance_scale: ReflectanceScale = None,
    reflectance_offset: ReflectanceOffset = None,
    aoi: Annotated[
        str,
        Option(metavar="FILE", help="Polygons; outside of them nothing is predicted.", rich_help_panel=DATA),
    ] = _D.aoi,
    nodata: Nodata = None,
    crs: Crs = "",
    backbone: ModelBackbone = _D.backbone,
    allow_mismatch: AllowMismatch = _D.allow_mismatch,
    out: Annotated[
        str,
        Option(
            metavar="MAP.tif",
            help="Map to write. Left out: <raster>_<model>.tif beside the raster.",
            rich_help_panel=OUTPUT,
        ),
    ] = _D.out,
    confidence: Annotated[
        bool,
        Option(
            "--confidence", help="Also the winning class's probability, per pixel.", rich_help_panel=OUTPUT
        ),
    ] = _D.confidence,
    probabilities: Annotated[
        bool,
        Option("--probabilities", help="Also every class's probability, per pixel.", rich_help_panel=OUTPUT),
    ] = _D.probabilities,
    polygons: Annotated[
        str, Option(metavar="FILE.gpkg", help="Also the map as polygons.", rich_help_panel=OUTPUT)
    ] = _D.polygons,
    min_area_m2: Annotated[
        float, Option(help="Leave out polygons smaller than this, m².", min=0, rich_help_panel=OUTPUT)
    ] = _D.min_area_m2,
    overwrite: Annotated[bool, Option(help="Replace existing files.", rich_help_panel=OUTPUT)] = _D.overwrite,
    tile_px: Annotated[
        int, Option(help="Side of a tile, raster pixels. 0: from the model.", min=0, rich_help_panel=RUN)
    ] = _D.tile_px,
    overlap_px: Annotated[
        int,
        Option(
            help="Overlap of tiles, raster pixels. 0: a quarter of a tile; half is smoother, and slower.",
            min=0,
            rich_help_panel=RUN,
        ),
    ] = _D.overlap_px,
    batch: Annotated[
        int, Option(help="Tiles at a time. 0: from the device.", min=0, rich_help_panel=RUN)
    ] = _D.batch,
    device: Device = _D.device,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Apply a model to a raster and write the map: GeoTIFF, style and area table."""
    if min_area_m2 and not polygons:
        raise OptionError(
            "--min-area-m2 leaves out polygons, but none are drawn.", hint="Add --polygons FILE.gpkg."
        )
    request = build(SegmentRequest, ctx.params, layer=LayerRef(layer, "", nodata, crs))
    result = execute(lambda progress: nirlora.segment(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_segment(result)
