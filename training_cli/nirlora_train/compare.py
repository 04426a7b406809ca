"""``nirlora compare``: one option per field of :class:`nirlora.protocol.CompareRequest`."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

import nirlora
from nirlora.protocol import CompareRequest, to_dict

from .options import (
    DATA,
    MODEL,
    OUTPUT,
    TRAINING,
    Crs,
    Debug,
    Device,
    Json,
    Nodata,
    build,
    layer_refs,
    split_list,
)
from .run import Failure, emit_json, execute, note
from .show_compare import show_compare

_D = CompareRequest(layers=())


def compare(
    ctx: typer.Context,
    layer: Annotated[
        list[str],
        Option(metavar="RASTER", help="Raster to train on; repeat for several.", rich_help_panel=DATA),
    ],
    labels: Annotated[
        list[str] | None,
        Option(
            metavar="FILE",
            help="Its labels, one per --layer in the same order. Left out: found beside the rasters.",
            rich_help_panel=DATA,
        ),
    ] = None,
    test_layer: Annotated[
        list[str] | None,
        Option(
            metavar="RASTER",
            help="Raster to score on; repeat for several. Left out: labels are held out.",
            rich_help_panel=DATA,
        ),
    ] = None,
    test_labels: Annotated[
        list[str] | None,
        Option(metavar="FILE", help="Its labels, one per --test-layer.", rich_help_panel=DATA),
    ] = None,
    class_field: Annotated[
        str, Option(help="Field with the class, names or whole numbers.", rich_help_panel=DATA)
    ] = _D.class_field,
    classes: Annotated[
        list[str] | None,
        Option(metavar="A,B,...", help="Use only these classes, in this order.", rich_help_panel=DATA),
    ] = None,
    bands: Annotated[
        str, Option(help="Input channels, as in nirlora train.", rich_help_panel=DATA)
    ] = _D.bands,
    nodata: Nodata = None,
    crs: Crs = "",
    adapters: Annotated[
        list[str] | None,
        Option(
            metavar="all|mufa-ablation|NAME[:OPTION=VALUE,...]",
            help="What is compared; repeat, or write several with blanks between. "
            "For example all, or lora:rank=8 mufa:rates=8,16,placement=serial.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    backbone: Annotated[
        str,
        Option(metavar="NAME|PATH", help="As in nirlora train.", rich_help_panel=MODEL),
    ] = _D.backbone,
    pretrained: Annotated[
        bool, Option(help="Start from pretrained weights, or from random ones.", rich_help_panel=MODEL)
    ] = _D.pretrained,
    stem: Annotated[
        str, Option(help="How channels meet the patch embedding.", rich_help_panel=MODEL)
    ] = _D.stem,
    head: Annotated[
        str, Option(metavar="detail|linear|aspp|uper", help="Segmentation head.", rich_help_panel=MODEL)
    ] = _D.head,
    zoom: Annotated[
        float, Option(help="Model input pixels per raster pixel. 0: chosen.", min=0, rich_help_panel=MODEL)
    ] = _D.zoom,
    chip_px: Annotated[
        int, Option(help="Side of a training chip, raster pixels. 0: chosen.", min=0, rich_help_panel=MODEL)
    ] = _D.chip_px,
    seeds: Annotated[
        int, Option(help="Trainings of every adapter.", min=1, rich_help_panel=TRAINING)
    ] = _D.seeds,
    first_seed: Annotated[
        int, Option(help="Seeds are this one and the following.", min=0, rich_help_panel=TRAINING)
    ] = _D.first_seed,
    steps: Annotated[
        int, Option(help="Steps of every training.", min=1, rich_help_panel=TRAINING)
    ] = _D.steps,
    batch: Annotated[int, Option(help="Chips per step.", min=1, rich_help_panel=TRAINING)] = _D.batch,
    val_fraction: Annotated[
        float,
        Option(
            help="Share of the labels held out to score on, in spatial groups, without --test-layer.",
            min=0,
            max=0.5,
            rich_help_panel=TRAINING,
        ),
    ] = _D.val_fraction,
    out: Annotated[
        str,
        Option(
            metavar="FOLDER",
            help="For records, table and plot. Left out: <first raster>_comparison beside it.",
            rich_help_panel=OUTPUT,
        ),
    ] = _D.out,
    keep_models: Annotated[
        bool, Option("--keep-models", help="Keep the model files.", rich_help_panel=OUTPUT)
    ] = _D.keep_models,
    device: Device = _D.device,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train every adapter with the same seeds, each with a split of its own, and compare scores and costs.

    Give the same command again to go on after an interruption: finished runs are kept.
    """
    request = build(
        CompareRequest,
        ctx.params,
        layers=layer_refs(layer, labels or [], nodata=nodata, crs=crs),
        test_layers=layer_refs(test_layer or [], test_labels or [], nodata=nodata, crs=crs, prefix="test-"),
        adapters=tuple(word for text in adapters or _D.adapters for word in text.split()),
        classes=split_list(classes or []),
    )
    try:
        result = execute(lambda progress: nirlora.compare(request, progress), debug=debug)
    except nirlora.JobCancelled:
        text = "Stopped. Finished runs are kept; the same command goes on from there."
        note(text)
        if json:
            emit_json({"error": {"code": "cancelled", "message": text, "hint": ""}})
        raise Failure(130) from None
    emit_json(to_dict(result)) if json else show_compare(result)
