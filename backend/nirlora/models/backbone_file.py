"""Writing and reading ``.nirlora-backbone`` files; see ``backbone_card.py`` for what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from nirlora.models.archive import refusal, write_archive
from nirlora.models.backbone_card import BackboneCard, backbone_card_json, read_backbone_parts


def write_backbone(path: str | Path, card: BackboneCard, state: Mapping[str, torch.Tensor]) -> Path:
    """Write an adapted backbone, whole or not at all; the same card and tensors give the same bytes.

    Args:
        path: Where to.
        card: Its ``weights_sha256`` is filled in here.
        state: State of the plain network (``backbone.net``), adapters merged.

    Raises:
        OutputError: The file cannot be written.
    """
    path = Path(path)
    weights = save({k: state[k].detach().cpu().contiguous() for k in sorted(state)})
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    write_archive(path, backbone_card_json(card), weights)
    return path


def read_backbone(path: str | Path) -> tuple[BackboneCard, dict[str, torch.Tensor]]:
    """Card and tensors of an adapted backbone, all checks passed.

    Raises:
        ModelError: There is no such file, or it is damaged, hostile, or of a newer version.
    """
    path = Path(path)
    card, weights = read_backbone_parts(path)
    try:
        return card, load(weights)
    except (SafetensorError, ValueError, KeyError) as error:
        raise refusal(path, f"its weights are no safetensors ({error})") from error
