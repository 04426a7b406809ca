"""A pretraining run: settings to network, checkpoint to checkpoint, and the backbone file at its end."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from nirlora.adaptation.config import AdaptRecipe
from nirlora.adaptation.loop import LoopConfig, ProgressCallback, pretrain
from nirlora.adaptation.mae import sincos_grid
from nirlora.errors import JobCancelled
from nirlora.inference.devices import describe_device
from nirlora.models.backbone_card import SUFFIX, BackboneCard, read_backbone_card
from nirlora.models.backbone_file import write_backbone
from nirlora.models.backbones import Backbone, build_backbone
from nirlora.models.weights import load_backbone_weights
from nirlora.protocol import Progress
from nirlora.training.accelerator import make_accelerator
from nirlora.training.augment import AugmentConfig
from nirlora.training.checkpoint import RunState, load_state
from nirlora.versions import versions
from pretraining.draws import MEAN, STD, Draws, DrawSpec
from pretraining.objective import LossWeights, PretrainObjective
from pretraining.sources import ROLES
from pretraining.tiles import TileSet

BACKBONES = {8: "nirlora-tiny", 16: "nirlora-tiny-16"}  # by their patch
CHECKPOINT = "checkpoint.safetensors"
TEACHER_PATCH = 8  # Galileo knows no larger one


@dataclass(frozen=True)
class Settings:
    """What a run is, all of it; a run is resumed only with the same.

    Attributes:
        steps: Optimiser steps.
        rate: Peak learning rate, of encoder and heads alike.
        seed: Of weights and batches.
        precision: Of the computation, ``bf16`` or ``no`` (float32).
        positions: Amplitude of the position code at the start.
        draws: How batches are made.
        weights: Of the losses.
    """

    steps: int = 10_000
    rate: float = 1e-3
    seed: int = 0
    precision: str = "bf16"
    positions: float = 0.25
    draws: DrawSpec = field(default_factory=DrawSpec)
    weights: LossWeights = field(default_factory=LossWeights)


def backbone_name(settings: Settings) -> str:
    """The backbone of a run.

    Raises:
        ValueError: There is none of its patch.
    """
    if settings.draws.patch not in BACKBONES:
        raise ValueError(f"there is no network with patches of {settings.draws.patch} px")
    return BACKBONES[settings.draws.patch]


def build(settings: Settings, teacher: Path, start: Path | None = None) -> PretrainObjective:
    """The network with random weights from the seed, the encoder with those of ``start`` where it is given.

    ``teacher`` is the folder of Galileo-nano, ``start`` the backbone file of an earlier run.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm warns of its own internals
        taught = None
        if settings.weights.teacher:
            taught = build_backbone(f"galileo-nano:p{min(settings.draws.patch, TEACHER_PATCH)}")
            load_backbone_weights(taught, str(teacher))
        torch.manual_seed(settings.seed)
        backbone = build_backbone(backbone_name(settings))
        backbone.set_channels(ROLES)
        _set_positions(backbone, settings.positions)
        if start is not None:
            load_backbone_weights(backbone, str(start))
        return PretrainObjective(backbone, taught, settings.weights)


@torch.no_grad()
def _set_positions(backbone: Backbone, amplitude: float) -> None:
    """Start the learnt position table as the fixed code of MAE, by which near patches are alike at once."""
    table = backbone.net.pos_embed  # (1, L, d)
    side = int(table.shape[1] ** 0.5)
    table.copy_(amplitude * sincos_grid(table.shape[2], side, side, table.device)[None])


@dataclass(frozen=True)
class Places:
    """Where a run finds its teacher and keeps its files: the folder of Galileo-nano, and its own.

    ``every_s`` seconds lie between two checkpoints. ``start`` is the backbone file of an earlier run, whose
    encoder this one trains further; None for random weights.
    """

    teacher: Path
    out: Path
    every_s: float = 120.0
    start: Path | None = None


def run(settings: Settings, tiles: TileSet, places: Places, progress: ProgressCallback) -> RunState:
    """Go on from the checkpoint in ``places``, or start; ``progress`` may raise JobCancelled to stop.

    Raises:
        ModelError: The checkpoint is of another run.
    """
    out = places.out
    out.mkdir(parents=True, exist_ok=True)
    key = fingerprint(settings, tiles, places.start)
    objective = build(settings, places.teacher, places.start)
    path = out / CHECKPOINT
    state = load_state(path, key, RunState) if path.exists() else RunState()
    config = LoopConfig(
        recipe=_recipe(settings),
        seed=settings.seed,
        checkpoint=path,
        checkpoint_every_s=places.every_s,
        fingerprint=key,
    )
    draws = Draws(tiles, settings.draws, settings.seed)
    pretrain(objective, draws, config, _accelerator(settings.precision), state, progress)
    (out / "curve.json").write_text(json.dumps(state.history) + "\n")
    history = (*_history(places.start), record(settings, tiles, state, places.start))
    export(settings, objective, history, out / f"{backbone_name(settings)}{SUFFIX}")
    return state


