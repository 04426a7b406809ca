"""The card of a ``.nirlora-backbone`` file: a backbone that was adapted without labels; no torch needed.

The file is a zip like a model file: ``card.json`` and ``weights.safetensors``, the latter with every tensor
of the plain network, nothing left to merge. The card says what the backbone has seen.
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
from nirlora.protocol.codec import from_dict, to_dict

SUFFIX = ".nirlora-backbone"
KIND = "backbone"
FORMAT = 1
_WHAT = "backbone", "--backbone"
_MAX_CHANNELS, _MAX_ZOOM = 1024, 64.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class BackboneCard:
    """Everything about an adapted backbone except its tensors.

    Attributes:
        backbone: Name in the backbone table, with options (``galileo-nano:p8``).
        roles: Role of every channel of its patch embedding, ``""`` unknown.
        mean: Per channel, what unit (0..1) values were standardised with.
        std: Per channel, likewise.
        transform: ``InputTransform.to_dict()`` of the rasters it saw last.
        zoom: Model-input pixels per raster pixel it was adapted at.
        chip_px: Side of the chips in raster pixels.
        history: One record per adaptation, oldest first: where the weights came from, rasters, objective,
            steps, losses. What a reader wants to know, nothing the program needs.
        versions: Of the programs that wrote it.
        weights_sha256: Hash of the ``weights.safetensors`` member; filled in on writing.
        kind: Tells this card from that of a model.
        format: Version of the file format.
    """

    backbone: str
    roles: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    transform: dict[str, Any] = field(default_factory=dict)
    zoom: float = 1.0
    chip_px: int = 0
    history: tuple[dict[str, Any], ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    weights_sha256: str = ""
    kind: str = KIND
    format: int = FORMAT


def is_backbone_file(path: str | Path) -> bool:
    """Whether the name says so."""
    return Path(path).suffix == SUFFIX


def read_backbone_card(path: str | Path) -> BackboneCard:
    """The card alone; the weights stay packed and unchecked.

    Raises:
        ModelError: There is no such file, or it is damaged, hostile, or of a newer version.
    """
    path = Path(path)
    with open_archive(path, *_WHAT) as archive:
        return _parse(path, archive.read(CARD))


def read_backbone_parts(path: Path) -> tuple[BackboneCard, bytes]:
    """Card and safetensors bytes, their hash checked.

    Raises:
        ModelError: See :func:`read_backbone_card`.
    """
    with open_archive(path, *_WHAT) as archive:
        card = _parse(path, archive.read(CARD))
        return card, read_weights(path, archive, card.weights_sha256)


def backbone_card_json(card: BackboneCard) -> str:
    """The card as it lies in the file."""
    return strict_json(to_dict(card))


def _parse(path: Path, raw: bytes) -> BackboneCard:
    try:
        data = json.loads(raw)
        data = data if isinstance(data, dict) else {}
        version = data.get("format")
        if data.get("kind") == KIND and isinstance(version, int) and version > FORMAT:
            raise ModelError(
                f"{path} has file format {version}, this program reads up to {FORMAT}.",
                hint="Update nirlora: pip install --upgrade nirlora.",
            )
        if data.get("kind") != KIND:
            raise refusal(path, "its card is not that of a backbone")
        card: BackboneCard = from_dict(BackboneCard, data, where="card")
    except (ValueError, RecursionError) as error:  # ProtocolError is a ValueError
        raise refusal(path, f"its card cannot be read ({error})") from error
    problem = _problem(card)
    if problem:
        raise refusal(path, f"its card says {problem}")
    return replace(card, history=tuple(map(_printable, card.history)))


def _problem(card: BackboneCard) -> str:
    """What in a card of the right types makes no sense, ``""`` if nothing."""
    count = len(card.roles)
    if not 1 <= count <= _MAX_CHANNELS:
        return f"it has {count} channels, expected 1 to {_MAX_CHANNELS}"
    if len(card.mean) != count or len(card.std) != count:
        return f"{len(card.mean)} means and {len(card.std)} deviations for {count} channels"
    if not all(map(math.isfinite, (*card.mean, *card.std, card.zoom))) or min(card.std) <= 0:
        return "a mean, deviation or zoom that is none"
    if not 0 < card.zoom <= _MAX_ZOOM or card.chip_px < 0:
        return f"zoom is {card.zoom} and chip_px {card.chip_px}"
    return next(filter(None, map(_odd_record, card.history)), "")


def _printable(value: Any) -> Any:
    """Without control characters, which no terminal may see."""
    if isinstance(value, dict):
        return {_printable(k): _printable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_printable(v) for v in value]
    return _CONTROL.sub("?", value) if isinstance(value, str) else value


def _odd_record(record: dict[str, Any]) -> str:
    """What of a record of the history has another form than programs rely on, ``""`` if nothing."""
    forms: dict[str, type] = {"start": dict, "losses": dict, "rasters": list, "channels": list}
    for name, form in forms.items():
        if not isinstance(record.get(name, form()), form):
            return f"a history whose {name} is no {form.__name__}"
    if not all(isinstance(raster, dict) for raster in record.get("rasters", [])):
        return "a history with rasters of another form"
    if not all(isinstance(loss, dict) for loss in record.get("losses", {}).values()):
        return "a history with losses of another form"
    return ""
