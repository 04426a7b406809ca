"""What a run of self-training resumes from, in the form that checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nirlora.self_training.players import Players
from nirlora.self_training.scenes import Scene
from nirlora.self_training.student import below
from nirlora.training.checkpoint import RunState, pack_optimizer, unpack_optimizer


@dataclass
class AdaptState(RunState):
    """Counters and tensors of a run.

    Attributes:
        stage: 0 in the warm-up, k in round k, ``rounds + 1`` when all is done.
        stage_step: Steps of this stage.
        stage_started_s: Of the whole run's time.
        confusion: Of the last epoch's result on the held-out labels of the source.
        rounds: One record per finished stage: ``name, steps, seconds, flips, kept, shares, source_miou,
            confusion`` (of the target, if it has labels), and where classes got their shares ``biases`` and
            ``said`` (shares on the chips that are looked at).
        weights: ``student/``, ``teacher/``, ``align/`` and ``domain/`` and then a tensor's name; the scenes'
            pixels under ``classes/`` and ``labels/``; the last look at the probe under ``probe/``.
        best_weights: Of the segmenter after the last whole stage.
    """

    stage: int = 0
    stage_step: int = 0
    stage_started_s: float = 0.0
    confusion: list[list[int]] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)


def pack_weights(players: Players) -> dict[str, Tensor]:
    """Weights of all networks, named as in a checkpoint."""
    weights = {f"student/{k}": v for k, v in players.student.trainable_state().items()}
    if players.teacher is not None:
        shared = {v.data_ptr() for v in weights.values()}
        own = {k: v for k, v in players.teacher.trainable_state().items() if v.data_ptr() not in shared}
        weights |= {f"teacher/{k}": v for k, v in own.items()}
    for name, net in (("align", players.align), ("domain", players.domain)):
        if net is not None:
            weights |= {f"{name}/{k}": v for k, v in net.state_dict().items()}
    return weights


def pack_moments(players: Players) -> dict[str, Tensor]:
    """States of the optimisers."""
    moments: dict[str, Tensor] = {}
    for optimizer in filter(None, (players.optimizer, players.game)):
        moments |= pack_optimizer(optimizer.optimizer, parameter_names(players))
    return moments


def unpack_players(players: Players, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]) -> None:
    """Put weights and optimiser states back; no moments: the optimisers stay as they are."""
    own = below(weights, "student/")
    players.student.load_trainable_state(own)
    if players.teacher is not None:
        players.teacher.load_trainable_state(own | below(weights, "teacher/"))
    for name, net in (("align", players.align), ("domain", players.domain)):
        if net is not None:
            net.load_state_dict(below(weights, f"{name}/"))
    if moments:
        for optimizer in filter(None, (players.optimizer, players.game)):
            unpack_optimizer(optimizer.optimizer, parameter_names(players), dict(moments))


def pack_scenes(scenes: Sequence[Scene]) -> dict[str, Tensor]:
    """The pseudo-labels."""
    packed = {f"classes/{i}": torch.from_numpy(scene.classes) for i, scene in enumerate(scenes)}
    for i, scene in enumerate(scenes):
        if scene.labels is not scene.classes:
            packed[f"labels/{i}"] = torch.from_numpy(scene.labels)
    return packed


def unpack_scenes(scenes: Sequence[Scene], packed: Mapping[str, Tensor]) -> None:
    """Put back what :func:`pack_scenes` gave."""
    for i, scene in enumerate(scenes):
        scene.classes = packed[f"classes/{i}"].numpy().astype(np.uint8)
        labels = packed.get(f"labels/{i}")
        scene.labels = scene.classes if labels is None else labels.numpy().astype(np.uint8)


def parameter_names(players: Players) -> dict[int, str]:
    """Name of every trained parameter by its identity."""
    nets = {"student": players.student, "align": players.align, "domain": players.domain}
    return {
        id(p): f"{prefix}.{name}"
        for prefix, net in nets.items()
        if net is not None
        for name, p in net.named_parameters()
        if p.requires_grad
    }
