from __future__ import annotations

import socket
import time

import pytest

from fake_backend import CUT, PING, TOKEN, FakeBackend, event, job
from nir_lora_plugin import client as client_module
from nir_lora_plugin.client import Client
from nir_lora_plugin.errors import BackendError, BackendGone
from nir_lora_plugin.protocol import (
    AdaptRequest,
    ErrorInfo,
    Health,
    JobRecord,
    LayerRef,
    SegmentRequest,
    TrainRequest,
)

HEALTH = {"protocol": 1, "version": "0.1.0", "pid": 7, "worker": "ready", "device": "cpu"}
LAYER = LayerRef("/data/field.tif", "", -1.0, "EPSG:32633")
SEGMENT = SegmentRequest(LAYER, "/data/model.nirlora", confidence=True)


@pytest.fixture
def fake():
    with FakeBackend() as backend:
        yield backend


@pytest.fixture
def client(fake):
    return Client(fake.port, TOKEN)


def test_a_submission_arrives_whole_and_with_the_token(fake, client):
    fake.routes["POST /v1/jobs"] = (201, job(state="queued", fraction=0.0))
    record = client.submit("segment", SEGMENT, "Füchse")
    assert isinstance(record, JobRecord)
    assert (record.id, record.state) == ("j1", "queued")
    (seen,) = fake.seen
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
    assert seen.body["kind"] == "segment"
    assert seen.body["title"] == "Füchse"
    assert seen.body["request"]["layer"] == {
        "path": "/data/field.tif", "labels": "", "nodata": -1.0, "crs": "EPSG:32633"
    }  # fmt: skip
    assert seen.body["request"]["confidence"] is True


def test_every_route(fake, client):
    model = {"path": "/m/a.nirlora", "name": "a", "classes": ["crop"], "miou": 0.5}
    error = {"code": "model_mismatch", "message": "no red edge", "hint": "name the bands"}
    fake.routes = {
        "GET /v1/health": (200, HEALTH),
        "GET /v1/jobs": (200, {"jobs": [job("b"), job("a", "done", 1.0)]}),
        "GET /v1/jobs/a%2F1": (200, job("a/1")),
        "POST /v1/jobs/a/cancel": (200, job("a", "cancelled")),
        "POST /v1/jobs/a/resume": (201, job("c", "queued")),
        "DELETE /v1/jobs/a": (204, b""),
        "GET /v1/models?folder=%2Fm+1&folder=%2Fn": (200, {"models": [model]}),
        "POST /v1/inspect": (200, {"kind": "raster"}),
        "POST /v1/plan": (200, {"seconds": 5}),
        "POST /v1/plan-adaptation": (200, {"steps": 7}),
        "POST /v1/check": (200, {"problems": [error], "warnings": ["blurred"]}),
        "GET /v1/backbones": (200, {"backbones": [{"name": "vit"}]}),
        "POST /v1/shutdown": (202, {}),
    }
    assert client.health() == Health(**HEALTH)
    assert [record.id for record in client.jobs()] == ["b", "a"]
    assert client.job("a/1").id == "a/1"
    assert client.cancel("a", keep=True).state == "cancelled"
    assert fake.seen[-1].body == {"keep": True}
    assert client.resume("a").id == "c"
    assert client.delete("a") is None
    assert client.models(["/m 1", "/n"])[0].classes == ("crop",)
    assert client.inspect("/x.tif") == {"kind": "raster"}
    assert client.plan(TrainRequest((LAYER,))) == {"seconds": 5}
    assert client.plan_adaptation(AdaptRequest((LAYER,), objective="dino")) == {"steps": 7}
    assert fake.seen[-1].body["objective"] == "dino"
    assert client.check(SEGMENT) == ([ErrorInfo(**error)], ["blurred"])
    assert client.backbones() == [{"name": "vit"}]
    client.shutdown()
    assert len(fake.seen) == len(fake.routes)


