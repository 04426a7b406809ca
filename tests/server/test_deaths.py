"""Whoever dies, the others know what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from training_field import make_field

from nirlora.models.card import read_card
from nirlora.protocol import LayerRef, SegmentRequest
from server.harness import TOKEN, is_alive, tiny_training, wait_until

ENDLESS = {"epochs": 100_000, "steps_per_epoch": 5}


def in_training(record):
    return record["progress"]["stage"] == "train" and record["progress"]["metrics"].get("epoch", 0) >= 3


@pytest.mark.timeout(300)
def test_a_killed_backend_loses_no_job(launch, field, tmp_path):
    first = launch()
    running = first.submit("train", tiny_training(field.raster, **ENDLESS))
    waiting = first.submit("train", tiny_training(field.raster, out=str(tmp_path / "waiting.nirlora")))
    first.wait_for(running["id"], in_training)
    worker = first.worker().pid
    half = field.raster.with_name("field.nirlora.part")
    half.write_bytes(b"half a model")
    first.kill()
    wait_until(lambda: not is_alive(worker), 10)

    second = launch()
    record = second.job(running["id"])
    assert (record["state"], record["result"]) == ("interrupted", None)
    assert record["finished_s"] > record["started_s"] > 0
    assert not half.exists()
    assert field.raster.with_name("field.nirlora.checkpoint").exists()
    assert second.finish(waiting["id"])["state"] == "done"  # it runs without being asked for again

    resumed = second.ask("POST", f"/v1/jobs/{running['id']}/resume")
    assert resumed.status == 201
    record = second.wait_for(resumed.json["id"], lambda seen: seen["progress"]["stage"] == "train")
    step = int(record["progress"]["message"].split()[1].split("/")[0])
    assert step > 10  # from the checkpoint, not from the start
    second.ask("POST", f"/v1/jobs/{record['id']}/cancel", {"keep": True})
    kept = second.finish(record["id"])
    assert kept["state"] == "done"
    assert read_card(kept["result"]["model"]).training["steps"] >= step
    assert not any("resume from" in warning for warning in kept["warnings"])


def test_finished_jobs_are_listed_after_an_orderly_restart(launch, field):
    first = launch()
    done = first.run("train", tiny_training(field.raster))
    running = first.submit("train", tiny_training(field.raster, **ENDLESS))
    first.wait_for(running["id"], in_training)
    worker = first.worker().pid
    assert first.ask("POST", "/v1/shutdown").status == 202
    assert first.process.wait(10) == 0
    assert not is_alive(worker)
    second = launch("--no-warm")
    listed = {job["id"]: job for job in second.ask("GET", "/v1/jobs").json["jobs"]}
    assert listed[done["id"]] == done
    assert listed[running["id"]]["state"] == "interrupted"
    left = sorted(path.name for path in (second.folder / "owners").iterdir())
    assert len(left) == 2  # the folder and the lock of the one that lives


def test_a_segmentation_that_was_cut_off_is_resumed(launch, trained, tmp_path):
    """It begins anew, for nothing half remains."""
    (tmp_path / "large").mkdir()
    large = make_field(tmp_path / "large", rows=500, cols=500)
    model, out = trained.raster.with_name("field.nirlora"), tmp_path / "map.tif"
    first = launch()
    request = SegmentRequest(LayerRef(str(large.raster)), str(model), str(out))
    running = first.submit("segment", request)
    first.wait_for(running["id"], lambda seen: seen["progress"]["fraction"] > 0.05)
    first.kill()
    second = launch()
    assert second.job(running["id"])["state"] == "interrupted"
    assert not list(tmp_path.glob("map*"))
    resumed = second.ask("POST", f"/v1/jobs/{running['id']}/resume").json
    assert resumed["request"] == running["request"]
    assert second.finish(resumed["id"])["state"] == "done"
    assert out.is_file()


def test_a_cancelled_resume_leaves_the_checkpoint_of_before(launch, field):
    backend = launch()
    record = backend.submit("train", tiny_training(field.raster, **ENDLESS))
    backend.wait_for(record["id"], in_training)
    backend.worker().kill()
    assert backend.finish(record["id"])["state"] == "failed"
    resumed = backend.ask("POST", f"/v1/jobs/{record['id']}/resume").json
    backend.wait_for(resumed["id"], in_training)
    backend.ask("POST", f"/v1/jobs/{resumed['id']}/cancel")
    assert backend.finish(resumed["id"])["state"] == "cancelled"
    assert field.raster.with_name("field.nirlora.checkpoint").exists()
    assert not field.raster.with_name("field.nirlora").exists()


@pytest.mark.timeout(300)
def test_a_killed_worker_fails_its_job_and_the_next_one_works(launch, field):
    backend = launch()
    record = backend.submit("train", tiny_training(field.raster, **ENDLESS))
    following = backend.submit(
        "train", tiny_training(field.raster, out=str(field.raster.with_name("b.nirlora")))
    )
    backend.wait_for(record["id"], in_training)
    first = backend.worker().pid
    backend.worker().kill()  # as the system does when the memory is full
    ended = backend.finish(record["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "worker_died")
    assert "signal 9" in ended["error"]["message"]
    assert "memory" in ended["error"]["hint"]
    assert "backend.log" in ended["error"]["hint"]
    assert field.raster.with_name("field.nirlora.checkpoint").exists()  # to resume from
    assert backend.finish(following["id"])["state"] == "done"
    assert backend.worker().pid != first
    assert backend.ask("GET", "/v1/health").json["worker"] in ("ready", "starting")


def test_a_worker_that_dies_idle_is_replaced(launch, field):
    backend = launch()
    backend.wait_ready()
    first = backend.worker().pid
    backend.worker().kill()
    wait_until(lambda: any(child.pid != first for child in backend.children()))
    assert backend.ask("GET", "/v1/backbones").status == 200


def test_it_ends_with_its_stdin(launch, field):
    backend = launch()
    record = backend.submit("train", tiny_training(field.raster, **ENDLESS))
    backend.wait_for(record["id"], in_training)
    worker = backend.worker().pid
    backend.process.stdin.close()
    assert backend.process.wait(10) == 0
    wait_until(lambda: not is_alive(worker), 10)
    assert launch("--no-warm").job(record["id"])["state"] == "interrupted"


def test_it_ends_with_its_killed_parent(tmp_path):
    parent_code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-I', '-m', 'nirlora.server'],\n"
        "    stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        f'child.stdin.write(b\'{{"token": "{TOKEN}"}}\\n\'); child.stdin.flush()\n'
        "sys.stdout.buffer.write(child.stdout.readline()); sys.stdout.flush()\n"
        "time.sleep(600)\n"
    )
    environment = {**os.environ, "NIRLORA_STATE_DIR": str(tmp_path / "state")}
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], stdout=subprocess.PIPE, env=environment
    ) as parent:
        server = psutil.Process(json.loads(parent.stdout.readline())["pid"])
        wait_until(server.children)
        worker = server.children()[0]
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(server.pid) and not is_alive(worker.pid), 10)


def test_two_backends_of_one_user_share_the_device_and_not_their_jobs(launch, field, tmp_path):
    first, second = launch(), launch()
    running = first.submit("train", tiny_training(field.raster, **ENDLESS))
    first.wait_for(running["id"], in_training)
    waiting = second.submit("train", tiny_training(field.raster, out=str(tmp_path / "m.nirlora")))
    assert second.ask("GET", f"/v1/jobs/{running['id']}").status == 404
    second.wait_ready()
    assert second.job(waiting["id"])["state"] == "queued"
    assert first.job(running["id"])["state"] == "running"
    first.ask("POST", f"/v1/jobs/{running['id']}/cancel")
    assert second.finish(waiting["id"])["state"] == "done"


def test_a_damaged_list_of_jobs_is_set_aside(launch):
    first = launch("--no-warm")
    first.kill()
    for path in first.folder.glob("jobs-1.sqlite*"):
        path.write_bytes(b"no database" * 1000)
    second = launch("--no-warm")
    assert second.ask("GET", "/v1/jobs").json == {"jobs": []}
    assert (second.folder / "jobs-1.damaged").exists()


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"nonsense\n", b'{"token": ""}\n', b'{"token": "short"}\n', b"[]\n"]
)
def test_without_a_token_it_does_not_start(tmp_path, line):
    done = subprocess.run(
        [sys.executable, "-I", "-m", "nirlora.server"],
        input=line,
        capture_output=True,
        env={**os.environ, "NIRLORA_STATE_DIR": str(tmp_path / "state")},
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"token" in done.stderr
