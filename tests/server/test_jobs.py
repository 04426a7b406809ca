"""Jobs from submission to result, over real HTTP, in a real worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from nirlora.protocol import (
    EvaluateRequest,
    EvaluateResult,
    ExportRequest,
    ExportResult,
    Health,
    JobRecord,
    LayerRef,
    SegmentRequest,
    SegmentResult,
    TrainResult,
    from_dict,
    to_dict,
)
from nirlora.raster.source import open_raster
from server.harness import tiny_training


def check_story(records):
    """What must hold of any job that is watched from its start to its end."""
    fractions = [record["progress"]["fraction"] for record in records]
    assert fractions == sorted(fractions)
    assert all(f < 1 for f in fractions[:-1])
    states = [record["state"] for record in records]
    assert states == sorted(states, key=("queued", "running", "done").index)
    for record in records:
        from_dict(JobRecord, record)
    return records[-1]


@pytest.mark.timeout(300)
def test_from_a_field_to_a_map_and_its_score(backend, field):
    training = backend.submit("train", tiny_training(field.raster, epochs=3, steps_per_epoch=20, report=True))
    assert (training["state"], training["title"]) == ("queued", "Train on field.tif")
    records = backend.follow(training["id"])
    trained = check_story(records)
    assert trained["state"] == "done", trained
    assert trained["progress"]["fraction"] == 1.0
    assert trained["created_s"] <= trained["started_s"] < trained["finished_s"]
    result = from_dict(TrainResult, trained["result"])
    assert Path(result.report).is_file()
    device = backend.ask("GET", "/v1/health").json["device"]
    assert device.startswith("cuda" if torch.cuda.is_available() else "cpu")  # said where jobs run
    assert result.device == "cpu"  # as this one asked
    shown = [record["progress"] for record in records if record["progress"]["stage"] == "train"]
    assert {"loss", "px_per_s"} <= shown[0]["metrics"].keys()
    assert any("miou" in progress["metrics"] for progress in shown)
    assert all(progress["eta_s"] is not None for progress in shown[:-1])

    layer = LayerRef(str(field.raster))
    request = SegmentRequest(
        layer, result.model, confidence=True, polygons=str(field.raster.with_name("p.gpkg"))
    )
    drawn = check_story(backend.follow(backend.submit("segment", request, "my map")["id"]))
    assert (drawn["state"], drawn["title"]) == ("done", "my map")
    made = from_dict(SegmentResult, drawn["result"])
    assert set(made.outputs) == {"map", "style", "confidence", "polygons", "areas"}
    assert all(Path(path).is_file() for path in made.outputs.values())
    with open_raster(made.map) as file:
        data, valid = file.read(file.window, [1])
    assert valid.all()
    assert (data[0] == field.truth).mean() > 0.9

    reference = LayerRef(str(field.raster), str(field.labels))
    scored = check_story(
        backend.follow(backend.submit("evaluate", EvaluateRequest(reference, result.model))["id"])
    )
    assert from_dict(EvaluateResult, scored["result"]).metrics["miou"] > 0.8

    (listed,) = backend.ask("GET", f"/v1/models?folder={field.raster.parent}").json["models"]
    assert (listed["name"], listed["classes"], listed["problem"]) == ("field", ["crop", "soil", "tree"], "")
    assert listed["miou"] == pytest.approx(result.metrics["miou"])
    assert backend.ask("POST", "/v1/check", to_dict(request)).json == {"problems": [], "warnings": []}
    temporary = list((backend.folder / "owners").glob("*/nirlora-*"))
    assert not temporary


@pytest.mark.timeout(300)
def test_an_exported_model_segments_like_the_original(backend, trained, tmp_path):
    model = str(trained.raster.with_name("field.nirlora"))
    out = str(tmp_path / "model.onnx")
    layer = LayerRef(str(trained.raster))
    exported = check_story(backend.follow(backend.submit("export", ExportRequest(model, out, layer))["id"]))
    assert exported["state"] == "done", exported["error"]
    assert from_dict(ExportResult, exported["result"]).agreement > 0.999
    maps = []
    for name, used in (("torch", model), ("onnx", out)):
        drawn = backend.run("segment", SegmentRequest(layer, used, str(tmp_path / f"{name}.tif")))
        assert drawn["state"] == "done", drawn["error"]
        with open_raster(drawn["result"]["map"]) as file:
            maps.append(file.read(file.window, [1])[0])
    assert (maps[0] == maps[1]).mean() > 0.99


def test_a_model_is_loaded_once_for_many_jobs(backend, trained, tmp_path):
    copy = tmp_path / "model.nirlora"
    copy.write_bytes(trained.raster.with_name("field.nirlora").read_bytes())
    log = backend.folder / "backend.log"

    def reuses():
        return log.read_text(encoding="utf-8").count(f"the model {copy} was still loaded")

    def draw(name):
        request = SegmentRequest(LayerRef(str(trained.raster)), str(copy), str(tmp_path / name))
        record = backend.run("segment", request)
        assert record["state"] == "done", record["error"]
        return Path(record["result"]["map"]).read_bytes()

    first = draw("a.tif")
    assert reuses() == 0
    assert draw("b.tif") == first
    assert reuses() == 1
    reference = LayerRef(str(trained.raster), str(trained.labels))
    backend.run("evaluate", EvaluateRequest(reference, str(copy)))
    assert reuses() == 2
    copy.write_bytes(copy.read_bytes())  # another file as far as anyone can tell
    draw("c.tif")
    assert reuses() == 2


def test_a_second_job_waits_for_its_turn(backend, field, tmp_path):
    first = backend.submit("train", tiny_training(field.raster, epochs=10_000))
    second = backend.submit("train", tiny_training(field.raster, out=str(tmp_path / "second.nirlora")))
    third = backend.submit("train", tiny_training(field.raster, out=str(tmp_path / "third.nirlora")))
    backend.wait_for(first["id"], lambda record: record["progress"]["stage"] == "train")
    health = from_dict(Health, backend.ask("GET", "/v1/health").json)
    assert (health.worker, health.running_job, health.queued_jobs) == ("busy", first["id"], 2)
    assert backend.job(second["id"])["state"] == "queued"
    listed = [job["id"] for job in backend.ask("GET", "/v1/jobs").json["jobs"]]
    assert listed[:3] == [third["id"], second["id"], first["id"]]
    for job in (first, second):
        assert backend.ask("DELETE", f"/v1/jobs/{job['id']}").error["code"] == "job_running"
        assert backend.ask("POST", f"/v1/jobs/{job['id']}/resume").error["code"] == "job_running"
    gone = backend.ask("POST", f"/v1/jobs/{third['id']}/cancel").json
    assert (gone["state"], gone["started_s"]) == ("cancelled", 0.0)

    plan = backend.ask("POST", "/v1/plan", to_dict(tiny_training(field.raster))).json  # answered meanwhile
    assert plan["steps"] == 10
    assert backend.job(first["id"])["state"] == "running"

    backend.ask("POST", f"/v1/jobs/{first['id']}/cancel", {"keep": False})
    assert backend.finish(first["id"])["state"] == "cancelled"
    records = backend.follow(second["id"])
    assert check_story(records)["state"] == "done"
    assert not (tmp_path / "third.nirlora").exists()


def test_what_can_be_done_with_a_finished_job(backend, trained, field):
    record = backend.run("train", tiny_training(field.raster, epochs=1))
    path = f"/v1/jobs/{record['id']}"
    assert backend.follow(record["id"]) == [record]  # a late watcher learns the end, and the stream ends
    for action in ("cancel", "resume"):
        answer = backend.ask("POST", f"{path}/{action}")
        assert (answer.status, answer.error["code"]) == (409, "job_finished")
    assert backend.ask("DELETE", path).status == 204
    assert backend.ask("GET", path).status == 404
    assert Path(record["result"]["model"]).is_file()  # the list forgets it, the disk does not


def test_a_job_that_fails_says_why_and_the_next_one_works(backend, field, trained):
    record = backend.run("train", tiny_training(field.raster, class_field="nothing"))
    assert record["state"] == "failed"
    assert record["error"]["code"] == "bad_labels"
    assert "nothing" in record["error"]["message"]
    assert record["error"]["hint"]
    assert record["progress"]["fraction"] < 1
    again = backend.ask("POST", f"/v1/jobs/{record['id']}/resume")
    assert (again.status, again.json["request"]["resume"]) == (201, True)
    assert backend.finish(again.json["id"])["state"] == "failed"
    reference = LayerRef(str(trained.raster), str(trained.labels))
    model = str(trained.raster.with_name("field.nirlora"))
    assert backend.run("evaluate", EvaluateRequest(reference, model))["state"] == "done"


def test_questions_that_need_torch(backend, trained):
    backbones = backend.ask("GET", "/v1/backbones").json["backbones"]
    demo = next(one for one in backbones if one["name"] == "vit-demo")
    assert demo["description"]
    assert demo["cached"] is False
    model = str(trained.raster.with_name("field.nirlora"))
    facts = backend.ask("POST", "/v1/inspect", {"path": model}).json
    assert [info["name"] for info in facts["classes"]] == ["crop", "soil", "tree"]
    gone = backend.ask("POST", "/v1/inspect", {"path": f"{model}.nirlora"})
    assert (gone.status, gone.error["code"]) == (422, "bad_model")
    request = to_dict(tiny_training(trained.raster, class_field="nothing"))
    answer = backend.ask("POST", "/v1/plan", request)
    assert (answer.status, answer.error["code"]) == (422, "bad_labels")


@pytest.mark.timeout(300)
def test_all_that_is_asked_of_a_backend_that_has_just_started(launch, trained, tmp_path):
    """As the dock does when it opens: the worker still imports torch, and must not do so twice at once."""
    backend = launch()
    model = str(trained.raster.with_name("field.nirlora"))
    asked = [
        ("GET", "/v1/backbones", None),
        ("POST", "/v1/inspect", {"path": model}),
        ("POST", "/v1/plan", to_dict(tiny_training(trained.raster))),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = [pool.submit(backend.ask, *question) for question in asked]
        request = SegmentRequest(LayerRef(str(trained.raster)), model, str(tmp_path / "map.tif"))
        record = backend.run("segment", request)
    assert record["state"] == "done", record["error"]
    assert [answer.result().status for answer in answers] == [200] * len(asked)


def test_a_model_that_does_not_fit_is_named_before_the_run(backend, trained, tmp_path):
    from data.make_data import make_raster

    with open_raster(str(trained.raster)) as file:
        data = file.read(file.window, [1])[0]
    other = make_raster(tmp_path / "other.tif", data.astype("float32") / 10_000, descriptions=("NIR",))
    request = SegmentRequest(LayerRef(str(other)), str(trained.raster.with_name("field.nirlora")))
    checked = backend.ask("POST", "/v1/check", to_dict(request)).json
    assert [problem["code"] for problem in checked["problems"]] == ["model_mismatch"]
    assert checked["problems"][0]["hint"]
    record = backend.run("segment", request)
    assert record["error"] == checked["problems"][0]


def test_watchers_see_the_same_and_may_leave(backend, field):
    record = backend.submit("train", tiny_training(field.raster, epochs=10_000))
    leaving, staying = backend.events(record["id"]), backend.events(record["id"])
    assert next(leaving)["id"] == next(staying)["id"] == record["id"]
    leaving.close()  # as a dock that is closed
    backend.wait_for(record["id"], lambda seen: seen["progress"]["metrics"].get("epoch", 0) >= 1)
    backend.ask("POST", f"/v1/jobs/{record['id']}/cancel")
    last = [seen for seen in staying if seen is not None][-1]
    assert last == backend.job(record["id"])
    assert last["state"] == "cancelled"


def test_silence_is_broken_by_pings(backend, field):
    record = backend.submit("train", tiny_training(field.raster, epochs=10_000))
    backend.wait_for(record["id"], lambda seen: seen["progress"]["stage"] == "train")
    worker = backend.worker()
    worker.suspend()  # nothing will be heard of the job
    try:
        heard = []
        for seen in backend.events(record["id"]):
            heard.append(seen)
            if heard[-2:] == [None, None]:
                break
    finally:
        worker.resume()
    assert heard[0] is not None
    backend.ask("POST", f"/v1/jobs/{record['id']}/cancel")
    assert backend.finish(record["id"])["state"] == "cancelled"
