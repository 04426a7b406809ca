"""``nirlora evaluate``: one option per field of :class:`nirlora.protocol.EvaluateRequest`."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

import nirlora
from nirlora.protocol import EvaluateRequest, LayerRef, to_dict

from .options import (
    DATA,
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
from .show import show_evaluate

_D = EvaluateRequest(layer=LayerRef(""), model="")


def evaluate(
    ctx: typer.Context,
    layer: Layer,
    model: Model,
    labels: Annotated[
        str,
        Option(metavar="FILE", help="Reference: polygons, points or a label raster.", rich_help_panel=DATA),
    ],
    class_field: Annotated[
        str, Option(help="Field with the class, names or whole numbers.", rich_help_panel=DATA)
    ] = _D.class_field,
    bands: RoleMap = _D.bands,
    reflectance_scale: ReflectanceScale = None,
    reflectance_offset: ReflectanceOffset = None,
    nodata: Nodata = None,
    crs: Crs = "",
    backbone: ModelBackbone = _D.backbone,
    allow_mismatch: AllowMismatch = _D.allow_mismatch,
    device: Device = _D.device,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare a model's map of a raster with reference labels: IoU, F1, confusion matrix."""
    request = build(EvaluateRequest, ctx.params, layer=LayerRef(layer, labels, nodata, crs))
    result = execute(lambda progress: nirlora.evaluate(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_evaluate(result)
