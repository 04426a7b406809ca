"""The ``.nirlora`` file: a zip of exactly ``card.json`` and ``weights.safetensors``, nothing executable.

It holds the adapter and the head, a few MB; the backbone is named with its hash and fetched again. Files come
from strangers, so reading trusts nothing: members, sizes and compression are checked before anything is
unpacked, the weights against the hash in the card, the card against its fields, the tensors against the net.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from nirlora.errors import ModelError, NirLoraError, WeightsUnavailable
from nirlora.models.archive import refusal, write_archive
from nirlora.models.backbones import BACKBONES
from nirlora.models.card import (
    CLASSIFICATION,
    FORMAT,
    SEGMENTATION,
    ModelCard,
    card_json,
    check_task,
    read_parts,
)
from nirlora.models.classifier import Classifier
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Network, Segmenter, build_network, is_self_contained
from nirlora.models.weights import resolve_backbone


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
    write_archive(path, card_json(card), weights)
    return path


def read_bundle(path: str | Path) -> tuple[ModelCard, dict[str, torch.Tensor]]:
    """Card and tensors of a model file, all checks passed.

    Raises:
        ModelError: There is no such file, or it is damaged, hostile, or of a newer version.
    """
    path = Path(path)
    card, weights = read_parts(path)
    try:
        return card, load(weights)
    except (SafetensorError, ValueError, KeyError) as error:
        raise refusal(path, f"its weights are no safetensors ({error})") from error


def load_segmenter(path: str | Path, backbone: str = "") -> tuple[Segmenter, ModelCard]:
    """The network of a model file, ready for inference (eval mode, adapter not merged yet).

    Args:
        path: A ``.nirlora`` file.
        backbone: Where the backbone's weights are now: a file, a folder or ``name=path``; empty: where they
            were, else the hub.

    Raises:
        ModelError: See :func:`read_bundle`; or it is no model for maps, or the backbone's weights are others
            than those trained with.
        WeightsUnavailable: The backbone's weights are no longer where they were.
    """
    return _load(path, backbone, SEGMENTATION, Segmenter)


def load_classifier(path: str | Path, backbone: str = "") -> tuple[Classifier, ModelCard]:
    """The network of a file that classifies images or parcels; see :func:`load_segmenter`.

    Raises:
        ModelError: As there; or it is a model for maps.
        WeightsUnavailable: As there.
    """
    return _load(path, backbone, CLASSIFICATION, Classifier)


def _load(path: str | Path, backbone: str, task: str, kind: type[Network]) -> tuple[Network, ModelCard]:
    path = Path(path)
    card, state = read_bundle(path)
    check_task(path, card, task)
    network = _build(path, card, backbone, kind)
    whole = is_self_contained(card.model, card.backbone_sha256)
    if not whole and network.backbone_sha256 != card.backbone_sha256:
        raise ModelError(
            f"{path} was trained with {card.model.backbone} weights of hash {card.backbone_sha256}, "
            f"but those found now have the hash {network.backbone_sha256}.",
            hint="Give the original weights with --backbone PATH.",
        )
    try:
        network.load_trainable_state(state)
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", hint=error.hint) from error
    network.eval()
    return network, card


def _build(path: Path, card: ModelCard, backbone: str, kind: type[Network]) -> Network:
    config = card.model
    if is_self_contained(config, card.backbone_sha256):
        return _built(path, replace(config, pretrained=False), kind)
    if backbone:
        known = {spec.name for spec in BACKBONES}
        named = backbone.partition("=")[0].split(":")[0] in known
        source = resolve_backbone(backbone)[1] if named else backbone
        return _built(path, replace(config, backbone_source=source), kind)
    try:
        return _built(path, config, kind)
    except WeightsUnavailable as error:
        raise WeightsUnavailable(
            f"{path} needs the weights of {config.backbone} it was trained with, and they are not there: "
            f"{error.message}",
            hint="Say where they are now with --backbone PATH"
            + ("." if config.backbone_source else ", or connect once to the network."),
        ) from error


def _built(path: Path, config: ModelConfig, kind: type[Network]) -> Network:
    try:
        return build_network(config, kind)
    except ModelError:
        raise
    except NirLoraError as error:
        raise refusal(path, f"its card asks for what does not exist: {error.message}") from error


__all__ = ["FORMAT", "ModelCard", "load_classifier", "load_segmenter", "read_bundle", "write_bundle"]
