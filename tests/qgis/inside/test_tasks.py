"""Tasks in QGIS's own task manager, against a backend that does what the test says."""

import gc
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QThread

sys.path.append(str(Path(__file__).parents[2]))

from fake_backend import CUT, PING, TOKEN, FakeBackend, event, job
from nir_lora_plugin import tasks
from nir_lora_plugin.client import Client
from nir_lora_plugin.errors import Cancelled, PluginError, SetupError
from nir_lora_plugin.protocol import LayerRef, SegmentRequest
from nir_lora_plugin.tasks import CallTask, JobTask, WorkTask

REQUEST = SegmentRequest(LayerRef("/a.tif"), "/m.nirlora")
DONE = job(state="done", fraction=1.0, result={"map": "m.tif"})
LONG_MS = 30_000


class Held(list):
    """A stream that pings until ``release``, then says ``last``."""

    def __init__(self, last):
        super().__init__()
        self.release, self.last = threading.Event(), last

    def __iter__(self):
        yield event(job())
        while not self.release.wait(0.05):
            yield PING
        yield event(self.last)


@pytest.fixture
def fake(monkeypatch):
    with FakeBackend({"POST /v1/jobs": (201, job(state="queued", fraction=0.0))}) as backend:
        client = Client(backend.port, TOKEN)
        held = SimpleNamespace(client=lambda stops=None: client, stops=0)
        monkeypatch.setattr(tasks, "manager", lambda: held)
        yield backend


@pytest.fixture
def ended(qtbot):
    """``ended(task)``: wait for its end; what it said, as (signal, value), all on the main thread."""

    def wait(task, start=True):
        said = []

        def hear(name):
            def slot(*values):
                assert QThread.currentThread() is QgsApplication.instance().thread()
                said.append((name, values[0] if len(values) == 1 else values))

            return slot

        for name in ("progressed", "reported", "finished_job", "done", "failed"):
            if hasattr(task, name):
                getattr(task, name).connect(hear(name))
        if start:
            task.start()
        ends = {"finished_job", "done", "failed"}
        qtbot.waitUntil(lambda: any(name in ends for name, _ in said), timeout=LONG_MS)
        return said

    return wait


def test_a_job_is_followed_to_its_end(fake, ended):
    fake.routes["GET /v1/jobs/j1/events"] = [event(job(fraction=0.25)), PING, event(DONE)]
    task = JobTask("segment", REQUEST, "Segmenting")
    said = ended(task)
    assert [(n, r.state, r.progress.fraction) for n, r in said] == [
        ("progressed", "queued", 0.0),
        ("progressed", "running", 0.25),
        ("progressed", "done", 1.0),
        ("finished_job", "done", 1.0),
    ]
    assert task.record.result == {"map": "m.tif"}
    assert fake.seen[0].body["title"] == "Segmenting"


def test_a_failed_job_fails_with_the_backends_words(fake, ended):
    error = {"code": "bad_bands", "message": "no nir", "hint": "name it"}
    fake.routes["GET /v1/jobs/j1/events"] = [event(job(state="failed", error=error))]
    task = JobTask("segment", REQUEST, "x")
    name, info = ended(task)[-1]
    assert (name, info.code, info.hint) == ("failed", "bad_bands", "name it")
    assert task.record.state == "failed"


def test_a_refused_request_fails_at_once(fake, ended):
    fake.routes["POST /v1/jobs"] = (422, {"error": {"code": "bad_raster", "message": "gone", "hint": ""}})
    assert ended(JobTask("segment", REQUEST, "x"))[-1][1].code == "bad_raster"


def test_a_backend_that_is_killed_fails_the_task(fake, ended):
    class Dies(list):
        def __iter__(self):
            yield event(job())
            fake.server.socket.close()
            yield CUT

    fake.routes["GET /v1/jobs/j1/events"] = Dies()
    name, info = ended(JobTask("segment", REQUEST, "x"))[-1]
    assert (name, info.code) == ("failed", "backend_gone")


