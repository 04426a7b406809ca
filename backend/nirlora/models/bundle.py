"""The ``.nirlora`` file: a zip of exactly ``card.json`` and ``weights.safetensors``, nothing executable.

It holds the adapter and the head, a few MB; the backbone is named with its hash and fetched again. Files come
from strangers, so reading trusts nothing: members, sizes and compression are checked before anything is
unpacked, the weights against the hash in the card, the card against its fields, the tensors against the net.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from nirlora.errors import ModelError, NirLoraError, OutputError, WeightsUnavailable
from nirlora.models.backbones import BACKBONES
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_segmenter, is_self_contained
from nirlora.models.weights import resolve_backbone
from nirlora.protocol import ClassInfo
from nirlora.protocol.codec import from_dict, to_dict

FORMAT = 1
_CARD, _WEIGHTS = "card.json", "weights.safetensors"
_MAX_CARD_BYTES = 16 * 2**20
_MAX_WEIGHTS_BYTES = 8 * 2**30
_MAX_RATIO = 200.0  # of unpacked to packed card; the weights are stored as they are
_MAX_ZOOM, _MAX_CHIP_PX = 64.0, 65536
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # neither terminals nor XML may see these
_DATE = (1980, 1, 1, 0, 0, 0)  # so that equal models are equal files


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model except its tensors.

    Attributes:
        classes: Value, name and colour of every class.
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


def write_bundle(path: str | Path, card: ModelCard, state: Mapping[str, torch.Tensor]) -> Path:
    """Write a model file: to a temporary name beside it, flushed to the disk, then renamed.

    The same card and tensors give the same bytes.

    Args:
        path: Where to.
        card: Its ``weights_sha256`` is filled in here.
        state: :meth:`Segmenter.trainable_state`.

    Raises:
        OutputError: The file cannot be written.
    """
    path = Path(path)
    weights = save({k: state[k].detach().cpu().contiguous() for k in sorted(state)})
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    text = json.dumps(_finite(to_dict(card)), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(_member(_CARD), text.encode(), zipfile.ZIP_DEFLATED, 9)
                archive.writestr(_member(_WEIGHTS), weights, zipfile.ZIP_STORED)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        reason = error.strerror or error
        raise OutputError(
            f"Cannot write {path}: {reason}.", hint="Choose another place with --out, or free some space."
        ) from error
    return path


def read_bundle(path: str | Path) -> tuple[ModelCard, dict[str, torch.Tensor]]:
    """Card and tensors of a model file, all checks passed.

    Raises:
        ModelError: There is no such file, or it is damaged, hostile, or of a newer version.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            card = _parse_card(path, archive.read(_CARD))
            weights = archive.read(_WEIGHTS)
    except FileNotFoundError as error:
        raise ModelError(f"There is no model file {path}.", hint="Check the path after --model.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise _refuse(path, f"it is no model file, or only a part of one ({error})") from error
    got = hashlib.sha256(weights).hexdigest()
    if got != card.weights_sha256:
        raise _refuse(path, f"its weights have the SHA-256 {got}, its card says {card.weights_sha256}")
    try:
        return card, load(weights)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _refuse(path, f"its weights are no safetensors ({error})") from error


def load_segmenter(path: str | Path, backbone: str = "") -> tuple[Segmenter, ModelCard]:
    """The network of a model file, ready for inference (eval mode, adapter not merged yet).

    Args:
        path: A ``.nirlora`` file.
        backbone: Where the backbone's weights are now: a file, a folder or ``name=path``; empty: where they
            were, else the hub.

    Raises:
        ModelError: See :func:`read_bundle`; or the backbone's weights are others than those trained with.
        WeightsUnavailable: The backbone's weights are no longer where they were.
    """
    path = Path(path)
    card, state = read_bundle(path)
    segmenter = _build(path, card, backbone)
    whole = is_self_contained(card.model, card.backbone_sha256)
    if not whole and segmenter.backbone_sha256 != card.backbone_sha256:
        raise ModelError(
            f"{path} was trained with {card.model.backbone} weights of hash {card.backbone_sha256}, "
            f"but those found now have the hash {segmenter.backbone_sha256}.",
            hint="Give the original weights with --backbone PATH.",
        )
    try:
        segmenter.load_trainable_state(state)
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", hint=error.hint) from error
    return segmenter.eval(), card


def _build(path: Path, card: ModelCard, backbone: str) -> Segmenter:
    config = card.model
    if is_self_contained(config, card.backbone_sha256):
        return _built(path, replace(config, pretrained=False))
    if backbone:
        known = {spec.name for spec in BACKBONES}
        named = backbone.partition("=")[0].split(":")[0] in known
        source = resolve_backbone(backbone)[1] if named else backbone
        return _built(path, replace(config, backbone_source=source))
    try:
        return _built(path, config)
    except WeightsUnavailable as error:
        raise WeightsUnavailable(
            f"{path} needs the weights of {config.backbone} it was trained with, and they are not there: "
            f"{error.message}",
            hint="Say where they are now with --backbone PATH"
            + ("." if config.backbone_source else ", or connect once to the network."),
        ) from error


def _built(path: Path, config: ModelConfig) -> Segmenter:
    try:
        return build_segmenter(config)
    except ModelError:
        raise
    except NirLoraError as error:
        raise _refuse(path, f"its card asks for what does not exist: {error.message}") from error


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = sorted(m.filename for m in members)
    if names != [_CARD, _WEIGHTS]:
        shown = ", ".join(repr(n) for n in names[:5]) or "nothing"
        raise _refuse(path, f"it should hold {_CARD} and {_WEIGHTS} alone, but holds {shown}")
    for member in members:
        limit = _MAX_CARD_BYTES if member.filename == _CARD else _MAX_WEIGHTS_BYTES
        mode = member.external_attr >> 16
        if member.flag_bits & 0x1:
            raise _refuse(path, f"{member.filename} is encrypted")
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise _refuse(path, f"{member.filename} is no plain file")
        if member.file_size > limit:
            raise _refuse(path, f"{member.filename} has {member.file_size} bytes, more than {limit}")
        if member.file_size > _MAX_RATIO * max(member.compress_size, 1):
            raise _refuse(path, f"{member.filename} is a zip bomb")


def _parse_card(path: Path, raw: bytes) -> ModelCard:
    try:
        data = json.loads(raw)
        version = data.get("format") if isinstance(data, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise ModelError(
                f"{path} has file format {version}, this program reads up to {FORMAT}.",
                hint="Update nirlora: pip install --upgrade nirlora.",
            )
        card: ModelCard = from_dict(ModelCard, data, where="card")
    except (ValueError, RecursionError) as error:  # ProtocolError is a ValueError
        raise _refuse(path, f"its card cannot be read ({error})") from error
    problem = _problem(card)
    if problem:
        raise _refuse(path, f"its card says {problem}")
    if card.model.backbone_source.startswith(("//", "\\\\")):
        # a stranger's file must not make this machine log in to a network share
        card = replace(card, model=replace(card.model, backbone_source=""))
    return card


def _problem(card: ModelCard) -> str:
    """What in a card of the right types makes no sense, ``""`` if nothing."""
    classes = card.classes
    if [c.value for c in classes] != list(range(len(classes))) or not classes:
        return f"its classes have the values {[c.value for c in classes][:5]}, expected 0, 1, 2, ..."
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


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.create_system = 3  # the same bytes on Windows
    return info


def _finite(value: Any) -> Any:
    """JSON has no NaN: such scores become null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} is refused: {reason}.", hint="Copy or download it again, or train it again.")


__all__ = ["FORMAT", "ModelCard", "load_segmenter", "read_bundle", "write_bundle"]
