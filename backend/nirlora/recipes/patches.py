"""Recipes of the kind ``patches``: LoRA-NIR's protocol, a binary map learnt from a fixed list of patches.

Patches of a fixed size are cut from a few scenes, permuted once and split into folds; a batch is the next
eight of the training list, in the same order in every epoch; the last weights are tested, patch by patch.
Source: Ulku et al. 2024 and the authors' code.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.errors import InputError
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.metrics import Scores, soft_f1, soft_jaccard, summarise
from nirlora.models.backbones import backbone_spec
from nirlora.models.config import ModelConfig
from nirlora.models.logits import class_logits, to_raster
from nirlora.models.segmenter import Segmenter, build_segmenter
from nirlora.models.stem import normalisation
from nirlora.models.weights import backbone_input, resolve_backbone
from nirlora.protocol import NO_CLASS, to_dict
from nirlora.raster.grid import Window, tile_starts
from nirlora.raster.source import RasterSource, open_raster
from nirlora.recipes.readers import Scenes
from nirlora.recipes.readers.base import Tick
from nirlora.recipes.recipe import Experiment
from nirlora.recipes.runner import Context, Outcome, ProgressCallback, checkpoint_of, make_request
from nirlora.training.accelerator import make_accelerator
from nirlora.training.checkpoint import TrainState, load_checkpoint
from nirlora.training.chips import Chips
from nirlora.training.folds import Fold, k_fold, scene_fold
from nirlora.training.loop import LoopConfig, fit
from nirlora.training.run import enough_memory

_VALIDATED = 48  # patches looked at after an epoch; they decide nothing


@dataclass(frozen=True)
class PatchSettings:
    """What a recipe sets; names as in :class:`nirlora.protocol.TrainRequest`.

    Attributes:
        folds: K.
        fold: Which of them is tested, from 0.
        split: ``patches`` as published; ``scenes``: no scene is on two sides.
        patch_px: Side of a patch.
        stride_px: Distance of patches along an axis, at most.
    """

    bands: str
    folds: int
    fold: int
    split: str = "patches"
    patch_px: int = 224
    stride_px: int = 224
    backbone: str = "vit-large"
    pretrained: bool = True
    stem: str = "positional"
    normalisation: str = "mean"
    adapter: str = "lora"
    rank: int = 4
    alpha: float = 4.0
    blocks: str = "all"
    adapter_options: dict[str, Any] = field(default_factory=dict)
    aspp_rates: tuple[int, ...] = (12, 24, 36)
    epochs: int = 70
    batch: int = 8
    learning_rate: float = 1e-4
    device: str = "auto"


@dataclass(frozen=True)
class Patch:
    """A window of scene number ``scene``, all of it valid and labelled."""

    scene: int
    window: Window


class PatchReader:
    """Patches as chips; for one thread."""

    def __init__(
        self, scenes: Scenes, transform: InputTransform, bands: str, patches: Sequence[Patch]
    ) -> None:
        self._stack = ExitStack()
        self._patches = list(patches)
        self._masks = [self._stack.enter_context(open_raster(s.mask)) for s in scenes.scenes]
        sources = [self._stack.enter_context(open_raster(s.image)) for s in scenes.scenes]
        self._readers = [ChannelReader(source, transform, bands) for source in sources]

    def chips(self, numbers: Sequence[int]) -> Chips:
        """Input ``(N, C, p, p)`` and labels ``(N, p, p)`` of some patches."""
        pairs = [self._chip(self._patches[i]) for i in numbers]
        return np.stack([x for x, _ in pairs]), np.stack([y for _, y in pairs])

    def _chip(self, patch: Patch) -> tuple[Any, Any]:
        x, valid = self._readers[patch.scene].read(patch.window)
        labels, known = self._masks[patch.scene].read(patch.window, [1])
        return x, np.where(valid & known, labels[0], np.uint8(NO_CLASS)).astype(np.uint8)

    def close(self) -> None:
        """Close the scenes."""
        self._stack.close()


class PatchBatches:
    """Batch ``step``: the next patches of the list, which starts again with every epoch."""

    num_classes = 2

    def __init__(self, reader: PatchReader, numbers: Sequence[int], batch: int) -> None:
        self._reader, self._numbers, self._batch = reader, list(numbers), batch

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one pass; the last may be smaller."""
        return math.ceil(len(self._numbers) / self._batch)

    def batch(self, step: int) -> Chips:
        """See the class."""
        start = step % self.steps_per_epoch * self._batch
        return self._reader.chips(self._numbers[start : start + self._batch])