def _history(start: Path | None) -> tuple[dict[str, Any], ...]:
    return read_backbone_card(start).history if start else ()


def export(
    settings: Settings, objective: PretrainObjective, history: tuple[dict[str, Any], ...], out: Path
) -> BackboneCard:
    """Write the running mean in half precision, with what made it, run by run."""
    weights = {k: v.half() for k, v in objective.result.net.state_dict().items()}
    card = BackboneCard(
        backbone=backbone_name(settings),
        roles=ROLES,
        mean=(MEAN,) * len(ROLES),
        std=(STD,) * len(ROLES),
        chip_px=max(settings.draws.sides),
        history=history,
        versions=versions(),
    )
    write_backbone(out, card, weights)
    return card


def record(settings: Settings, tiles: TileSet, state: RunState, start: Path | None) -> dict[str, Any]:
    """What the card says of the run; without the time of day, so that the same run gives the same file."""
    kept = ("name", "kind", "licence", "tiles")
    means = state.history[-10:]
    losses = {k: sum(float(h[k] or 0) for h in means) / len(means) for k in means[0]} if means else {}
    return {
        "start": {
            "backbone": backbone_name(settings),
            "source": "an earlier run" if start else "random weights",
            "sha256": _sha256(start) if start else "",
            "revision": "",
        },
        "objective": "pretraining",
        "settings": asdict(settings),
        "channels": list(ROLES),
        "rasters": [{k: fact[k] for k in kept} for fact in tiles.facts],
        "steps": state.step,
        "losses": {"last": {k: v for k, v in losses.items() if k not in ("step", "lr", "seconds")}},
        "seconds": round(state.elapsed_s),
        "device": describe_device(_device()) + f", {torch.get_num_threads()} threads",
    }


def fingerprint(settings: Settings, tiles: TileSet, start: Path | None = None) -> str:
    """Hash of everything that a resumed run must share with the run it goes on with."""
    content: dict[str, Any] = {"settings": asdict(settings), "tiles": tiles.facts}
    if start is not None:
        content["start"] = _sha256(start)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _accelerator(precision: str) -> Accelerator:
    """The product's on a GPU; on a CPU its own precision, where the product computes in float32."""
    if _device().type == "cuda":
        return make_accelerator(_device())
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=True, mixed_precision=precision)


def _recipe(settings: Settings) -> AdaptRecipe:
    """The loop's numbers; those about sizes are not used by it."""
    return AdaptRecipe(
        chip_px=0,
        input_px=0,
        local_px=0,
        zoom=1.0,
        steps=settings.steps,
        rate=settings.rate,
        new_rate=settings.rate,
        backbone_warmup=0.0,
        weight_decay=(0.05, 0.05),
        betas=(0.9, 0.95),
        layer_decay=1.0,
        scale=(1.0, 1.0),
        local_scale=(1.0, 1.0),
        decoder=(0, 0, 0),
        head=(0, 0, 0),
        augment=AugmentConfig(),
        clip_norm=3.0,
    )


class Watch:
    """Prints progress now and then, and stops the run when its time is over or ``stop`` was set."""

    def __init__(self, seconds: float, every_s: float = 30.0) -> None:
        self.stop = False
        self._end = time.monotonic() + seconds if seconds else float("inf")
        self._every, self._said = every_s, 0.0

    def __call__(self, progress: Progress) -> None:
        """See the class.

        Raises:
            JobCancelled: To stop; what has been learnt is kept.
        """
        now = time.monotonic()
        if now - self._said > self._every:
            self._said = now
            print(f"{progress.message}, {progress.metrics}", flush=True)
        if self.stop or now > self._end:
            raise JobCancelled(keep=True)


def with_overrides(settings: Settings, words: list[str]) -> Settings:
    """``settings`` with ``NAME=NUMBER`` changed: a field of it, of its draws or of its weights.

    Raises:
        ValueError: There is no such field.
    """
    for word in words:
        name, _, text = word.partition("=")
        value: Any = json.loads(text)
        value = tuple(value) if isinstance(value, list) else value
        if name in Settings.__dataclass_fields__:
            settings = replace(settings, **{name: value})
        elif name in DrawSpec.__dataclass_fields__:
            settings = replace(settings, draws=replace(settings.draws, **{name: value}))
        elif name in LossWeights.__dataclass_fields__:
            settings = replace(settings, weights=replace(settings.weights, **{name: value}))
        else:
            raise ValueError(f"there is no setting {name!r}")
    return settings
