"""``nirlora demo``: a whole job on a generated field, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Option

import nirlora
from nirlora.protocol import EvaluateRequest, LayerRef, SegmentRequest, TrainRequest, to_dict

from .options import OUTPUT, RUN, TRAINING, Debug, Device, Json
from .run import ProgressCallback, emit_json, execute, note
from .show import show_demo


def demo(
    out: Annotated[Path, Option(help="Folder to write to.", rich_help_panel=OUTPUT)] = Path("demo"),
    seconds: Annotated[
        float, Option(help="Time limit of the training, seconds.", min=5, rich_help_panel=TRAINING)
    ] = 200.0,
    seed: Annotated[int, Option(help="Of the field and the training.", rich_help_panel=RUN)] = 0,
    device: Device = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Generate a field, train on a few polygons of it, map it and score the map against the truth."""
    results = execute(lambda progress: _run(out, seconds, seed, device, progress), debug=debug)
    if json:
        emit_json({name: to_dict(result) for name, result in results.items()})
    else:
        show_demo(**results)


def _run(out: Path, seconds: float, seed: int, device: str, progress: ProgressCallback) -> dict[str, Any]:
    from nirlora.demo_field import generate_field

    out.mkdir(parents=True, exist_ok=True)
    note("field: generating a 5-band field with crop rows, weeds, trees, soil and shadow")
    field = generate_field(out / "field.tif", seed=seed)
    note("training: LoRA in the small Vision Transformer that comes with the program")
    trained = nirlora.train(
        TrainRequest(
            layers=(LayerRef(str(field.raster), str(field.training)),),
            out=str(out / "demo.nirlora"),
            bands="nir,red,green",
            epochs=30,  # what a GPU needs seconds for; on a CPU the time limit comes first
            steps_per_epoch=50,
            max_seconds=seconds,
            seed=seed,
            device=device,
        ),
        progress,
    )
    layer = LayerRef(str(field.raster))
    segmented = nirlora.segment(
        SegmentRequest(layer=layer, model=trained.model, out=str(out / "map.tif"), device=device), progress
    )
    evaluated = nirlora.evaluate(
        EvaluateRequest(
            layer=LayerRef(str(field.raster), str(field.truth)), model=trained.model, device=device
        ),
        progress,
    )
    return {"train": trained, "segment": segmented, "evaluate": evaluated}
