"""How fast the backend process answers, starts jobs, stops them and goes away with its parent.

    python tests/benchmarks/backend_latency.py [--repeats 5]

Real processes and real HTTP, on the CPU, with the tiny training of the tests. A frozen worker stands for one
in the middle of a step or a write that cannot listen.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "unit")]

import psutil
from machine import print_table, save
from training_field import make_field

from nirlora.protocol import LayerRef, SegmentRequest
from server.harness import TOKEN, Backend, is_alive, tiny_training

GOALS_S = {
    "click to first progress, warm": 0.3,
    "cancel, listening": 2.0,
    "cancel in a training step": 2.0,
    "cancel in a write": 2.0,
    "gone with its killed parent": 2.0,
}
PARENT = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", "-m", "nirlora.server"], stdin=subprocess.PIPE)
child.stdin.write(b'{{"token": "{TOKEN}"}}\\n'); child.stdin.flush()
print(child.pid, flush=True)
time.sleep(600)
"""


class Bench:
    """One warm backend in ``folder`` and what is measured with it, in seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        began = time.perf_counter()
        self.backend = Backend(folder / "state").start()
        self.started_s = time.perf_counter() - began
        self.backend.wait_ready()
        self.warm_s = time.perf_counter() - began
        self.small = make_field(folder)
        (folder / "large").mkdir()
        self.large = make_field(folder / "large", rows=1500, cols=1500)
        self.model = str(folder / "m.nirlora")
        done = self.backend.run("train", tiny_training(self.small.raster, out=self.model))
        assert done["state"] == "done", done

    def question(self) -> float:
        """A request on a connection of its own, as the plugin makes them."""
        return timed(lambda: self.backend.ask("GET", "/v1/health"))

    def first_progress(self) -> float:
        """From the click to the first news of the running job, in a backend that has torch loaded."""
        began = time.perf_counter()
        record = self._train()
        self.backend.wait_for(record["id"], lambda seen: seen["progress"]["stage"] != "")
        seconds = time.perf_counter() - began
        self._cancelled(record)
        return seconds

    def cancel_listening(self) -> float:
        """A training that runs as it should."""
        record = self._train()
        self.backend.wait_for(record["id"], in_training)
        return self._cancelled(record)

    def cancel_in_step(self) -> float:
        """A training whose worker cannot listen."""
        record = self._train()
        self.backend.wait_for(record["id"], in_training)
        self.backend.worker().suspend()
        seconds = self._cancelled(record)
        self.backend.wait_ready()
        return seconds

    def cancel_in_write(self) -> float:
        """A segmentation whose worker cannot listen, with half a map on the disk."""
        out = self.folder / "map.tif"
        request = SegmentRequest(LayerRef(str(self.large.raster)), self.model, str(out))
        record = self.backend.submit("segment", request)
        self.backend.wait_for(record["id"], lambda seen: seen["progress"]["fraction"] > 0.05)
        self.backend.worker().suspend()
        seconds = self._cancelled(record)
        assert not list(self.folder.glob("map*"))
        self.backend.wait_ready()
        return seconds

    def death(self) -> float:
        """From the SIGKILL of its parent until backend and worker are gone."""
        environment = {**os.environ, "NIRLORA_STATE_DIR": str(self.folder / "other")}
        with subprocess.Popen(
            [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment
        ) as parent:
            server = psutil.Process(json.loads(parent.stdout.readline()))
            while not server.children():
                time.sleep(0.02)
            pids = [server.pid, *(child.pid for child in server.children())]
            began = time.perf_counter()
            parent.kill()
            while any(map(is_alive, pids)):
                time.sleep(0.005)
            return time.perf_counter() - began

    def _train(self) -> dict[str, Any]:
        request = tiny_training(self.small.raster, epochs=100_000, out=str(self.folder / "long.nirlora"))
        return self.backend.submit("train", request)

    def _cancelled(self, record: dict[str, Any]) -> float:
        def cancel() -> None:
            self.backend.ask("POST", f"/v1/jobs/{record['id']}/cancel", {})
            assert self.backend.finish(record["id"])["state"] == "cancelled"

        return timed(cancel)


def in_training(record: dict[str, Any]) -> bool:
    """Whether an epoch is over."""
    return record["progress"]["metrics"].get("epoch", 0) >= 1


def timed(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        try:
            actions = {
                "a question": bench.question,
                "click to first progress, warm": bench.first_progress,
                "cancel, listening": bench.cancel_listening,
                "cancel in a training step": bench.cancel_in_step,
                "cancel in a write": bench.cancel_in_write,
                "gone with its killed parent": bench.death,
            }
            found = {"start to handshake": [bench.started_s], "start to torch loaded": [bench.warm_s]}
            found |= {what: [action() for _ in range(repeats)] for what, action in actions.items()}
        finally:
            bench.backend.stop()
    rows = [
        [what, f"{statistics.median(s):.3f}", f"{max(s):.3f}", str(GOALS_S.get(what, ""))]
        for what, s in found.items()
    ]
    print_table(["", "median s", "longest s", "goal s"], rows)
    save("backend_latency", {"benchmark": "backend_latency", "seconds": found, "goals_s": GOALS_S})


if __name__ == "__main__":
    main()
