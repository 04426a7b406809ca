"""An export from request to finished file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import onnxruntime
import torch

from nirlora.bands import InputTransform
from nirlora.errors import ModelError, OptionError, OutputError
from nirlora.inference.load import default_tile_px
from nirlora.inference.onnx_engine import OnnxEngine, OnnxModel
from nirlora.inference.options import PredictOptions
from nirlora.inference.torch_engine import TorchEngine
from nirlora.models.bundle import load_segmenter
from nirlora.models.card import ModelCard, card_json
from nirlora.models.onnx_metadata import CARD_KEY, EXPORT_KEY, OnnxInfo, info_json, read_onnx
from nirlora.models.segmenter import Segmenter
from nirlora.onnx_export.chips import Chips, find_chips
from nirlora.onnx_export.deepness import deepness_metadata
from nirlora.onnx_export.graph import write_onnx
from nirlora.onnx_export.parity import Parity, check, compare
from nirlora.onnx_export.paths import MAX_INPUT_PX, check_numbers, output_path
from nirlora.protocol import ExportRequest, ExportResult, Progress
from nirlora.raster.outputs import publish, with_suffix
from nirlora.versions import versions

ProgressCallback = Callable[[Progress], None]


def export(request: ExportRequest, progress: ProgressCallback | None = None) -> ExportResult:
    """Write a model as one ONNX file, after comparing both on real chips.

    Args:
        request: The model, the file, and what to compare on.
        progress: Told of stages ``prepare``, ``export``, ``compare``, ``finish``; may raise JobCancelled,
            then nothing is left behind.

    Raises:
        NirLoraError: The model or raster cannot be read, the file not be written, or the exported model
            differs more than allowed; an existing file stays as it was.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    out = output_path(request)
    check_numbers(request)
    say(Progress("prepare", 0.0, "loading the model"))
    model, card = load_segmenter(request.model, request.backbone)
    options, info = _tiles(request, model.merge(), card)
    say(Progress("prepare", 0.1, "reading chips"))
    chips = find_chips(card, options, request.layer, count=request.num_chips)
    metadata, notes = _metadata(card, info)
    part = with_suffix(out, ".part")
    try:
        say(Progress("export", 0.2, "writing the graph; deep networks take a minute or two"))
        _write(model, card, info, metadata, part)
        say(Progress("compare", 0.7, f"comparing on {chips.source}"))
        parity = _compare(model, card, part, chips, say)
        check(parity, request.max_difference, request.min_agreement)
        size = part.stat().st_size
        publish(out, part)
    finally:
        part.unlink(missing_ok=True)
    say(Progress("finish", 1.0, "done"))
    return ExportResult(
        onnx=str(out),
        classes=card.classes,
        tile_px=info.tile_px,
        size_bytes=size,
        chips=chips.source,
        num_chips=len(chips.images),
        max_difference=parity.max_difference,
        agreement=parity.agreement,
        seconds=time.monotonic() - started,
        warnings=(*chips.warnings, *notes),
        versions=info.versions,
    )


def _tiles(request: ExportRequest, model: Segmenter, card: ModelCard) -> tuple[PredictOptions, OnnxInfo]:
    """Tiles of whole patches, and how to cut rasters into them."""
    wanted = request.tile_px or default_tile_px(card)
    options = PredictOptions(tile_px=wanted, overlap_px=0, zoom=card.zoom, patch_px=model.patch)
    grid = options.grid(wanted, wanted)
    (input_px, _) = options.model_px(grid)
    if input_px > MAX_INPUT_PX:
        raise OptionError(
            f"A tile of {grid.tile_h} px is {input_px} px for the model, more than {MAX_INPUT_PX}.",
            hint="Choose a smaller --tile-px.",
        )
    fixed = replace(options, tile_px=grid.tile_h, overlap_px=grid.tile_h // 4, patch_px=input_px)
    return fixed, OnnxInfo(grid.tile_h, input_px, _versions())


def _versions() -> dict[str, str]:
    return {**versions(), "onnxscript": version("onnxscript"), "onnxruntime": onnxruntime.__version__}


def _metadata(card: ModelCard, info: OnnxInfo) -> tuple[dict[str, str], list[str]]:
    transform = InputTransform.from_dict(card.transform)
    deepness = deepness_metadata(card.classes, transform, card.zoom, info.input_px)
    notes = []
    if not deepness:
        computed = ", ".join(c.name for c in transform.channels if c.band == 0)
        notes.append(
            f"The QGIS plugin Deepness cannot compute {computed}, so the file has no metadata for it."
        )
    return {**deepness, CARD_KEY: card_json(card), EXPORT_KEY: info_json(info)}, notes


def _write(model: Segmenter, card: ModelCard, info: OnnxInfo, metadata: dict[str, str], part: Path) -> None:
    try:
        write_onnx(model, InputTransform.from_dict(card.transform), info.input_px, metadata, part)
    except OSError as error:
        raise OutputError(
            f"Cannot write {part}: {error.strerror or error}.",
            hint="Choose another place with --out, or free some space.",
        ) from error
    except torch.onnx.OnnxExporterError as error:
        raise ModelError(
            f"Torch {torch.__version__} cannot export this network: {str(error).splitlines()[0]}",
            hint="Update torch and onnxscript.",
        ) from error


def _compare(model: Segmenter, card: ModelCard, part: Path, chips: Chips, say: ProgressCallback) -> Parity:
    network = OnnxModel(part, read_onnx(part)[1], model.config.num_channels, max(model.config.num_classes, 2))
    exported = OnnxEngine(network, "cpu", batch=len(chips.images))
    return compare(
        TorchEngine(model, len(card.classes), "cpu"),
        exported,
        chips.images,
        lambda done: say(Progress("compare", 0.7 + 0.25 * done, f"comparing on {chips.source}")),
    )
