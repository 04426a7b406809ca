"""Metadata of ONNX files, read without ONNX: what is there is found, what is damaged is refused in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirlora.errors import ModelError
from nirlora.models.card import read_card
from nirlora.models.onnx_metadata import OnnxInfo, info_json, read_metadata, read_onnx


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def counted(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def entry(key: str, value: str) -> bytes:
    return counted(14, counted(1, key.encode()) + counted(2, value.encode()))


def model(*entries: bytes, graph: int = 1000) -> bytes:
    """The fields of a real file, in its order: version, producer, graph, metadata, operator sets."""
    start = varint(1 << 3) + varint(8) + counted(2, b"pytorch") + counted(7, b"\xff" * graph)
    return start + b"".join(entries) + counted(8, varint(2 << 3) + varint(18))


def written(tmp_path, data: bytes):
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    return path


@given(st.dictionaries(st.text(), st.text(), max_size=5), st.integers(0, 300))
def test_what_is_written_is_read(tmp_path_factory, pairs, graph):
    data = model(*(entry(k, v) for k, v in pairs.items()), graph=graph)
    try:
        expected = {k: v.encode().decode() for k, v in pairs.items()}
    except UnicodeEncodeError:
        return
    assert read_metadata(written(tmp_path_factory.mktemp("m"), data)) == expected


def test_onnx_own_writer_is_understood(tmp_path):
    onnx = pytest.importorskip("onnx")
    made = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    onnx.helper.set_model_props(made, {"class_names": '{"0": "Bäume"}', "empty": ""})
    path = tmp_path / "m.onnx"
    onnx.save(made, path)
    assert read_metadata(path) == {"class_names": '{"0": "Bäume"}', "empty": ""}


def test_a_gigabyte_of_graph_is_stepped_over(tmp_path):
    path = tmp_path / "m.onnx"
    with path.open("wb") as file:  # sparse: takes no room on the disk
        file.write(varint(7 << 3 | 2) + varint(2**30))
        file.seek(2**30, 1)
        file.write(entry("key", "value"))
    assert read_metadata(path) == {"key": "value"}


@pytest.mark.parametrize("cut", [1, 5, 500, 1005, 1040])
def test_a_part_of_a_file_is_refused_or_has_no_card(tmp_path, cut):
    data = model(entry("nirlora_card", "{}"), entry("nirlora_export", info_json(OnnxInfo(64, 64))))
    assert cut < len(data)
    with pytest.raises(ModelError):
        read_onnx(written(tmp_path, data[:cut]))


@pytest.mark.parametrize("data", [b"PK\x03\x04" + b"\0" * 90, b"\xff" * 100, b"<html>no such file</html>"])
def test_what_is_no_onnx_file_is_refused(tmp_path, data):
    with pytest.raises(ModelError, match=r"is refused|no model card"):
        read_card(written(tmp_path, data))


def test_a_missing_file():
    with pytest.raises(ModelError, match="There is no model file"):
        read_card("nowhere/m.onnx")


def test_models_of_other_programs_are_named_as_such(tmp_path):
    path = written(tmp_path, model(entry("class_names", "{}")))
    with pytest.raises(ModelError, match="none that nirlora exported") as caught:
        read_card(path)
    assert "nirlora export" in caught.value.hint


@pytest.mark.parametrize(
    ("export", "match"),
    [
        ("[]", "cannot be read"),
        ("{", "cannot be read"),
        ('{"tile_px": 64}', "cannot be read"),
        ('{"tile_px": 64, "input_px": 64, "speed": 9}', "unknown field"),
        ('{"tile_px": 0, "input_px": 64}', "tiles have 0"),
        ('{"tile_px": 64, "input_px": 99999999}', "tiles have"),
        (json.dumps({"format": 2, "new": True}), "export format 2"),
    ],
)
def test_metadata_without_sense_are_refused(tmp_path, export, match):
    path = written(tmp_path, model(entry("nirlora_card", "{}"), entry("nirlora_export", export)))
    with pytest.raises(ModelError, match=match):
        read_onnx(path)


def test_an_entry_that_claims_to_be_huge_is_not_read(tmp_path):
    path = tmp_path / "m.onnx"
    with path.open("wb") as file:
        file.write(varint(14 << 3 | 2) + varint(2**30))
        file.truncate(2**30 + 64)
    with pytest.raises(ModelError, match="an entry of 1073741824 bytes"):
        read_metadata(path)
