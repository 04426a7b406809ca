"""``nirlora train``: one option per field of :class:`nirlora.protocol.TrainRequest`."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

import nirlora
from nirlora.protocol import TrainRequest, to_dict

from .options import (
    DATA,
    MODEL,
    OUTPUT,
    RUN,
    TARGET,
    TRAINING,
    AdapterOption,
    Crs,
    Debug,
    Device,
    Json,
    Nodata,
    ReflectanceOffset,
    ReflectanceScale,
    build,
    layer_refs,
    split_ints,
    split_list,
    split_pairs,
    target_refs,
)
from .run import emit_json, execute
from .show import show_plan, show_train

_D = TrainRequest(layers=())


def train(
    ctx: typer.Context,
    layer: Annotated[
        list[str],
        Option(metavar="RASTER", help="Raster to train on; repeat for several.", rich_help_panel=DATA),
    ],
    labels: Annotated[
        list[str] | None,
        Option(
            metavar="FILE",
            help="Polygons, points or a label raster, one per --layer in the same order. "
            "Left out: <raster>_training.gpkg, then <raster>.gpkg beside it.",
            rich_help_panel=DATA,
        ),
    ] = None,
    class_field: Annotated[
        str, Option(help="Field with the class, names or whole numbers.", rich_help_panel=DATA)
    ] = _D.class_field,
    classes: Annotated[
        list[str] | None,
        Option(metavar="A,B,...", help="Use only these classes, in this order.", rich_help_panel=DATA),
    ] = None,
    positive_class: Annotated[
        str, Option(metavar="CLASS", help="Two-class job: this one against the rest.", rich_help_panel=DATA)
    ] = _D.positive_class,
    bands: Annotated[
        str,
        Option(
            help="Input channels: nir | nir,red,green | 5,4,3 (numbers) | ndvi ndre savi. "
            "Left out: the NIR band is found.",
            rich_help_panel=DATA,
        ),
    ] = _D.bands,
    reflectance_scale: ReflectanceScale = None,
    reflectance_offset: ReflectanceOffset = None,
    point_buffer_m: Annotated[
        float, Option(help="Radius around labelled points, m. 0: 1.5 pixels.", min=0, rich_help_panel=DATA)
    ] = _D.point_buffer_m,
    nodata: Nodata = None,
    crs: Crs = "",
    preset: Annotated[
        str,
        Option(
            metavar="lora-nir|transda",
            help="A paper's protocol: with --positive-class, or with --target-layer.",
            rich_help_panel=MODEL,
        ),
    ] = _D.preset,
    backbone: Annotated[
        str,
        Option(
            metavar="NAME|PATH",
            help="A backbone's name, or a file or folder of weights. A wrong name lists them all.",
            rich_help_panel=MODEL,
        ),
    ] = _D.backbone,
    pretrained: Annotated[
        bool, Option(help="Start from pretrained weights, or from random ones.", rich_help_panel=MODEL)
    ] = _D.pretrained,
    stem: Annotated[
        str,
        Option(
            metavar="auto|rgb|replicate|by_role|positional",
            help="How channels meet a patch embedding trained on RGB.",
            rich_help_panel=MODEL,
        ),
    ] = _D.stem,
    normalisation: Annotated[
        str,
        Option(
            metavar="backbone|mean",
            help="Of values in 0..1: the backbone's mean and deviation, or only less their own mean.",
            rich_help_panel=MODEL,
        ),
    ] = _D.normalisation,
    adapter: Annotated[
        str,
        Option(
            metavar="lora|frozen|full|...",
            help="What of the backbone is trained: low-rank additions, nothing, everything, or another "
            "method. A wrong name lists them all.",
            rich_help_panel=MODEL,
        ),
    ] = _D.adapter,
    rank: Annotated[int, Option(help="LoRA rank.", min=1, rich_help_panel=MODEL)] = _D.rank,
    alpha: Annotated[
        float, Option(help="LoRA alpha; the scale is alpha/rank. 0: rank.", min=0, rich_help_panel=MODEL)
    ] = _D.alpha,
    blocks: Annotated[
        str, Option(metavar="all|last:N", help="Blocks that are adapted.", rich_help_panel=MODEL)
    ] = _D.blocks,
    adapter_options: AdapterOption = None,
    head: Annotated[
        str, Option(metavar="detail|linear|aspp|uper", help="Segmentation head.", rich_help_panel=MODEL)
    ] = _D.head,
    aspp_rates: Annotated[
        str, Option(metavar="R,R,R", help="Dilation rates of the aspp head.", rich_help_panel=MODEL)
    ] = ",".join(map(str, _D.aspp_rates)),
    zoom: Annotated[
        float,
        Option(
            help="Model input pixels per raster pixel; more finds finer detail and takes longer. 0: chosen.",
            min=0,
            rich_help_panel=MODEL,
        ),
    ] = _D.zoom,
    chip_px: Annotated[
        int, Option(help="Side of a training chip, raster pixels. 0: chosen.", min=0, rich_help_panel=MODEL)
    ] = _D.chip_px,
    epochs: Annotated[
        int, Option(help="Passes; each ends with a validation.", min=1, rich_help_panel=TRAINING)
    ] = _D.epochs,
    max_seconds: Annotated[
        float,
        Option(
            help="Finish within this time; the schedule fits itself to it. 0: no limit.",
            min=0,
            rich_help_panel=TRAINING,
        ),
    ] = _D.max_seconds,
    steps_per_epoch: Annotated[
        int, Option(help="0: chosen from the labelled area.", min=0, rich_help_panel=TRAINING)
    ] = _D.steps_per_epoch,
    batch: Annotated[int, Option(help="Chips per step.", min=1, rich_help_panel=TRAINING)] = _D.batch,
    learning_rate: Annotated[
        float, Option(help="0: the adapter's own default.", min=0, rich_help_panel=TRAINING)
    ] = _D.learning_rate,
    patience: Annotated[
        int,
        Option(
            help="Stop after this many epochs without a better validation mIoU. 0: never.",
            min=0,
            rich_help_panel=TRAINING,
        ),
    ] = _D.patience,
    val_fraction: Annotated[
        float,
        Option(
            help="Share of the polygons held out for validation, in spatial groups.",
            min=0,
            max=0.5,
            rich_help_panel=TRAINING,
        ),
    ] = _D.val_fraction,
    seed: Annotated[int, Option(help="Of everything random.", rich_help_panel=TRAINING)] = _D.seed,
    target_layer: Annotated[
        list[str] | None,
        Option(
            metavar="RASTER",
            help="Carry the model to this raster, which has no labels; repeat for several.",
            rich_help_panel=TARGET,
        ),
    ] = None,
    target_labels: Annotated[
        list[str] | None,
        Option(
            metavar="FILE",
            help="Labels of the target, one per --target-layer; for scores alone, never trained on.",
            rich_help_panel=TARGET,
        ),
    ] = None,
    target_bands: Annotated[
        str,
        Option(
            metavar="nir=4,red=3",
            help="Which band is which in the target, when it does not say.",
            rich_help_panel=TARGET,
        ),
    ] = _D.target_bands,
    target_values: Annotated[
        str,
        Option(
            metavar="auto|own|source",
            help="Scale the target's pixels by its own range, or as the source's. auto: as the source's "
            "where both ranges are about the same.",
            rich_help_panel=TARGET,
        ),
    ] = _D.target_values,
    stabiliser: Annotated[
        str,
        Option(
            metavar="none|ema|lora|lora+ema",
            help="What keeps self-training steady: LoRA, or a slow average of the network that teaches.",
            rich_help_panel=TARGET,
        ),
    ] = _D.stabiliser,
    rounds: Annotated[
        int,
        Option(
            help="Rounds with pseudo-labels after the warm-up; each stage takes all epochs.",
            min=0,
            rich_help_panel=TARGET,
        ),
    ] = _D.rounds,
    round_start: Annotated[
        str,
        Option(
            metavar="continue|pretrained",
            help="Each round goes on, or starts from the pretrained weights as the paper's do.",
            rich_help_panel=TARGET,
        ),
    ] = _D.round_start,
    class_shares: Annotated[
        str,
        Option(
            metavar="source|trained",
            help="How often classes are said: as in the source's labels, or as training left it.",
            rich_help_panel=TARGET,
        ),
    ] = _D.class_shares,
    min_confidence: Annotated[
        float,
        Option(help="Leave out pseudo-labels less sure than this. 0: none.", min=0, rich_help_panel=TARGET),
    ] = _D.min_confidence,
    adversarial_weight: Annotated[
        float,
        Option(
            help="Weight of making both fields' features alike (the paper: 0.001). 0: no discriminators.",
            min=0,
            rich_help_panel=TARGET,
        ),
    ] = _D.adversarial_weight,
    discriminator: Annotated[
        str,
        Option(
            metavar="binary|class", help="Tells the fields apart, or also by class.", rich_help_panel=TARGET
        ),
    ] = _D.discriminator,
    resume: Annotated[
        bool,
        Option("--resume", help="Go on from the last checkpoint of this run.", rich_help_panel=TRAINING),
    ] = _D.resume,
    out: Annotated[
        str,
        Option(
            metavar="FILE.nirlora",
            help="Model file to write. Left out: <first raster>.nirlora beside it.",
            rich_help_panel=OUTPUT,
        ),
    ] = _D.out,
    report: Annotated[bool, Option(help="Write <model>_report.html.", rich_help_panel=OUTPUT)] = _D.report,
    overwrite: Annotated[
        bool, Option(help="Replace an existing model file.", rich_help_panel=OUTPUT)
    ] = _D.overwrite,
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
    """Train a model on the labelled pixels of one or more rasters.

    nirlora-train --layer field.tif   is enough when field.gpkg with a field "class" lies beside it.

    With --target-layer the model is carried to another field that has no labels.
    """
    request = build(
        TrainRequest,
        ctx.params,
        layers=layer_refs(layer, labels or [], nodata=nodata, crs=crs),
        target_layers=target_refs(target_layer or [], target_labels or [], nodata=nodata),
        classes=split_list(classes or []),
        aspp_rates=split_ints(aspp_rates, "--aspp-rates"),
        adapter_options=split_pairs(adapter_options or [], "--adapter-option"),
    )
    if dry_run:
        plan = execute(lambda progress: nirlora.plan(request), debug=debug, silent=True)
        emit_json(plan) if json else show_plan(plan)
        return
    result = execute(lambda progress: nirlora.train(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_train(result)
