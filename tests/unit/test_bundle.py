"""The model file: what is written comes back, what is damaged or hostile is refused in words."""

from __future__ import annotations

import io
import json
import stat
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nirlora.errors import ModelError, OutputError, WeightsUnavailable
from nirlora.models.bundle import FORMAT, ModelCard, load_segmenter, read_bundle, write_bundle
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.protocol import ClassInfo
from support import ROOT, shared_data

GOLDEN = ROOT / "tests" / "golden"
CLASSES = (ClassInfo(0, "soil", "#aa7744"), ClassInfo(1, "crop", "#22bb33"))
STATE = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(1, dtype=torch.int64)}


def card(**changes) -> ModelCard:
    return replace(ModelCard(classes=CLASSES, model=ModelConfig(backbone="vit-demo")), **changes)


@pytest.fixture
def bundle(tmp_path) -> Path:
    return write_bundle(tmp_path / "m.nirlora", card(metrics={"miou": 0.5}, zoom=2.0), STATE)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist()}


def rewritten(path: Path, parts: dict, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def edited_card(path: Path, **changes) -> Path:
    parts = members(path)
    data = {**json.loads(parts["card.json"]), **changes}
    return rewritten(path, {**parts, "card.json": json.dumps(data).encode()})


def test_round_trip(bundle):
    got, state = read_bundle(bundle)
    assert replace(got, weights_sha256="") == card(metrics={"miou": 0.5}, zoom=2.0)
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[k], STATE[k]) for k in STATE)
    assert not list(bundle.parent.glob("*.part"))


def test_it_is_a_zip_of_two_members_anyone_can_open(bundle):
    assert sorted(members(bundle)) == ["card.json", "weights.safetensors"]
    assert json.loads(members(bundle)["card.json"])["classes"][1]["name"] == "crop"


def test_the_same_model_is_the_same_bytes(tmp_path):
    one = write_bundle(tmp_path / "1.nirlora", card(), STATE).read_bytes()
    two = write_bundle(tmp_path / "2.nirlora", card(), dict(reversed(STATE.items()))).read_bytes()
    assert one == two


def test_nan_scores_become_null(tmp_path):
    path = write_bundle(tmp_path / "m.nirlora", card(metrics={"iou": [0.5, float("nan")]}), STATE)
    assert read_bundle(path)[0].metrics == {"iou": [0.5, None]}


def test_writing_where_one_cannot(tmp_path):
    with pytest.raises(OutputError, match="Cannot write"):
        write_bundle(tmp_path / "no" / "m.nirlora", card(), STATE)


def test_a_failed_write_leaves_the_old_model(bundle, monkeypatch):
    before = bundle.read_bytes()

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write_bundle(bundle, card(zoom=9.0), STATE)
    assert bundle.read_bytes() == before
    assert list(bundle.parent.iterdir()) == [bundle]


def refused(path: Path, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        read_bundle(path)
    assert caught.value.hint
    assert str(path) in caught.value.message


def test_no_such_file(tmp_path):
    refused(tmp_path / "x.nirlora", "There is no model file")


def test_a_folder(tmp_path):
    refused(tmp_path, "no model file")


def test_no_zip(tmp_path):
    path = tmp_path / "m.nirlora"
    for data in (b"", b"hello", b"\x80\x04K\x01.", bytes(1000)):
        path.write_bytes(data)
        refused(path, "no model file")


def test_truncated_anywhere(bundle):
    whole = bundle.read_bytes()
    for length in range(0, len(whole), 37):
        bundle.write_bytes(whole[:length])
        refused(bundle, "refused")


def test_any_flipped_byte_is_refused_or_harmless(bundle):
    """Either an error of ours, or (a date or a comment was hit) the very same content."""
    whole, expected = bundle.read_bytes(), read_bundle(bundle)
    for at in range(0, len(whole), 11):
        bundle.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            got, state = read_bundle(bundle)
        except ModelError:
            continue
        assert got == expected[0]
        assert all(torch.equal(state[k], STATE[k]) for k in STATE)


def test_missing_and_extra_members(bundle):
    parts = members(bundle)
    rewritten(bundle, {"card.json": parts["card.json"]})
    refused(bundle, "card.json and weights.safetensors alone")
    rewritten(bundle, {**parts, "readme.txt": b"hi"})
    refused(bundle, "'readme.txt'")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "a/../../b", "C:\\evil", "card.json/"])
