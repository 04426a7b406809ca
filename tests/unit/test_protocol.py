from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirlora.protocol import (
    ClassArea,
    ClassInfo,
    EvaluateRequest,
    EvaluateResult,
    LayerRef,
    Progress,
    ProtocolError,
    SegmentRequest,
    SegmentResult,
    TrainRequest,
    TrainResult,
    from_dict,
    to_dict,
)

CLASSES = (ClassInfo(0, "crop", "#00ff00"), ClassInfo(1, "weed", "#ff0000"))
LAYER = LayerRef("a.tif", "a.gpkg", -9999.0, "EPSG:32633")
EXAMPLES = [
    LAYER,
    TrainRequest(layers=(LAYER, LayerRef("b.tif")), classes=("crop", "weed"), reflectance_scale=1e-4),
    SegmentRequest(layer=LAYER, model="m.nirlora", confidence=True),
    EvaluateRequest(layer=LAYER, model="m.nirlora"),
    Progress("train", 0.5, "half", None, {"loss": 0.25}),
    TrainResult("m", "r", CLASSES, {"miou": 0.5}, 1.5, "cpu", 5, 10, "", ("w",), {"torch": "2"}),
    SegmentResult(
        "m.tif", {"map": "m.tif"}, CLASSES, (ClassArea(0, "crop", 5, 0.1),), 5, 1.0, 5.0, "cpu", (), {}
    ),
    EvaluateResult(CLASSES, {}, 0, 0.0, "cpu", (), {}),
]
json_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
json_values = st.recursive(
    json_scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: type(e).__name__)
def test_survives_json(example: Any):
    text = json.dumps(to_dict(example), allow_nan=False)
    assert from_dict(type(example), json.loads(text)) == example


@given(
    path=st.text(),
    classes=st.lists(st.text()).map(tuple),
    rank=st.integers(),
    zoom=st.floats(allow_nan=False),
    scale=st.none() | st.floats(allow_nan=False),
    resume=st.booleans(),
)
def test_any_values_survive(path, classes, rank, zoom, scale, resume):
    request = TrainRequest(
        layers=(LayerRef(path),),
        classes=classes,
        rank=rank,
        zoom=zoom,
        reflectance_scale=scale,
        resume=resume,
    )
    assert from_dict(TrainRequest, json.loads(json.dumps(to_dict(request)))) == request


@given(data=json_values)
def test_foreign_values_are_refused_by_name_and_never_crash(data):
    try:
        LayerRef(**to_dict(from_dict(LayerRef, data)))
    except ProtocolError as error:
        assert "LayerRef" in str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"path": "a", "nodta": 1}, "LayerRef: unknown field 'nodta'; known are path, labels, nodata, crs"),
        ({}, "LayerRef: field 'path' is missing"),
        ({"path": 3}, "LayerRef.path: expected str, got int 3"),
        ({"path": "a", "nodata": "x"}, "LayerRef.nodata: expected float, got str 'x'"),
        ({"path": "a", "nodata": True}, "LayerRef.nodata: expected float, got bool True"),
        ([], "LayerRef: expected an object, got list"),
    ],
)
def test_refusals_name_the_field(data, said):
    with pytest.raises(ProtocolError) as caught:
        from_dict(LayerRef, data)
    assert str(caught.value) == said


def test_refusals_name_the_place_inside():
    with pytest.raises(ProtocolError, match=r"^TrainRequest\.layers\[1\]: field 'path' is missing$"):
        from_dict(TrainRequest, {"layers": [{"path": "a"}, {}]})
    with pytest.raises(ProtocolError, match=r"^TrainRequest\.rank: expected int, got bool"):
        from_dict(TrainRequest, {"layers": [], "rank": True})
    with pytest.raises(ProtocolError, match=r"^TrainRequest\.classes: expected a list, got str"):
        from_dict(TrainRequest, {"layers": [], "classes": "crop"})


def test_whole_numbers_are_floats_where_floats_are_asked():
    layer = from_dict(LayerRef, {"path": "a", "nodata": 0})
    assert layer.nodata == 0.0
    assert isinstance(layer.nodata, float)
