"""``nirlora export``: one option per field of :class:`nirlora.protocol.ExportRequest`."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

import nirlora
from nirlora.protocol import ExportRequest, LayerRef, to_dict

from .options import DATA, OUTPUT, RUN, Crs, Debug, Json, ModelBackbone, Nodata, build
from .run import emit_json, execute
from .show import show_export

_D = ExportRequest(model="")


def export(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="FILE.nirlora", help="Model file from training.")],
    layer: Annotated[
        str,
        Option(
            metavar="RASTER",
            help="Raster to compare on. Left out: the first training raster.",
            rich_help_panel=DATA,
        ),
    ] = "",
    nodata: Nodata = None,
    crs: Crs = "",
    backbone: ModelBackbone = _D.backbone,
    out: Annotated[
        str,
        Option(
            metavar="FILE.onnx",
            help="File to write. Left out: <model>.onnx beside the model.",
            rich_help_panel=OUTPUT,
        ),
    ] = _D.out,
    overwrite: Annotated[bool, Option(help="Replace an existing file.", rich_help_panel=OUTPUT)] = (
        _D.overwrite
    ),
    tile_px: Annotated[
        int,
        Option(
            help="Side of its tiles, raster pixels; fixed from then on. 0: from the model.",
            min=0,
            rich_help_panel=RUN,
        ),
    ] = _D.tile_px,
    num_chips: Annotated[int, Option(help="Tiles to compare on.", min=1, rich_help_panel=RUN)] = _D.num_chips,
    max_difference: Annotated[
        float, Option(help="Largest difference of logits allowed. 0: 0.001.", min=0, rich_help_panel=RUN)
    ] = _D.max_difference,
    min_agreement: Annotated[
        float,
        Option(help="Least share of pixels with the same class, 0 to 1.", min=0, max=1, rich_help_panel=RUN),
    ] = _D.min_agreement,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a model as one ONNX file that needs no torch, compared with the original on real tiles."""
    chosen = LayerRef(layer, "", nodata, crs) if layer else None
    request = build(ExportRequest, ctx.params, layer=chosen)
    result = execute(lambda progress: nirlora.export(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_export(result)