def test_path_traversal(bundle, name):
    rewritten(bundle, {**members(bundle), name: b"x"})
    refused(bundle, "alone, but holds")
    rewritten(bundle, {"card.json": members(bundle)["card.json"], name: b"x"})
    refused(bundle, "alone, but holds")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(bundle):
    parts = members(bundle)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name in ("card.json", "weights.safetensors", "card.json"):
            archive.writestr(name, parts[name])
    refused(bundle, "alone")


def test_a_symbolic_link(bundle):
    parts = members(bundle)
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("card.json", parts["card.json"])
        link = zipfile.ZipInfo("weights.safetensors")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(bundle, "weights.safetensors is no plain file")


def test_encrypted(bundle):
    raw = bytearray(bundle.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 8] |= 1  # the flag in the directory
    bundle.write_bytes(raw)
    refused(bundle, "encrypted")


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_zip_bomb(bundle, name):
    rewritten(bundle, {**members(bundle), name: bytes(2**24)}, zipfile.ZIP_DEFLATED)
    refused(bundle, f"{name} is a zip bomb")


def test_a_card_too_large(bundle):
    rewritten(bundle, {**members(bundle), "card.json": bytes(17 * 2**20)})
    refused(bundle, "card.json has 17825792 bytes")


def test_a_lying_size(bundle):
    """The directory says four gigabytes where there are few bytes: refused without asking for the memory."""
    raw = bytearray(bundle.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (2**32 - 2).to_bytes(4, "little")
    bundle.write_bytes(raw)
    refused(bundle, "refused")


def test_another_weights_file(bundle):
    other = members(write_bundle(bundle.parent / "other", card(), {"a": torch.zeros(1)}))
    rewritten(bundle, {**members(bundle), "weights.safetensors": other["weights.safetensors"]})
    refused(bundle, "its weights have the SHA-256 [0-9a-f]{64}, its card says [0-9a-f]{64}")


def with_weights(path: Path, data: bytes) -> Path:
    import hashlib

    edited_card(path, weights_sha256=hashlib.sha256(data).hexdigest())
    return rewritten(path, {**members(path), "weights.safetensors": data})


def test_garbage_and_pickles_are_no_weights(bundle):
    executable = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, executable)
    for data in (b"", b"garbage", executable.getvalue(), b"\xff" * 100, b"\x80\x04\x95cos\nsystem\n."):
        with_weights(bundle, data)
        refused(bundle, "no safetensors")


def test_a_newer_format(bundle):
    edited_card(bundle, format=FORMAT + 1, something_new=1)
    with pytest.raises(
        ModelError, match=f"file format {FORMAT + 1}, this program reads up to {FORMAT}"
    ) as caught:
        read_bundle(bundle)
    assert "Update nirlora" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"model": {"backbone": 3}}, "card.model.backbone: expected str"),
        ({"classes": "all"}, "card.classes: expected a list"),
        ({"format": "one"}, "card.format"),
    ],
)
def test_a_card_with_other_fields(bundle, changes, words):
    edited_card(bundle, **changes)
    refused(bundle, words)


RED = {"name": "a", "color": "#ff0000"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zoom": 0.0}, "zoom is 0.0"),
        ({"zoom": -1.0}, "zoom is -1.0"),
        ({"zoom": float("nan")}, "zoom is nan"),
        ({"zoom": 1e9}, "zoom is 1000000000.0"),
        ({"chip_px": -8}, "chip_px is -8"),
        ({"chip_px": 10**9}, "chip_px is 1000000000"),
        ({"classes": []}, "values"),
        ({"classes": [{**RED, "value": 0}, {**RED, "value": 0}]}, r"values \[0, 0\]"),
        ({"classes": [{**RED, "value": 0}, {**RED, "value": 300}]}, r"values \[0, 300\]"),
        ({"classes": [{**RED, "value": i} for i in range(3)]}, "3 classes, but the network 2 outputs"),
        ({"model": {"num_classes": 10**9}}, "2 classes, but the network 1000000000 outputs"),
        ({"classes": [{**RED, "value": i, "color": "red"} for i in range(2)]}, "in 'red', expected"),
        ({"classes": [{**RED, "value": i, "name": "\0"} for i in range(2)]}, "class 0 is"),
        ({"metrics": {"classes": [1]}}, "of another form"),
        ({"training": {"layers": 7}}, "of another form"),
    ],
)
def test_a_card_with_impossible_values(bundle, changes, words):
    edited_card(bundle, **changes)
    refused(bundle, words)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_card_that_is_no_card(bundle, data):
    rewritten(bundle, {**members(bundle), "card.json": data})
    refused(bundle, "card")


