"""Parts of the worker that a real one shows only on other machines, or at the worst moment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from nirlora import api
from nirlora.errors import DeviceError, OptionError
from nirlora.jobs.execute import Reporter, execute
from nirlora.jobs.footprint import Footprint, Outputs
from nirlora.jobs.states import advanced, moved
from nirlora.jobs.warm import WarmModel
from nirlora.protocol import JobRecord, Progress, TrainResult, to_dict
from server.harness import tiny_training

RESULT = TrainResult("m", "", (), {}, 1.0, "cuda:0", 1, 1, "", ("first",), {})


@pytest.fixture
def small_device(monkeypatch):
    """A device that has room for batches of two."""
    tried = []

    def train(request, progress):
        tried.append(request.batch)
        if request.batch > 2:
            try:
                raise torch.OutOfMemoryError("full")
            except torch.OutOfMemoryError as error:
                raise DeviceError(f"cuda:0 ran out of memory with {request.batch} chips.") from error
        return RESULT

    monkeypatch.setattr(api, "train", train)
    return tried


def run(request):
    changed = []
    result = execute("train", to_dict(request), Reporter(lambda p: None, changed.append), WarmModel())
    return result, changed


def test_out_of_memory_halves_the_batch_and_says_so(small_device):
    result, changed = run(tiny_training("a.tif", batch=8))
    assert small_device == [8, 4, 2]
    assert [request["batch"] for request in changed] == [4, 2]  # what a resume must ask for
    assert result["warnings"][0] == "first"
    assert "Went on with batches of 2." in result["warnings"][-1]


def test_a_resumed_training_is_never_changed(small_device):
    with pytest.raises(DeviceError):
        run(tiny_training("a.tif", batch=8, resume=True))
    assert small_device == [8]


def test_other_device_errors_are_no_reason_to_halve(monkeypatch):
    def train(request, progress):
        raise DeviceError("There is no cuda:7.")

    monkeypatch.setattr(api, "train", train)
    with pytest.raises(DeviceError, match="cuda:7"):
        run(tiny_training("a.tif"))


RECORD = JobRecord("a", "train", "queued", "", {}, 1.0)


def test_a_fraction_never_falls_and_is_whole_only_with_a_result():
    record = moved(RECORD, "running")
    seen = []
    for fraction in (0.2, 0.1, float("nan"), 1.0, 0.5):
        record = advanced(record, Progress("train", fraction, metrics={"loss": float("nan"), "miou": 0.5}))
        seen.append(record.progress.fraction)
        assert record.progress.metrics == {"miou": 0.5}
    assert seen == [0.2, 0.2, 0.2, 0.99, 0.99]
    assert moved(record, "failed").progress.fraction == 0.99
    assert moved(record, "done").progress.fraction == 1.0


@pytest.mark.parametrize(
    ("state", "to"), [("queued", "done"), ("queued", "failed"), ("running", "queued"), ("done", "running")]
)
def test_no_state_is_skipped_or_left_again(state, to):
    with pytest.raises(ValueError, match=f"from {state} to {to}"):
        moved(replace(RECORD, state=state), to)


def test_undoing_a_job_spares_what_it_did_not_make(tmp_path):
    kept, replaced, new = (tmp_path / name for name in ("kept.tif", "replaced.tif", "new.tif"))
    kept.write_text("old")
    replaced.write_text("old")
    footprint = Footprint(Outputs((kept, replaced, new)))
    kept.touch()  # a program that shows it
    for path in (replaced, new):
        part = path.with_name(path.name + ".part")
        part.write_text("made")
        part.replace(path)
    kept.with_name("kept.tif.part").write_text("half")
    footprint.remove_made()
    assert [path.name for path in tmp_path.iterdir()] == ["kept.tif"]


def test_a_worker_ends_with_its_stdin_even_while_it_loads_torch():
    done = subprocess.run(
        [sys.executable, "-I", "-m", "nirlora.jobs.worker"], input=b"", capture_output=True, check=False
    )
    assert done.returncode == 0


def test_a_worker_that_cannot_load_torch_says_so_and_ends():
    code = (
        "import nirlora.jobs.worker as worker\n"
        "def broken(self): raise ImportError('libtorch.so is not there')\n"
        "worker.Worker.run_jobs = broken\n"
        "worker.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.wait(60) == 1  # its stdin is still open
        assert b"libtorch.so is not there" in process.stderr.read()


def test_there_is_no_job_of_another_kind():
    with pytest.raises(OptionError, match="dance"):
        execute("dance", {}, Reporter(lambda p: None, lambda r: None), WarmModel())
