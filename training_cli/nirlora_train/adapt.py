"""``nirlora adapt``: one option per field of :class:`nirlora.protocol.AdaptRequest`."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

import nirlora
from nirlora.protocol import AdaptRequest, to_dict

from .options import (
    DATA,
    MODEL,
    OUTPUT,
    RUN,
    TRAINING,
    Crs,
    Debug,
    Device,
    Json,
    Nodata,
    ReflectanceOffset,
    ReflectanceScale,
    build,
    layer_refs,
)
from .run import emit_json, execute
from .show import show_plan
from .show_adapt import show_adapt

_D = AdaptRequest(layers=())


def adapt(
    ctx: typer.Context,
    layer: Annotated[
        list[str],
        Option(
            metavar="RASTER|FOLDER",
            help="Unlabelled raster, or a folder of them; repeat for several.",
            rich_help_panel=DATA,
        ),
    ],
    bands: Annotated[
        str,
        Option(
            help="Input channels: nir | nir,red,green | 5,4,3 (numbers). Left out: the NIR band is found.",
            rich_help_panel=DATA,
        ),
    ] = _D.bands,
    reflectance_scale: ReflectanceScale = None,
    reflectance_offset: ReflectanceOffset = None,
    nodata: Nodata = None,
    crs: Crs = "",
    backbone: Annotated[
        str,
        Option(
            metavar="NAME|PATH",
            help="What to go on with: a name, a file or folder of weights, or a .nirlora-backbone.",
            rich_help_panel=MODEL,
        ),
    ] = _D.backbone,
    pretrained: Annotated[
        bool, Option(help="Start from pretrained weights, or from random ones.", rich_help_panel=MODEL)
    ] = _D.pretrained,
    stem: Annotated[
        str,
        Option(
            metavar="auto|rgb|own|replicate|by_role|positional",
            help="How channels meet a patch embedding trained on others.",
            rich_help_panel=MODEL,
        ),
    ] = _D.stem,
    unfreeze: Annotated[
        str,
        Option(
            metavar="last|1,last|none|all|1,23,24",
            help="Blocks that train whole; all: the whole backbone. "
            "Left out: last, or all when it starts from random weights.",
            rich_help_panel=MODEL,
        ),
    ] = _D.unfreeze,
    rank: Annotated[
        int, Option(help="LoRA rank in the other blocks. 0: no LoRA.", min=0, rich_help_panel=MODEL)
    ] = _D.rank,
    alpha: Annotated[
        float,
        Option(
            help="LoRA's scale is alpha/rank; 1 as in ExPLoRA's code. 0: rank.", min=0, rich_help_panel=MODEL
        ),
    ] = _D.alpha,
    patch_embedding: Annotated[
        str,
        Option(
            metavar="auto|train|freeze",
            help="Whether it trains. auto: if the channels are new to it.",
            rich_help_panel=MODEL,
        ),
    ] = _D.patch_embedding,
    zoom: Annotated[
        float, Option(help="Read the raster enlarged by this. 0: chosen.", min=0, rich_help_panel=MODEL)
    ] = _D.zoom,
    chip_px: Annotated[
        int, Option(help="Side of a chip, raster pixels. 0: chosen.", min=0, rich_help_panel=MODEL)
    ] = _D.chip_px,
    objective: Annotated[
        str,
        Option(
            metavar="mae|dino",
            help="Draw hidden patches, or agree with a teacher (DINOv2: DINO, iBOT, KoLeo).",
            rich_help_panel=TRAINING,
        ),
    ] = _D.objective,
    mask_ratio: Annotated[
        float, Option(help="mae: share of hidden patches.", rich_help_panel=TRAINING)
    ] = _D.mask_ratio,
    decoder: Annotated[
        str,
        Option(
            metavar="FILE",
            help="mae: published decoder weights. Left out: a new decoder.",
            rich_help_panel=TRAINING,
        ),
    ] = _D.decoder,
    decoder_rank: Annotated[
        int, Option(help="mae: LoRA rank in a published decoder.", min=0, rich_help_panel=TRAINING)
    ] = _D.decoder_rank,
    centering: Annotated[
        str,
        Option(
            metavar="center|sinkhorn", help="dino: how the teacher is balanced.", rich_help_panel=TRAINING
        ),
    ] = _D.centering,
    prototypes: Annotated[
        int, Option(help="dino: size of the head. 0: chosen.", min=0, rich_help_panel=TRAINING)
    ] = _D.prototypes,
    local_crops: Annotated[
        int, Option(help="dino: small views of each chip.", min=0, rich_help_panel=TRAINING)
    ] = _D.local_crops,
    batch: Annotated[int, Option(help="Chips at a time.", min=1, rich_help_panel=TRAINING)] = _D.batch,
    accumulate: Annotated[
        int, Option(help="Batches per optimiser step.", min=1, rich_help_panel=TRAINING)
    ] = _D.accumulate,
    steps: Annotated[
        int, Option(help="Optimiser steps. 0: chosen from the area.", min=0, rich_help_panel=TRAINING)
    ] = _D.steps,
    max_seconds: Annotated[
        float,
        Option(
            help="Finish within this time; the schedule fits itself to it. 0: no limit.",
            min=0,
            rich_help_panel=TRAINING,
        ),
    ] = _D.max_seconds,
    learning_rate: Annotated[
        float, Option(help="Peak rate. 0: chosen.", min=0, rich_help_panel=TRAINING)
    ] = _D.learning_rate,
    seed: Annotated[int, Option(help="Of everything random.", rich_help_panel=TRAINING)] = _D.seed,
    resume: Annotated[
        bool,
        Option("--resume", help="Go on from the last checkpoint of this run.", rich_help_panel=TRAINING),
    ] = _D.resume,
    out: Annotated[
        str,
        Option(
            metavar="FILE.nirlora-backbone",
            help="File to write. Left out: <first raster>.nirlora-backbone beside it.",
            rich_help_panel=OUTPUT,
        ),
    ] = _D.out,
    report: Annotated[bool, Option(help="Write <out>_adaptation.html.", rich_help_panel=OUTPUT)] = _D.report,
    overwrite: Annotated[bool, Option(help="Replace an existing file.", rich_help_panel=OUTPUT)] = (
        _D.overwrite
    ),
    device: Device = _D.device,
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run", help="Train nothing; print chips, parameters, time, memory.", rich_help_panel=RUN
        ),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Go on pretraining a backbone on unlabelled rasters; train on the result with --backbone."""
    request = build(AdaptRequest, ctx.params, layers=layer_refs(layer, [], nodata=nodata, crs=crs))
    if dry_run:
        plan = execute(lambda progress: nirlora.plan_adaptation(request), debug=debug, silent=True)
        emit_json(plan) if json else show_plan(plan)
        return
    result = execute(lambda progress: nirlora.adapt(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_adapt(result)
