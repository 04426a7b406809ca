"""The card of a ``.nirlora-backbone`` file: a backbone that was adapted without labels; no torch needed.

The file is a zip like a model file: ``card.json`` and ``weights.safetensors``, the latter with every tensor
of the plain network, nothing left to merge. The card says what the backbone has seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nirlora.errors import ModelError
from nirlora.models.archive import CARD, open_archive, read_weights, refusal, strict_json
from nirlora.protocol.codec import from_dict, to_dict

SUFFIX = ".nirlora-backbone"
KIND = "backbone"
FORMAT = 1
_WHAT = "backbone", "--backbone"
_MAX_CHANNELS = 1024


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
    return card


def _problem(card: BackboneCard) -> str:
    """What in a card of the right types makes no sense, ``""`` if nothing."""
    count = len(card.roles)
    if not 1 <= count <= _MAX_CHANNELS:
        return f"it has {count} channels, expected 1 to {_MAX_CHANNELS}"
    if len(card.mean) != count or len(card.std) != count:
        return f"{len(card.mean)} means and {len(card.std)} deviations for {count} channels"
    if not all(map(math.isfinite, (*card.mean, *card.std, card.zoom))) or min(card.std) <= 0:
        return "a mean, deviation or zoom that is none"
    return ""
