"""Resumable training state in one safetensors file, replaced atomically: a kill leaves the last one whole."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nirlora.errors import ModelError, OutputError

FORMAT = 1


@dataclass
class RunState:
    """Everything a run needs to go on: weights and moments by name, the best weights so far, and counters.

    ``warnings`` are for the user, who reads them when the run has ended.
    """

    step: int = 0
    elapsed_s: float = 0.0
    best_epoch: int = -1
    history: list[dict[str, float | int | None]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class TrainState(RunState):
    """The state of a training of maps."""

    best_miou: float | None = None
    confusion: list[list[int]] = field(default_factory=list)


State = TypeVar("State", bound=RunState)
_TENSORS = ("weights", "best_weights", "optimizer")


def save_checkpoint(path: Path, state: RunState, fingerprint: str) -> None:
    """Write ``state`` to ``path`` through a temporary file; ``fingerprint`` identifies the run's settings.

    Raises:
        OutputError: The disk is full, say; an older checkpoint stays.
    """
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group in _TENSORS
        for name, tensor in getattr(state, group).items()
    }
    scalars = {f: getattr(state, f) for f in state.__dataclass_fields__ if f not in _TENSORS}
    meta = {"format": str(FORMAT), "fingerprint": fingerprint, "state": json.dumps(scalars)}
    part = path.with_name(path.name + ".part")
    try:
        save_file(tensors, part, metadata=meta)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise OutputError(
            f"The checkpoint {path} cannot be written: {error}.", hint="Is the disk full, or the folder gone?"
        ) from error


def load_checkpoint(path: Path, fingerprint: str) -> TrainState:
    """Read a checkpoint of a training of maps; see :func:`load_state`."""
    return load_state(path, fingerprint, TrainState)


def load_state(path: Path, fingerprint: str, kind: type[State]) -> State:
    """Read a checkpoint.

    Raises:
        ModelError: The file is damaged, or belongs to a run with other settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"The checkpoint {path} cannot be read: {error}.", hint="Delete it and train without --resume."
        ) from error
    if meta.get("format") != str(FORMAT) or meta.get("fingerprint") != fingerprint:
        raise ModelError(
            f"The checkpoint {path} belongs to a training with other settings or data.",
            hint="Repeat the original options, or train without --resume.",
        )
    state = kind(**json.loads(meta["state"]))
    for key, tensor in tensors.items():
        group, name = key.split("/", 1)
        getattr(state, group)[name] = tensor
    return state


def pack_optimizer(optimizer: torch.optim.Optimizer, names: dict[int, str]) -> dict[str, Tensor]:
    """Flatten an optimiser's state to tensors keyed ``<parameter name>/<state name>``."""
    packed: dict[str, Tensor] = {}
    for parameter, entries in optimizer.state.items():
        for key, value in entries.items():
            tensor = value if isinstance(value, Tensor) else torch.tensor(float(value))
            packed[f"{names[id(parameter)]}/{key}"] = tensor
    return packed


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, names: dict[int, str], packed: dict[str, Tensor]
) -> None:
    """Put flattened state back; parameters are matched by name."""
    entries: dict[str, dict[str, Tensor]] = {}
    for key, tensor in packed.items():
        name, field_name = key.rsplit("/", 1)
        entries.setdefault(name, {})[field_name] = tensor
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = entries.get(names[id(parameter)])
            if state is not None:
                optimizer.state[parameter] = {
                    # AdamW keeps its step counter on the CPU unless capturable.
                    k: v if k == "step" else v.to(parameter.device)
                    for k, v in state.items()
                }
