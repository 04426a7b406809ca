"""A model carried to another field is a training job like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.make_data import make_raster
from nirlora.info import describe
from nirlora.protocol import LayerRef, TrainResult, from_dict, to_dict
from nirlora.server.models import model_info
from server.harness import tiny_training


@pytest.fixture
def target(tmp_path):
    values = np.random.default_rng(0).integers(800, 9000, (40, 50)).astype("uint16")
    return make_raster(tmp_path / "target.tif", values, descriptions=("NIR",))


@pytest.mark.timeout(300)
def test_from_a_labelled_field_to_another(backend, field, target):
    request = tiny_training(
        field.raster, target_layers=(LayerRef(str(target)),), stabiliser="ema", rounds=1, report=True
    )
    plan = backend.ask("POST", "/v1/plan", to_dict(request)).json
    assert (plan["stages"], plan["steps"]) == (2, 20)
    records = backend.follow(backend.submit("train", request)["id"])
    last = records[-1]
    assert last["state"] == "done", last
    fractions = [record["progress"]["fraction"] for record in records]
    assert fractions == sorted(fractions)
    assert all(fraction < 1 for fraction in fractions[:-1])
    stages = {record["progress"]["stage"] for record in records}
    assert stages & {"warm-up", "round 1"}
    result = from_dict(TrainResult, last["result"])
    facts = describe(result.model)
    assert (facts["carried_to"], facts["stabiliser"], facts["rounds"]) == ([str(target)], "ema", 1)
    listed = model_info(Path(result.model))
    assert listed.carried_to == (str(target),)
    assert listed.miou_of == facts["scores_of"] == result.metrics["of"] == "source"


def test_a_target_that_cannot_be_is_refused_at_once(backend, field, target):
    wrong = (
        ({"target_layers": (LayerRef("/nowhere.tif"),)}, "bad_raster"),
        ({"target_layers": (LayerRef(str(target), "/nowhere.gpkg"),)}, "bad_labels"),
        ({"target_layers": (LayerRef(str(field.raster)),)}, "bad_option"),
        ({"target_layers": (LayerRef(str(target)),), "stabiliser": "momentum"}, "bad_option"),
    )
    for change, code in wrong:
        request = to_dict(tiny_training(field.raster, **{"stabiliser": "ema", **change}))
        answer = backend.ask("POST", "/v1/jobs", {"kind": "train", "request": request})
        assert (answer.status, answer.error["code"]) == (422, code), answer.body
