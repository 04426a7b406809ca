"""``nirlora classify``: one option per field of the two classify requests."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

import nirlora
from nirlora.errors import OptionError
from nirlora.protocol import ClassifyPredictRequest, ClassifyTrainRequest, LayerRef, to_dict

from .options import (
    DATA,
    MODEL,
    OUTPUT,
    RUN,
    TRAINING,
    AdapterOption,
    AllowMismatch,
    Crs,
    Debug,
    Device,
    Json,
    ModelBackbone,
    Nodata,
    ReflectanceOffset,
    ReflectanceScale,
    RoleMap,
    build,
    layer_refs,
    split_list,
    split_pairs,
)
from .run import emit_json, execute
from .show import show_plan
from .show_classify import show_classify_predict, show_classify_train

_T = ClassifyTrainRequest()
_P = ClassifyPredictRequest(model="")


def _check_of_layer(given: bool, nodata: float | None, crs: str) -> None:
    """Refuse what is said of a raster where there is none.

    Raises:
        OptionError: ``--nodata`` or ``--crs`` without ``--layer``.
    """
    for name, wanted in (("nodata", nodata is not None), ("crs", bool(crs))):
        if wanted and not given:
            raise OptionError(
                f"--{name} is an option of --layer, and no raster was given.",
                hint="Leave it out; of images the files themselves say it.",
            )


app = typer.Typer(
    help="One class for a whole image, or for each parcel of a raster.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("train")
def classify_train(
    ctx: typer.Context,
    images: Annotated[
        str,
        Option(
            metavar="FOLDER|TABLE.csv",
            help="Holds one folder of images per class; or a table with columns image, class.",
            rich_help_panel=DATA,
        ),
    ] = _T.images,
    layer: Annotated[
        list[str] | None,
        Option(metavar="RASTER", help="Raster with labelled parcels; repeatable.", rich_help_panel=DATA),
    ] = None,
    labels: Annotated[
        list[str] | None,
        Option(
            metavar="FILE",
            help="Parcels: polygons with a class, one file per --layer in the same order. "
            "Left out: <raster>_training.gpkg, then <raster>.gpkg beside it.",
            rich_help_panel=DATA,
        ),
    ] = None,
    class_field: Annotated[
        str, Option(help="Field with the class of a parcel.", rich_help_panel=DATA)
    ] = _T.class_field,
    classes: Annotated[
        list[str] | None,
        Option(metavar="A,B,...", help="Use only these classes, in this order.", rich_help_panel=DATA),
    ] = None,
    bands: Annotated[
        str,
        Option(
            help="Input channels: nir | nir,red,green | 5,4,3 (numbers) | ndvi ... "
            "Left out: all bands of images, the NIR band of rasters.",
            rich_help_panel=DATA,
        ),
    ] = _T.bands,
    reflectance_scale: ReflectanceScale = None,
    reflectance_offset: ReflectanceOffset = None,
    nodata: Nodata = None,
    crs: Crs = "",
    split: Annotated[
        str,
        Option(
            metavar="FILE.json", help="Split of an earlier run. Left out: one is drawn.", rich_help_panel=DATA
        ),
    ] = _T.split,
    val_fraction: Annotated[
        float,
        Option(
            help="Share held out: of each class's images, or of the parcels in spatial groups.",
            min=0,
            max=0.95,
            rich_help_panel=DATA,
        ),
    ] = _T.val_fraction,
    backbone: Annotated[
        str,
        Option(
            metavar="NAME|PATH",
            help="A backbone's name, or a file or folder of weights. A wrong name lists them all.",
            rich_help_panel=MODEL,
        ),
    ] = _T.backbone,
    pretrained: Annotated[
        bool, Option(help="Start from pretrained weights, or from random ones.", rich_help_panel=MODEL)
    ] = _T.pretrained,
    stem: Annotated[
        str,
        Option(
            metavar="auto|rgb|replicate|by_role|positional",
            help="How channels meet a patch embedding trained on RGB.",
            rich_help_panel=MODEL,
        ),
    ] = _T.stem,
    adapter: Annotated[
        str,
        Option(
            metavar="lora|frozen|full|...",
            help="What of the backbone is trained. A wrong name lists all methods.",
            rich_help_panel=MODEL,
        ),
    ] = _T.adapter,
    rank: Annotated[int, Option(help="LoRA rank.", min=1, rich_help_panel=MODEL)] = _T.rank,
    alpha: Annotated[
        float, Option(help="LoRA alpha; the scale is alpha/rank. 0: rank.", min=0, rich_help_panel=MODEL)
    ] = _T.alpha,
    blocks: Annotated[
        str, Option(metavar="all|last:N", help="Blocks that are adapted.", rich_help_panel=MODEL)
    ] = _T.blocks,
    adapter_options: AdapterOption = None,
    input_px: Annotated[
        int, Option(help="Images are brought to this side. 0: 224.", min=0, rich_help_panel=MODEL)
    ] = _T.input_px,
    zoom: Annotated[
        float,
        Option(help="Parcels: input pixels per raster pixel. 0: chosen.", min=0, rich_help_panel=MODEL),
    ] = _T.zoom,
    chip_px: Annotated[
        int,
        Option(
            help="Parcels: side of what is seen at a time, raster pixels. 0: chosen.",
            min=0,
            rich_help_panel=MODEL,
        ),
    ] = _T.chip_px,
    epochs: Annotated[
        int, Option(help="Each ends with a validation.", min=1, rich_help_panel=TRAINING)
    ] = _T.epochs,
    max_seconds: Annotated[
        float,
        Option(
            help="Finish within this time; the schedule fits itself to it. 0: no limit.",
            min=0,
            rich_help_panel=TRAINING,
        ),
    ] = _T.max_seconds,
    steps_per_epoch: Annotated[
        int, Option(help="0: one pass, at least 20 steps.", min=0, rich_help_panel=TRAINING)
    ] = _T.steps_per_epoch,
    batch: Annotated[
        int, Option(help="Images or parcels per step.", min=1, rich_help_panel=TRAINING)
    ] = _T.batch,
    learning_rate: Annotated[
        float, Option(help="0: the adapter's own default.", min=0, rich_help_panel=TRAINING)
    ] = _T.learning_rate,
    label_smoothing: Annotated[
        float, Option(help="Of the cross-entropy.", min=0, max=0.9, rich_help_panel=TRAINING)
    ] = _T.label_smoothing,
    patience: Annotated[
        int,
        Option(
            help="Stop after this many epochs without better accuracy, and keep the best weights. "
            "0: never, and keep the last.",
            min=0,
            rich_help_panel=TRAINING,
        ),
    ] = _T.patience,
    seed: Annotated[int, Option(help="Of everything random.", rich_help_panel=TRAINING)] = _T.seed,
    resume: Annotated[
        bool,
        Option("--resume", help="Go on from the last checkpoint of this run.", rich_help_panel=TRAINING),
    ] = _T.resume,
    out: Annotated[
        str,
        Option(
            metavar="FILE.nirlora",
            help="Model file to write. Left out: <folder or first raster>_classify.nirlora beside it.",
            rich_help_panel=OUTPUT,
        ),
    ] = _T.out,
    report: Annotated[bool, Option(help="Write <model>_report.html.", rich_help_panel=OUTPUT)] = _T.report,
    overwrite: Annotated[bool, Option(help="Replace existing files.", rich_help_panel=OUTPUT)] = _T.overwrite,
    device: Device = _T.device,
    dry_run: Annotated[
        bool,
        Option("--dry-run", help="Train nothing; print counts, parameters, time.", rich_help_panel=RUN),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a classifier of images (a folder per class) or of parcels (labelled polygons of a raster)."""
    _check_of_layer(bool(layer), nodata, crs)
    request = build(
        ClassifyTrainRequest,
        ctx.params,
        layers=layer_refs(layer or [], labels or [], nodata=nodata, crs=crs),
        classes=split_list(classes or []),
        adapter_options=split_pairs(adapter_options or [], "--adapter-option"),
    )
    if dry_run:
        plan = execute(lambda progress: nirlora.classify_plan(request), debug=debug, silent=True)
        emit_json(plan) if json else show_plan(plan)
        return
    result = execute(lambda progress: nirlora.classify_train(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_classify_train(result)


@app.command("predict")
def classify_predict(
    ctx: typer.Context,
    model: Annotated[
        str, Option(metavar="FILE", help="Model from nirlora classify train.", rich_help_panel=MODEL)
    ],
    images: Annotated[
        str,
        Option(metavar="PATH", help="An image, or a folder of images at any depth.", rich_help_panel=DATA),
    ] = _P.images,
    layer: Annotated[
        str, Option(metavar="RASTER", help="Raster that the parcels lie on.", rich_help_panel=DATA)
    ] = "",
    parcels: Annotated[
        str, Option(metavar="FILE", help="Polygons to classify, in any CRS.", rich_help_panel=DATA)
    ] = _P.parcels,
    class_field: Annotated[
        str,
        Option(help="Field with the parcels' known class, to score with.", rich_help_panel=DATA),
    ] = _P.class_field,
    bands: RoleMap = _P.bands,
    reflectance_scale: ReflectanceScale = None,
    reflectance_offset: ReflectanceOffset = None,
    nodata: Nodata = None,
    crs: Crs = "",
    backbone: ModelBackbone = _P.backbone,
    allow_mismatch: AllowMismatch = _P.allow_mismatch,
    out: Annotated[
        str,
        Option(
            metavar="FILE",
            help="CSV of images, or GeoPackage: a copy of the parcels with class and confidence. "
            "Left out: <images or parcels>_<model> beside them.",
            rich_help_panel=OUTPUT,
        ),
    ] = _P.out,
    probabilities: Annotated[
        bool, Option("--probabilities", help="Also every class's probability.", rich_help_panel=OUTPUT)
    ] = _P.probabilities,
    overwrite: Annotated[
        bool, Option(help="Replace an existing file.", rich_help_panel=OUTPUT)
    ] = _P.overwrite,
    batch: Annotated[int, Option(help="Views at a time.", min=1, rich_help_panel=RUN)] = _P.batch,
    device: Device = _P.device,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Classify images into a CSV, or the parcels of a raster into a GeoPackage."""
    _check_of_layer(bool(layer), nodata, crs)
    ref = LayerRef(layer, "", nodata, crs) if layer else None
    request = build(ClassifyPredictRequest, ctx.params, layer=ref)
    result = execute(lambda progress: nirlora.classify_predict(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_classify_predict(result)