class PatchesRunner:
    """See :class:`nirlora.recipes.runner.Runner`."""

    def __init__(self, context: Context, tick: Tick) -> None:
        self._context = context
        data = context.read(context.recipe.data, tick)
        if not isinstance(data, Scenes):
            raise InputError("The recipe's reader gives no scenes.", hint="Choose another reader.")
        self._data, self._tick = data, tick
        self._patches: dict[tuple[str, int, int], tuple[Patch, ...]] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """How the data differ from those published."""
        counts = {len(patches) for patches in self._patches.values()}
        found = tuple(f"{count} patches were cut." for count in sorted(counts))
        return (*self._data.notes, *found)

    def content(self, experiment: Experiment, seed: int) -> dict[str, Any]:
        """Settings, seed and split."""
        settings = self._settings(experiment)
        resolve_backbone(settings.backbone)
        patches = self._cut(settings)
        names = [(self._data.scenes[p.scene].name, p.window.col_off, p.window.row_off) for p in patches]
        listed = hashlib.sha256(json.dumps(names).encode()).hexdigest()
        return {
            **to_dict(settings),
            "seed": seed,
            "patches": listed,
            "split": to_dict(self._fold(settings, seed)),
        }

    def run(self, experiment: Experiment, seed: int, stem: Path, say: ProgressCallback) -> Outcome:
        """Train on the training patches, test the last weights on the test patches."""
        settings = self._settings(experiment)
        fold, patches = self._fold(settings, seed), self._cut(settings)
        device = resolve_device(settings.device)
        accelerator = make_accelerator(device)
        transform, config = self._network(settings, seed)
        model = build_segmenter(config)
        checkpoint = checkpoint_of(stem)
        fingerprint = hashlib.sha256(
            json.dumps(self.content(experiment, seed), sort_keys=True).encode()
        ).hexdigest()
        state = load_checkpoint(checkpoint, fingerprint) if checkpoint.exists() else TrainState()
        with ExitStack() as stack:
            reader, ahead = (PatchReader(self._data, transform, settings.bands, patches) for _ in range(2))
            stack.callback(reader.close)
            stack.callback(ahead.close)
            batches = PatchBatches(ahead, fold.train, settings.batch)
            loop = LoopConfig(
                epochs=settings.epochs,
                steps_per_epoch=batches.steps_per_epoch,
                head_rate=settings.learning_rate,
                backbone_rate=settings.learning_rate,
                weight_decay=0.0,
                schedule="lora-nir",
                dice_weight=0.0,
                clip_norm=0.0,
                seed=seed,
                checkpoint=checkpoint,
                fingerprint=fingerprint,
                keep_last=True,
            )
            looked_at = _parts(fold.val[:_VALIDATED], settings.batch)
            validation = [reader.chips(part) for part in looked_at]
            with enough_memory(device, settings.batch, settings.patch_px):
                fit(model, batches, validation, loop, accelerator, state, say)
            scores, facts = test(model, reader, fold, settings.batch, accelerator)
        counts = model.num_parameters()
        facts |= {
            "patches": {"train": len(fold.train), "val": len(fold.val), "test": len(fold.test)},
            "trainable_parameters": counts["trainable"],
            "total_parameters": counts["total"],
            "seconds": round(state.elapsed_s, 1),
            "device": describe_device(device),
        }
        return Outcome(scores, facts, tuple(state.warnings))

    def _settings(self, experiment: Experiment) -> PatchSettings:
        return make_request(PatchSettings, self._context.settings(experiment))

    def _cut(self, settings: PatchSettings) -> tuple[Patch, ...]:
        """Patches that lie wholly on valid, labelled pixels, scene by scene."""
        key = (settings.bands, settings.patch_px, settings.stride_px)
        if key not in self._patches:
            found: list[Patch] = []
            for number, scene in enumerate(self._data.scenes):
                self._tick(f"cutting patches of scene {scene.name}")
                with open_raster(scene.image) as image, open_raster(scene.mask) as mask:
                    found += [
                        Patch(number, w) for w in windows(image, mask, settings.patch_px, settings.stride_px)
                    ]
            if not found:
                raise InputError(
                    f"No patch of {settings.patch_px} px fits into the valid part of a scene.",
                    hint="Give a smaller one with --set patch_px=N.",
                )
            self._patches[key] = tuple(found)
        return self._patches[key]

    def _fold(self, settings: PatchSettings, seed: int) -> Fold:
        patches = self._cut(settings)
        if settings.split == "scenes":
            names = [self._data.scenes[p.scene].name for p in patches]
            return scene_fold(names, settings.folds, settings.fold, seed=seed)
        if settings.split != "patches":
            raise InputError(f"There is no split {settings.split!r}.", hint="Choose patches or scenes.")
        return k_fold(len(patches), settings.folds, settings.fold, seed=seed)

    def _network(self, settings: PatchSettings, seed: int) -> tuple[InputTransform, ModelConfig]:
        """Input transform, fitted to all scenes, and the network: DeepLab head, one output."""
        name, source = resolve_backbone(settings.backbone)
        with ExitStack() as stack:
            sources = [stack.enter_context(open_raster(s.image)) for s in self._data.scenes]
            transform = fit_transform(sources, settings.bands, mean=None, std=(1.0,))
        if settings.normalisation == "backbone":
            known = backbone_input(name, source)
            mean, std = normalisation(settings.stem, transform.roles, known.mean, known.std, known.roles)
            transform = transform.with_normalisation(mean, std)
        config = ModelConfig(
            backbone=name,
            backbone_source=str(Path(source).resolve()) if source else "",
            pretrained=settings.pretrained and (backbone_spec(name).pretrained or bool(source)),
            stem=settings.stem,
            num_channels=len(transform.channels),
            channel_roles=transform.roles,
            adapter=settings.adapter,
            rank=settings.rank,
            alpha=settings.alpha,
            blocks=settings.blocks,
            adapter_options=settings.adapter_options,
            head="aspp",
            aspp_rates=settings.aspp_rates,
            num_classes=1,
            final_norm=False,
            seed=seed,
        )
        return transform, config