@pytest.mark.parametrize("wish", ["cancel", "keep"])
def test_stopping_is_told_to_the_backend_and_ends_as_it_says(fake, ended, qtbot, wish):
    last = job(state="done" if wish == "keep" else "cancelled", fraction=0.5)
    stream = fake.routes["GET /v1/jobs/j1/events"] = Held(last)
    fake.routes["POST /v1/jobs/j1/cancel"] = (200, job())
    task = JobTask("train", REQUEST, "x")
    task.start()
    qtbot.waitUntil(lambda: task.record is not None and task.record.state == "running", timeout=LONG_MS)
    getattr(task, wish)()
    qtbot.waitUntil(lambda: any(seen.path.endswith("/cancel") for seen in fake.seen), timeout=LONG_MS)
    told = next(seen for seen in fake.seen if seen.path.endswith("/cancel"))
    assert told.body == {"keep": wish == "keep"}
    stream.release.set()
    name, record = ended(task, start=False)[-1]
    assert (name, record.state) == ("finished_job", last["state"])


def test_the_task_manager_can_cancel_it_too(fake, ended, qtbot):
    stream = fake.routes["GET /v1/jobs/j1/events"] = Held(job(state="cancelled"))
    fake.routes["POST /v1/jobs/j1/cancel"] = (200, job())
    task = JobTask("train", REQUEST, "x")
    task.start()
    qtbot.waitUntil(lambda: task.record is not None and task.record.state == "running", timeout=LONG_MS)
    QgsApplication.taskManager().cancelAll()
    qtbot.waitUntil(lambda: any(seen.path.endswith("/cancel") for seen in fake.seen), timeout=LONG_MS)
    stream.release.set()
    assert ended(task, start=False)[-1][1].state == "cancelled"


def test_following_and_resuming_an_existing_job(fake, ended):
    fake.routes["GET /v1/jobs/old"] = (200, job("old"))
    fake.routes["GET /v1/jobs/old/events"] = [event({**DONE, "id": "old"})]
    fake.routes["POST /v1/jobs/old/resume"] = (201, job("new", "queued"))
    fake.routes["GET /v1/jobs/new/events"] = [event({**DONE, "id": "new"})]
    assert ended(JobTask("train", None, "x", job_id="old"))[-1][1].id == "old"
    assert ended(JobTask("train", None, "x", job_id="old", resume=True))[-1][1].id == "new"


def test_waiting_jobs_leave_threads_for_others(fake, ended, qtbot):
    stream = fake.routes["GET /v1/jobs/j1/events"] = Held(DONE)
    waiting = [JobTask("train", REQUEST, str(i)) for i in range(8)]
    for task in waiting:
        task.start()
    assert ended(CallTask("quick", lambda client: 42))[-1] == ("done", 42)
    stream.release.set()
    qtbot.waitUntil(lambda: not tasks._alive, timeout=LONG_MS)
    assert [task.record.state for task in waiting] == ["done"] * 8


def test_a_task_lives_without_anyone_holding_it(fake, qtbot):
    heard = []
    task = CallTask("call", lambda client: client.port)
    task.done.connect(heard.append)
    task.start()
    del task
    gc.collect()
    qtbot.waitUntil(lambda: heard == [fake.port], timeout=LONG_MS)
    qtbot.waitUntil(lambda: not tasks._alive, timeout=LONG_MS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SetupError("none", code="not_installed"), "not_installed"),
        (PluginError("x"), "plugin"),
        (ZeroDivisionError("x"), "bug"),
    ],
)
def test_what_a_call_raises_arrives_as_an_error(fake, ended, error, code):
    def fails(client):
        raise error

    assert ended(CallTask("call", fails))[-1][1].code == code


def test_work_reports_and_returns(ended):
    def work(report, is_cancelled):
        report(0.5, "half")
        return "all"

    assert ended(WorkTask("work", work)) == [("reported", (0.5, "half")), ("done", "all")]


def test_work_can_be_cancelled(ended, qtbot):
    begun = threading.Event()

    def work(report, is_cancelled):
        begun.set()
        while not is_cancelled():
            QThread.msleep(5)
        raise Cancelled

    task = WorkTask("work", work)
    task.start()
    qtbot.waitUntil(begun.is_set, timeout=LONG_MS)
    task.cancel()
    assert ended(task, start=False)[-1][1].code == "cancelled"


def test_a_task_cancelled_before_it_began_says_so(fake, qtbot):
    heard = []
    task = JobTask("segment", REQUEST, "x")
    task.failed.connect(heard.append)
    task.hold()
    task.start()
    task.cancel()
    qtbot.waitUntil(lambda: len(heard) == 1, timeout=LONG_MS)
    assert heard[0].code == "cancelled"
    assert fake.seen == []
    assert not tasks._alive