@pytest.mark.parametrize(
    "model",
    [{"backbone": "resnet"}, {"head": "x"}, {"num_channels": -1}, {"rank": 10**9}],
)
def test_a_card_that_asks_for_the_impossible(bundle, model):
    edited_card(bundle, model={"backbone": "vit-demo", **model})
    with pytest.raises(ModelError, match="card asks for what does not exist"):
        load_segmenter(bundle)


def test_tensors_that_do_not_fit_the_network(bundle):
    with pytest.raises(ModelError, match=r"m\.nirlora: The model lacks tensor"):
        load_segmenter(bundle)


class TestBackboneOfAModel:
    @pytest.fixture
    def trained(self, tmp_path):
        import shutil

        weights = tmp_path / "weights"
        shutil.copytree(shared_data("galileo_nano_weights"), weights)
        weights.chmod(0o755)
        config = ModelConfig(backbone="galileo-nano:p8", backbone_source=str(weights), head="linear")
        segmenter = build_segmenter(config).eval()
        with torch.no_grad():
            for p in segmenter.adapter_parameters():
                p += 0.1
        about = card(model=segmenter.config, backbone_sha256=segmenter.backbone_sha256)
        path = write_bundle(tmp_path / "m.nirlora", about, segmenter.trainable_state())
        return path, weights, segmenter

    def test_small_and_exact(self, trained):
        path, _, segmenter = trained
        assert path.stat().st_size < 60_000
        x = torch.rand(1, 1, 24, 32)
        with torch.no_grad():
            assert torch.equal(load_segmenter(path)[0](x), segmenter(x))

    def test_full_fine_tuning_needs_no_backbone_weights(self, trained, tmp_path):
        _, weights, _ = trained
        config = ModelConfig(backbone_source=str(weights), head="linear", adapter="full")
        segmenter = build_segmenter(config).eval()
        about = card(model=segmenter.config, backbone_sha256=segmenter.backbone_sha256)
        path = write_bundle(tmp_path / "full.nirlora", about, segmenter.trainable_state())
        weights.rename(weights.with_name("gone"))
        x = torch.rand(1, 1, 16, 16)
        with torch.no_grad():
            assert torch.equal(load_segmenter(path)[0](x), segmenter(x))

    def test_moved_weights(self, trained):
        path, weights, segmenter = trained
        moved = weights.rename(weights.with_name("elsewhere"))
        with pytest.raises(WeightsUnavailable, match="needs the weights of galileo-nano:p8") as caught:
            load_segmenter(path)
        assert str(weights) in caught.value.message
        assert "--backbone PATH" in caught.value.hint
        x = torch.rand(1, 1, 16, 16)
        for told in (str(moved), f"galileo-nano={moved}", str(moved / "encoder.pt")):
            with torch.no_grad():
                assert torch.equal(load_segmenter(path, told)[0](x), segmenter(x))

    def test_other_weights_are_refused_with_both_hashes(self, trained):
        path, weights, segmenter = trained
        file = weights / "encoder.pt"
        state = torch.load(file, map_location="cpu", weights_only=True)
        state["norm.weight"] = state["norm.weight"] + 1
        file.chmod(0o644)
        torch.save(state, file)
        with pytest.raises(ModelError, match=segmenter.backbone_sha256) as caught:
            load_segmenter(path)
        assert len([w for w in caught.value.message.split() if len(w.strip(",.")) == 64]) == 2

    def test_a_network_share_in_the_card_is_not_visited(self, trained):
        path = trained[0]
        for share in ("//evil/share", "\\\\evil\\share"):
            model = json.loads(members(path)["card.json"])["model"]
            edited_card(path, model={**model, "backbone_source": share})
            assert read_bundle(path)[0].model.backbone_source == ""


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.nirlora")), ids=lambda p: p.stem)
def test_files_written_long_ago_still_give_the_same_logits(path, tmp_path):
    sys.path.insert(0, str(GOLDEN))
    try:
        import make_golden
    finally:
        sys.path.remove(str(GOLDEN))
    expected = json.loads(path.with_suffix(".json").read_text())
    told = make_golden.write_backbone(tmp_path, read_bundle(path)[0].model.backbone)
    segmenter, about = load_segmenter(path, told)
    step = make_golden.EVERY
    with torch.no_grad():
        logits = segmenter.merge()(make_golden.images(about.model))[0, :, ::step, ::step]
    torch.testing.assert_close(logits, torch.tensor(expected["logits"]), rtol=1e-4, atol=2e-4)
    assert [c.name for c in about.classes] == expected["classes"]


def test_there_are_golden_files():
    paths = sorted(GOLDEN.glob("*.nirlora"))
    assert len(paths) >= 3
    assert all(p.stat().st_size < 300_000 for p in paths)
