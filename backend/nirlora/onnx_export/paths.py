"""Where an export writes, and which numbers it takes; without torch, to be checked before a job is queued."""

from __future__ import annotations

from pathlib import Path

from nirlora.errors import ModelError, OptionError, OutputPathError
from nirlora.models.onnx_metadata import is_onnx, read_onnx
from nirlora.protocol import ExportRequest
from nirlora.raster.outputs import check_output, named, wished

MAX_INPUT_PX = 8192


def output_path(request: ExportRequest) -> Path:
    """Where this request writes.

    Raises:
        ModelError: The model is an exported one already.
        OptionError: The file is named as something else than ONNX.
        OutputPathError: It cannot or must not be written, or exists and is something else.
    """
    if is_onnx(request.model):
        raise ModelError(f"{request.model} is exported already.", hint="Give the .nirlora file it came from.")
    model = named(request.model)
    out = wished(request.out) if request.out else model.with_name(f"{model.stem}.onnx")
    if not is_onnx(out):
        raise OptionError(
            f"An exported model is an ONNX file, but --out is {out.name}.",
            hint=f"Name it {out.stem}.onnx, for example.",
        )
    inputs = [request.model, *([request.layer.path] if request.layer else [])]
    check_output(out, overwrite=request.overwrite, inputs=inputs)
    if out.exists():
        _check_ours(out)
    return out


def _check_ours(path: Path) -> None:
    """Another model of that name may be the user's only copy."""
    try:
        read_onnx(path)
    except ModelError as error:
        raise OutputPathError(
            f"{path} exists and is no earlier export, so it is not replaced.",
            hint="Choose another name with --out, or remove the file yourself.",
        ) from error


def check_numbers(request: ExportRequest) -> None:
    """Refuse numbers no export can use.

    Raises:
        OptionError: One is out of its range.
    """
    for name, value, low, high in (
        ("tile-px", request.tile_px, 0, MAX_INPUT_PX),
        ("num-chips", request.num_chips, 1, 1000),
        ("max-difference", request.max_difference, 0, float("inf")),
        ("min-agreement", request.min_agreement, 0, 1),
    ):
        if not low <= value <= high:
            raise OptionError(f"--{name} is {value}, expected {low} to {high:g}.")
