"""Adapting a backbone as a job of the backend: progress, plan, cancel, keep, resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nirlora import api
from nirlora.errors import DeviceError
from nirlora.jobs.execute import Reporter, execute
from nirlora.jobs.warm import WarmModel
from nirlora.protocol import AdaptRequest, AdaptResult, LayerRef, from_dict, to_dict


def tiny_adaptation(raster: Path, **changes) -> AdaptRequest:
    request = AdaptRequest(
        layers=(LayerRef(str(raster)),),
        backbone="vit-demo",
        pretrained=False,
        chip_px=32,
        batch=2,
        steps=6,
        device="cpu",
        report=False,
    )
    return replace(request, **changes)


def in_adaptation(record):
    return record["progress"]["stage"] == "adapt"


@pytest.mark.timeout(300)
def test_from_a_raster_to_a_backbone(backend, field):
    request = tiny_adaptation(field.raster)
    plan = backend.ask("POST", "/v1/plan-adaptation", to_dict(request)).json
    assert (plan["steps"], plan["unfreeze"]) == (6, "all")
    job = backend.submit("adapt", request)
    assert (job["state"], job["title"]) == ("queued", "Adapt to field.tif")
    record = backend.finish(job["id"])
    assert record["state"] == "done", record
    result = from_dict(AdaptResult, record["result"])
    assert (result.steps, result.stopped) == (6, "")
    facts = backend.ask("POST", "/v1/inspect", {"path": result.backbone}).json
    assert (facts["kind"], facts["adapted_to"]) == ("backbone", ["nir"])
    assert facts["history"][0]["steps"] == 6


def test_mistakes_are_answered_at_once(cold, field):
    for changes, code in (
        ({"objective": "clip"}, "bad_option"),
        ({"layers": (LayerRef("/nowhere.tif"),)}, "bad_raster"),
        ({"out": "/nowhere/b.nirlora-backbone"}, "cannot_write"),
    ):
        body = {"kind": "adapt", "request": to_dict(tiny_adaptation(field.raster, **changes))}
        answer = cold.ask("POST", "/v1/jobs", body)
        assert answer.status >= 400
        assert answer.error["code"] == code


@pytest.mark.timeout(300)
def test_cancelled_it_leaves_nothing_and_kept_it_leaves_a_backbone(backend, field):
    folder = field.raster.parent
    before = sorted(p.name for p in folder.iterdir())
    request = tiny_adaptation(field.raster, steps=1_000_000)
    record = backend.submit("adapt", request)
    backend.wait_for(record["id"], in_adaptation)
    backend.ask("POST", f"/v1/jobs/{record['id']}/cancel", {"keep": False})
    assert backend.finish(record["id"])["state"] == "cancelled"
    assert sorted(p.name for p in folder.iterdir()) == before
    record = backend.submit("adapt", request)
    backend.wait_for(record["id"], in_adaptation)
    backend.ask("POST", f"/v1/jobs/{record['id']}/cancel", {"keep": True})
    ended = backend.finish(record["id"])
    assert (ended["state"], ended["result"]["stopped"]) == ("done", "cancelled")
    assert Path(ended["result"]["backbone"]).is_file()
    assert (folder / "field.nirlora-backbone.checkpoint").exists()


@pytest.mark.timeout(300)
def test_a_killed_worker_fails_it_and_resuming_asks_for_the_rest(backend, field):
    record = backend.submit("adapt", tiny_adaptation(field.raster, steps=1_000_000))
    backend.wait_for(record["id"], in_adaptation)
    backend.worker().kill()
    assert backend.finish(record["id"])["state"] == "failed"
    again = backend.ask("POST", f"/v1/jobs/{record['id']}/resume").json
    assert again["request"]["resume"] is True
    backend.wait_for(again["id"], in_adaptation)
    backend.ask("POST", f"/v1/jobs/{again['id']}/cancel", {"keep": False})
    assert backend.finish(again["id"])["state"] == "cancelled"


@pytest.fixture
def tried(monkeypatch):
    """What is tried on a device that has room for batches of four with mae, for none with dino."""
    tried = []

    def adapt(request, progress):
        tried.append((request.batch, request.accumulate))
        if request.batch > 4 or request.objective == "dino":
            raise DeviceError("cuda:0 ran out of memory.") from torch.OutOfMemoryError("full")
        return AdaptResult("b", "", "mae", ("nir",), 1, {}, 1.0, "cuda:0", 1, 1, "", (), {})

    monkeypatch.setattr(api, "adapt", adapt)
    return tried


@pytest.mark.parametrize(
    ("batch", "attempts"), [(8, [(8, 1), (4, 2), (2, 4)]), (3, [(3, 1), (2, 2)]), (2, [(2, 1)])]
)
def test_out_of_memory_never_asks_for_a_batch_that_dino_refuses(tried, batch, attempts):
    request = tiny_adaptation(Path("a.tif"), batch=batch, objective="dino")
    with pytest.raises(DeviceError, match="out of memory"):
        execute("adapt", to_dict(request), Reporter(lambda p: None, lambda r: None), WarmModel())
    assert tried == attempts


def test_out_of_memory_halves_the_batch_and_keeps_the_chips_of_a_step(tried):
    request = tiny_adaptation(Path("a.tif"), batch=16)
    changed = []
    result = execute("adapt", to_dict(request), Reporter(lambda p: None, changed.append), WarmModel())
    assert tried == [(16, 1), (8, 2), (4, 4)]
    assert [(c["batch"], c["accumulate"]) for c in changed] == [(8, 2), (4, 4)]
    assert "batches of 4" in result["warnings"][-1]
