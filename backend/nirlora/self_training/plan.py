"""What a run of self-training would do, without doing it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from nirlora.protocol import TrainRequest
from nirlora.self_training.options import STABILISERS, checked
from nirlora.self_training.scenes import choose_scenes
from nirlora.self_training.target import open_target
from nirlora.training.plan import plan
from nirlora.training.run import prepare


def plan_self_training(request: TrainRequest) -> dict[str, Any]:
    """As :func:`nirlora.training.plan.plan`, over all stages, and what is known of the target.

    Besides the keys of a training's plan: ``stages``, ``stabiliser``, ``teacher`` and ``target`` (rasters,
    pixels looked at, parts). Time and memory are estimates: a step looks at source and target, and a teacher
    looks at the target again.

    Raises:
        NirLoraError: As the run would.
    """
    request = checked(request)
    made = plan(request)
    stages = request.rounds + 1
    teacher = STABILISERS[request.stabiliser][1]
    with ExitStack() as stack:
        setup = prepare(request, stack)
        target = open_target(setup.request, setup.transform, setup.data.classes, stack)
        scenes, parts = choose_scenes(target.readers, made["chip_px"], request.seed)
        warnings = [*made["warnings"], *target.warnings]
    passes = stages + request.rounds + (stages / 3 if teacher else 0.0)
    seconds = made["estimated_seconds"] * passes
    trained_mb = 4 * made["trainable_parameters"] / 2**20
    return made | {
        "stages": stages,
        "steps": made["steps"] * stages,
        "stabiliser": request.stabiliser,
        "teacher": teacher,
        "target": [
            {
                "path": reader.source.path,
                "labels": layer.labels,
                "parts_looked_at": sum(scene.number == number for scene in scenes),
                "pixels_looked_at": sum(int(s.seen.sum()) for s in scenes if s.number == number),
            }
            for number, (layer, reader) in enumerate(zip(request.target_layers, target.readers, strict=True))
        ],
        "parts_of_the_target": parts,
        "estimated_seconds": round(min(seconds, request.max_seconds or seconds), 1),
        "estimated_memory_mb": round(made["estimated_memory_mb"] + (trained_mb if teacher else 0)),
        "warnings": list(dict.fromkeys(warnings)),
    }
