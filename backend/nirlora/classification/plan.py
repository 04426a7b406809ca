"""What a training of a classifier would do, without doing it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch

from nirlora.classification.config import steps_per_epoch
from nirlora.classification.paths import train_paths
from nirlora.classification.train import prepare
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.models.backbones import build_backbone
from nirlora.models.classifier import Classifier
from nirlora.models.segmenter import parameter_counts
from nirlora.protocol import ClassifyTrainRequest, to_dict
from nirlora.training.plan import flops


def plan(request: ClassifyTrainRequest) -> dict[str, Any]:
    """Open the data, decide everything, and say what a training would do. Reads no weights.

    Returns:
        JSON-ready: ``what`` (image or parcel), ``classes`` (value, name, color, train and val samples),
        ``channels``, ``input_px``, ``chip_px``, ``steps``, parameter counts, ``estimated_seconds`` (of the
        network alone), ``device``, ``out``, ``warnings``.

    Raises:
        NirLoraError: As training would.
    """
    device, paths = resolve_device(request.device), train_paths(request)
    with ExitStack() as stack:
        setup = prepare(request, stack, lambda _: None)
        data = setup.data
        with torch.device("meta"):
            backbone = build_backbone(setup.config.backbone)
        sizes = data.sizes(backbone)
        counts = parameter_counts(setup.config, Classifier)
        steps = request.epochs * steps_per_epoch(request, len(data.split.train))
        tokens = (sizes.input_px // backbone.patch) ** 2 * request.batch
        passes = {"frozen": 1.0, "full": 3.0}.get(request.adapter, 2.2)
        weights = counts["total"] - counts["head"]
        seconds = steps * 2 * weights * tokens * passes / (0.5 * flops(device))
        train, val = data.counts(data.split.train), data.counts(data.split.val)
        return {
            "what": data.what,
            "layers": [layer["path"] for layer in data.layers],
            "classes": [
                {**to_dict(info), "train": a, "val": b}
                for info, a, b in zip(data.classes, train, val, strict=True)
            ],
            "channels": [c.name for c in setup.transform.channels],
            "backbone": setup.config.backbone,
            "adapter": setup.config.adapter,
            "chip_px": sizes.chip_px,
            "input_px": sizes.input_px,
            "samples": {"train": sum(train), "val": sum(val)},
            "steps": steps,
            "adapter_parameters": counts["adapter"],
            "head_parameters": counts["head"],
            "trainable_parameters": counts["trainable"],
            "total_parameters": counts["total"],
            "estimated_seconds": round(min(seconds, request.max_seconds or seconds), 1),
            "device": describe_device(device),
            "out": str(paths.model),
            "warnings": list(setup.warnings),
        }
