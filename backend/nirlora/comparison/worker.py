"""One run of a comparison in a process of its own, so that its memory is its own too.

Reads one JSON line from stdin (``train``: a TrainRequest, ``tests``: EvaluateRequests), writes JSON lines on
stdout: ``progress`` on the way, at last ``result`` or ``error``. Ends when its stdin does: no run outlives
the comparison that asked for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from nirlora.errors import NirLoraError
from nirlora.inference.devices import resolve_device
from nirlora.inference.evaluate import evaluate
from nirlora.metrics import summarise
from nirlora.models.bundle import load_segmenter
from nirlora.models.card import ModelCard
from nirlora.models.segmenter import Segmenter
from nirlora.protocol import EvaluateRequest, Progress, TrainRequest, from_dict
from nirlora.training.run import train


class StepClock:
    """Time between the steps that a training on ``device`` reports: of the clock, and of the processor."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._wall: list[float] = []
        self._processor: list[float] = []

    def tick(self) -> None:
        """A step is done, on the device too, which is handed its work and does it later."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        self._wall.append(time.perf_counter())
        self._processor.append(time.process_time())

    def medians(self) -> tuple[float | None, float | None]:
        """Seconds a step, of the clock and of the processor; None where there were too few steps."""
        return _median_step(self._wall), _median_step(self._processor)


def _median_step(times: Sequence[float]) -> float | None:
    gaps = [b - a for a, b in pairwise(times)]
    return statistics.median(gaps) if gaps else None


def run(
    request: TrainRequest, tests: Sequence[EvaluateRequest], say: Callable[[Progress], None]
) -> dict[str, Any]:
    """Train, and score the maps of the test layers (else the held-out labels).

    Returns:
        JSON-ready: ``metrics``, ``seconds``, ``seconds_per_step`` and ``processor_seconds_per_step``
        (medians; None of a run that was resumed too near to its end), ``peak_memory_mb`` (of the device, on a
        CPU of the process), ``file_bytes``, parameter counts, ``device``; and as the model's card has them,
        ``labels`` of the layers and all ``adapter_options``, defaults included.

    Raises:
        NirLoraError: The training or scoring failed.
    """
    device = resolve_device(request.device)
    clock, started = StepClock(device), time.monotonic()

    def progress(message: Progress) -> None:
        if message.stage == "train":
            clock.tick()
        say(message)

    result = train(request, progress)
    seconds, peak = time.monotonic() - started, peak_memory_mb(device)
    wall, processor = clock.medians()
    model, card = load_segmenter(result.model)
    counts = model.num_parameters()
    metrics = result.metrics if not tests else _score(model, card, tests, say)
    return {
        "metrics": metrics,
        "seconds": seconds,
        "seconds_per_step": wall,
        "processor_seconds_per_step": processor,
        "peak_memory_mb": peak,
        "file_bytes": Path(result.model).stat().st_size,
        "adapter_parameters": counts["adapter"],
        "trainable_parameters": counts["trainable"],
        "total_parameters": counts["total"],
        "device": result.device,
        "labels": [layer["labels"] for layer in card.training["layers"]],
        "adapter_options": card.model.adapter_options,
        "warnings": [w for w in result.warnings if "to resume from" not in w],
    }


def _score(
    model: Segmenter, card: ModelCard, tests: Sequence[EvaluateRequest], say: Callable[[Progress], None]
) -> dict[str, Any]:
    """Scores over the pixels of all test layers together."""
    total: Any = 0
    for number, test in enumerate(tests):
        say(Progress("score", 1.0, f"test layer {number + 1} of {len(tests)}"))
        found = evaluate(test, load=lambda _path, _backbone: (model, card))
        total = total + np.asarray(found.metrics["confusion"], np.int64)
    return summarise(total, tuple(c.name for c in card.classes))


def peak_memory_mb(device: torch.device) -> float:
    """Most memory in use so far: on CUDA of the device, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        line = next(text for text in status.read_text().splitlines() if text.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    if sys.platform == "win32":
        return float("nan")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS: bytes


def main() -> None:
    """Do what stdin says; see the module."""
    out = sys.stdout
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    request = from_dict(TrainRequest, task["train"])
    tests = [from_dict(EvaluateRequest, test) for test in task["tests"]]

    def say(p: Progress) -> None:
        _write(out, {"progress": [p.stage, p.fraction, p.message]})

    with contextlib.redirect_stdout(sys.stderr):
        try:
            result = run(request, tests, say)
        except NirLoraError as error:
            _write(out, {"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        else:
            _write(out, {"result": result})


def _write(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