def windows(image: RasterSource, mask: RasterSource, side: int, stride: int) -> list[Window]:
    """Windows of ``side`` pixels, about ``stride`` apart, that are valid and labelled everywhere."""
    if image.width < side or image.height < side:
        return []
    found = []
    for row in tile_starts(image.height, side, max(side - stride, 0)):
        for col in tile_starts(image.width, side, max(side - stride, 0)):
            window = Window(col, row, side, side)
            if mask.read(window, [1])[1].all() and image.read(window, [1])[1].all():
                found.append(window)
    return found


@torch.inference_mode()
def test(
    model: Segmenter, reader: PatchReader, fold: Fold, batch: int, accelerator: Accelerator
) -> tuple[dict[str, float], dict[str, Any]]:
    """Scores on the test patches: the paper's soft ones, patch by patch, and the usual ones of all pixels.

    Returns:
        ``jaccard`` and ``f1`` (soft, means over patches), ``iou`` and ``hard_f1`` (of the class, at 0.5); and
        their deviations over patches and the confusion matrix.
    """
    network = accelerator.prepare(model).eval()
    scores = Scores(2, accelerator.device)
    soft: list[tuple[float, float]] = []
    for part in _parts(fold.test, batch):
        x, y = reader.chips(part)
        labels = torch.from_numpy(y).to(accelerator.device)
        with accelerator.autocast():
            logits = network(torch.from_numpy(x).to(accelerator.device))
        logits = to_raster(class_logits(logits.float()), (y.shape[1], y.shape[2]))
        probability = logits.softmax(1)[:, 1]
        scores.update(logits.argmax(1), labels)
        pairs = zip(probability, labels, strict=True)
        soft += [(float(soft_jaccard(p, t)), float(soft_f1(p, t))) for p, t in pairs]
    mean, std = np.mean(soft, axis=0).tolist(), np.std(soft, axis=0).tolist()
    hard = summarise(scores.confusion(), ("rest", "class"))
    found = {"jaccard": mean[0], "f1": mean[1]}
    own = hard["classes"]["class"]
    found |= {name: own[key] for name, key in (("iou", "iou"), ("hard_f1", "f1")) if own[key] is not None}
    return found, {"std": {"jaccard": std[0], "f1": std[1]}, "confusion": hard["confusion"]}


def _parts(numbers: Sequence[int], size: int) -> list[Sequence[int]]:
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]
