"""The card of a ``.nirlora`` file; without torch, so that a list of models is quick.

Files come from strangers, so reading trusts nothing: beside what ``archive.py`` checks, the weights are held
against the hash in the card, the card against its fields.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nirlora.errors import ModelError
from nirlora.models.archive import CARD, open_archive, read_weights, refusal, strict_json
from nirlora.models.backbone_card import KIND
from nirlora.models.config import ModelConfig
from nirlora.models.onnx_metadata import is_onnx, read_onnx
from nirlora.protocol import ClassInfo
from nirlora.protocol.codec import from_dict, to_dict

FORMAT = 1
SEGMENTATION, CLASSIFICATION = "segmentation", "classification"
_MAX_ZOOM, _MAX_CHIP_PX = 64.0, 65536
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # neither terminals nor XML may see these


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model except its tensors.

    Attributes:
        classes: Value, name and colour of every class.
        task: ``segmentation`` (a class for every pixel) or ``classification`` (one for a whole image or
            parcel).
        model: What the network is built from.
        transform: ``InputTransform.to_dict()``.
        zoom: Model-input pixels per raster pixel.
        chip_px: Side of the training chips in raster pixels.
        positive_class: Of the binary protocol; else empty.
        backbone_sha256: Hash of the backbone's weights; empty when the file holds them itself.
        metrics: Scores on the held-out labels.
        training: Extents, dates, request: what a reader wants to know, nothing the program needs.
        versions: Of the programs that wrote it.
        weights_sha256: Hash of the ``weights.safetensors`` member; :func:`write_bundle` fills it in.
        format: Version of the file format.
    """

    classes: tuple[ClassInfo, ...]
    model: ModelConfig
    transform: dict[str, Any] = field(default_factory=dict)
    zoom: float = 1.0
    chip_px: int = 0
    positive_class: str = ""
    backbone_sha256: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    weights_sha256: str = ""
    format: int = FORMAT
    task: str = SEGMENTATION


def read_card(path: str | Path, task: str = "") -> ModelCard:
    """The card alone, of a ``.nirlora`` file or an exported ``.onnx``; the weights stay packed and unchecked.

    Args:
        path: The model file.
        task: What the model is wanted for; "": anything.

    Raises:
        ModelError: There is no such file, it is damaged, hostile, or of a newer version, or it does not do
            what is wanted.
    """
    path = Path(path)
    if is_onnx(path):
        card = _parse_card(path, read_onnx(path)[0])
    else:
        with open_archive(path) as archive:
            card = _parse_card(path, archive.read(CARD))
    check_task(path, card, task or card.task)
    return card


def check_task(path: Path, card: ModelCard, task: str) -> None:
    """Refuse a model that does something else.

    Raises:
        ModelError: The card's task is not ``task``.
    """
    if card.task == task:
        return
    if task == SEGMENTATION:
        raise ModelError(
            f"{path} gives one class to a whole image or parcel; a model that draws maps was expected.",
            hint="Use it with nirlora classify predict, or train one for maps with nirlora train.",
        )
    raise ModelError(
        f"{path} draws maps; a model that classifies images or parcels was expected.",
        hint="Use it with nirlora segment, or train a classifier with nirlora classify train.",
    )


def read_parts(path: Path) -> tuple[ModelCard, bytes]:
    """Card and safetensors bytes, their hash checked.

    Raises:
        ModelError: See :func:`read_card`.
    """
    with open_archive(path) as archive:
        card = _parse_card(path, archive.read(CARD))
        return card, read_weights(path, archive, card.weights_sha256)


def card_json(card: ModelCard) -> str:
    """The card as it lies in model files; :func:`read_card` gives it back, NaN as null."""
    plain = to_dict(card)
    if card.task == SEGMENTATION:  # what it is without the field, as versions before 0.2 read and write it
        del plain["task"]
    return strict_json(plain)


def _parse_card(path: Path, raw: bytes) -> ModelCard:
    try:
        data = json.loads(raw)
        version = data.get("format") if isinstance(data, dict) else None
        if isinstance(data, dict) and data.get("kind") == KIND:
            raise ModelError(
                f"{path} is a backbone, not a model that maps classes.",
                hint=f"Train on it: nirlora-train --layer RASTER --backbone {path}.",
            )
        if isinstance(version, int) and version > FORMAT:
            raise ModelError(
                f"{path} has file format {version}, this program reads up to {FORMAT}.",
                hint="Update nirlora: pip install --upgrade nirlora.",
            )
        card: ModelCard = from_dict(ModelCard, data, where="card")
    except (ValueError, RecursionError) as error:  # ProtocolError is a ValueError
        raise refusal(path, f"its card cannot be read ({error})") from error
    problem = _problem(card)
    if problem:
        raise refusal(path, f"its card says {problem}")
    if card.model.backbone_source.startswith(("//", "\\\\")):
        # a stranger's file must not make this machine log in to a network share
        card = replace(card, model=replace(card.model, backbone_source=""))
    return card


def _problem(card: ModelCard) -> str:
    """What in a card of the right types makes no sense, ``""`` if nothing."""
    classes = card.classes
    if [c.value for c in classes] != list(range(len(classes))) or not classes:
        return f"its classes have the values {[c.value for c in classes][:5]}, expected 0, 1, 2, ..."
    if card.task not in (SEGMENTATION, CLASSIFICATION):
        return f"its task is {card.task!r}, expected {SEGMENTATION} or {CLASSIFICATION}"
    outputs = card.model.num_classes  # one output tells one or two classes
    if len(classes) != outputs and not (outputs == 1 and len(classes) == 2):
        return f"it has {len(classes)} classes, but the network {outputs} outputs"
    for info in classes:
        if not _COLOR.fullmatch(info.color) or _CONTROL.search(info.name):
            return f"class {info.value} is {info.name!r} in {info.color!r}, expected a name and #rrggbb"
    if not (math.isfinite(card.zoom) and 1 / _MAX_ZOOM <= card.zoom <= _MAX_ZOOM):
        return f"zoom is {card.zoom}, expected {1 / _MAX_ZOOM} to {_MAX_ZOOM}"
    if not 0 <= card.chip_px <= _MAX_CHIP_PX:
        return f"chip_px is {card.chip_px}, expected 0 to {_MAX_CHIP_PX}"
    listed = card.metrics.get("classes", {}), card.training.get("layers", [])
    if not isinstance(listed[0], dict) or not isinstance(listed[1], list):
        return "metrics or training of another form"
    return ""
