"""The Processing algorithms' Qt-free parts: words, following a job, moving results."""

from __future__ import annotations

import ast
import re
import threading
import time

import pytest

from nir_lora_plugin.errors import BackendError, Cancelled, PluginError
from nir_lora_plugin.processing.files import move
from nir_lora_plugin.processing.job import run_job
from nir_lora_plugin.processing.words import with_parameters
from nir_lora_plugin.protocol import ErrorInfo, EvaluateRequest, JobRecord, LayerRef, Progress
from nirlora.adapters import ADAPTERS
from nirlora.models.heads import HEADS
from support import ROOT

NAMES = {"TILE_PX", "INPUT", "OUTPUT", "MODEL"}
REQUEST = EvaluateRequest(layer=LayerRef("a.tif"), model="m.nirlora")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Give a smaller --tile-px.", "Give a smaller TILE_PX."),
        ("--layer and --out, (--model)", "INPUT and OUTPUT, (MODEL)"),
        ("pip install --upgrade nirlora", "pip install --upgrade nirlora"),
        ("field--out.tif -- two dashes", "field--out.tif -- two dashes"),
    ],
)
def test_options_become_parameters(text, expected):
    assert with_parameters(text, NAMES) == expected


@pytest.mark.parametrize(("constant", "specs"), [("ADAPTERS", ADAPTERS), ("HEADS", HEADS)])
def test_the_choices_are_what_the_backend_has(constant, specs):
    """The plugin cannot import the backend, so it has a list of its own."""
    source = (ROOT / "nir_lora_plugin/processing/train_options.py").read_text(encoding="utf-8")
    (value,) = re.findall(rf"^{constant} = (\(.*?\))", source, re.M | re.S)
    assert sorted(ast.literal_eval(value)) == sorted(spec.name for spec in specs)


def record(state: str, **more) -> JobRecord:
    return JobRecord("1", "evaluate", state, "t", {}, 0.0, progress=Progress("read", 0.1), **more)


class Backend:
    """Plays a job: ends with ``last``, or runs until it is cancelled."""

    def __init__(self, last: JobRecord | None = None, *, deaf: bool = False):
        self.last, self.deaf = last, deaf
        self.cancelled = threading.Event()

    def submit(self, kind, request, title):
        return record("queued")

    def events(self, job_id):
        yield record("running")
        yield None
        if self.last is None or self.deaf:
            assert self.cancelled.wait(30)
        yield self.last or record("cancelled")

    def cancel(self, job_id):
        self.cancelled.set()
        if self.deaf:
            raise BackendError(ErrorInfo("job_finished", "It is finished."), 409)
        return record("running")


def run(backend, is_cancelled=lambda: False, seen=lambda record: None):
    return run_job(backend, "evaluate", REQUEST, "t", seen, is_cancelled)


def test_the_record_of_a_job_that_is_done():
    seen = []
    done = record("done", result={"x": 1})
    assert run(Backend(done), seen=seen.append) == done
    assert [r.state for r in seen] == ["queued", "running", "done"]


def test_a_failed_job_is_an_error_with_its_hint():
    with pytest.raises(PluginError) as caught:
        run(Backend(record("failed", error=ErrorInfo("labels", "No labels.", "Draw some."))))
    assert caught.value.info == ErrorInfo("labels", "No labels.", "Draw some.")


def test_an_interrupted_job_is_an_error_in_words():
    with pytest.raises(PluginError, match="interrupted"):
        run(Backend(record("interrupted")))


def test_cancelling_needs_no_event():
    """The wish is seen while nothing comes from the backend, and once."""
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run(Backend(), is_cancelled=lambda: time.monotonic() > began + 0.3)


def test_a_job_that_is_done_before_the_wish_arrives_is_done():
    assert run(Backend(record("done"), deaf=True), is_cancelled=lambda: True).state == "done"


def test_no_thread_stays():
    before = threading.active_count()
    run(Backend(record("done")))
    assert threading.active_count() == before


def test_results_are_moved_with_their_style(tmp_path):
    made, wanted = tmp_path / "m_confidence.tif", tmp_path / "sure.tif"
    made.write_text("map")
    made.with_suffix(".qml").write_text("style")
    wanted.write_text("old")
    assert move(str(made), str(wanted)) == str(wanted)
    assert (wanted.read_text(), wanted.with_suffix(".qml").read_text()) == ("map", "style")
    assert not made.exists()
    assert move(str(wanted), "") == move(str(wanted), str(wanted)) == str(wanted)


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_lost(tmp_path):
    made = tmp_path / "a.csv"
    made.write_text("x")
    with pytest.raises(PluginError, match="absent") as caught:
        move(str(made), str(tmp_path / "absent" / "b.csv"))
    assert str(made) in caught.value.info.hint
    assert made.exists()