def test_an_error_comes_with_its_code_and_hint(fake, client):
    error = {"code": "bad_raster", "message": "no such file", "hint": "look again"}
    fake.routes["POST /v1/inspect"] = (422, {"error": error})
    with pytest.raises(BackendError) as caught:
        client.inspect("/nowhere.tif")
    assert caught.value.info == ErrorInfo(**error)
    assert caught.value.status == 422
    assert str(caught.value) == "no such file look again"


def test_an_error_of_another_shape_still_says_something(fake, client):
    fake.routes["GET /v1/health"] = (500, b"Internal Server Error")
    with pytest.raises(BackendError, match="500 Internal Server Error"):
        client.health()


@pytest.mark.parametrize("answer", [{**HEALTH, "colour": "red"}, {"pid": 1}, [1], b"<html>"])
def test_an_answer_of_another_version_is_named_with_the_cure(fake, client, answer):
    fake.routes["GET /v1/health"] = (200, answer)
    with pytest.raises(BackendError) as caught:
        client.health()
    assert caught.value.info.code == "protocol_mismatch"
    assert "update the backend" in caught.value.info.hint


def test_nobody_there_is_told_with_the_reason():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(BackendGone, match="It ended with signal 9"):
        Client(port, TOKEN, explain=lambda: "It ended with signal 9.").health()


def test_a_backend_that_does_not_answer_is_no_backend_that_is_gone():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(silent.getsockname()[1], TOKEN, timeout_s=0.2)
        with pytest.raises(BackendError) as caught:
            client.health()
    assert caught.value.info.code == "timeout"


def test_a_proxy_is_never_asked(fake, client, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fake.routes["GET /v1/health"] = (200, HEALTH)
    assert client.health().pid == 7


def test_events_come_as_they_are_sent(fake, client):
    done = job(state="done", fraction=1.0, result={"map": "m.tif"})
    fake.routes["GET /v1/jobs/j1/events"] = [event(job()), PING, event(done), event(job("never"))]
    records = list(client.events("j1"))
    assert [record and record.state for record in records] == ["running", None, "done"]
    assert records[-1].result == {"map": "m.tif"}


@pytest.mark.parametrize("end", [CUT, PING])
def test_a_stream_that_breaks_is_taken_up_again(fake, client, end):
    fake.answers["GET /v1/jobs/j1/events"] = [[event(job()), end], [event(job(state="done", fraction=1.0))]]
    fake.routes["GET /v1/jobs/j1"] = (200, job(fraction=0.7))
    fractions = [r.progress.fraction for r in client.events("j1") if r]
    assert fractions == [0.5, 0.7, 1.0]


def test_a_stream_that_breaks_at_the_end_loses_no_result(fake, client):
    fake.routes["GET /v1/jobs/j1/events"] = [event(job()), CUT]
    fake.routes["GET /v1/jobs/j1"] = (200, job(state="done", fraction=1.0))
    assert [r.state for r in client.events("j1") if r] == ["running", "done"]


def test_a_silent_stream_is_replaced_by_asking(fake, client, monkeypatch):
    monkeypatch.setattr(client_module, "STREAM_SILENCE_S", 0.2)

    class Slow(list):
        def __iter__(self):
            yield event(job())
            time.sleep(1.0)

    fake.routes["GET /v1/jobs/j1/events"] = Slow()
    fake.routes["GET /v1/jobs/j1"] = (200, job(state="done", fraction=1.0))
    assert [r.state for r in client.events("j1") if r] == ["running", "done"]


def test_a_backend_that_dies_ends_the_stream_in_words(client, fake):
    fake.routes["GET /v1/jobs/j1/events"] = [event(job()), CUT]
    stream = client.events("j1")
    assert next(stream).state == "running"
    fake.server.shutdown()
    fake.server.server_close()
    with pytest.raises(BackendGone, match="not running any more"):
        list(stream)


def test_an_unknown_job_is_an_error_not_a_loop(client):
    with pytest.raises(BackendError) as caught:
        list(client.events("gone"))
    assert caught.value.status == 404
