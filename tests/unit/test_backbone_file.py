"""The file of an adapted backbone: comes back whole, is refused when damaged, and is trained on."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nirlora.errors import ModelError, OptionError, WeightsUnavailable
from nirlora.models.backbone_card import FORMAT, BackboneCard, read_backbone_card
from nirlora.models.backbone_file import read_backbone, write_backbone
from nirlora.models.backbones import build_backbone
from nirlora.models.bundle import ModelCard, load_segmenter, write_bundle
from nirlora.models.card import read_card
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter, parameter_counts
from nirlora.models.weights import backbone_input, resolve_backbone
from nirlora.protocol import ClassInfo

CARD = BackboneCard("vit-demo", ("nir",), (0.4,), (0.2,), history=({"objective": "mae", "steps": 3},))
CLASSES = (ClassInfo(0, "soil", "#aa7744"), ClassInfo(1, "crop", "#22bb33"))


def state_of(roles: tuple[str, ...], seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    backbone = build_backbone("vit-demo")
    backbone.set_channels(roles)
    return dict(backbone.net.state_dict())


@pytest.fixture
def file(tmp_path) -> Path:
    return write_backbone(tmp_path / "b.nirlora-backbone", CARD, state_of(("nir",)))


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist()}


def rewritten(path: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def edited(path: Path, **changes) -> None:
    parts = members(path)
    card = {**json.loads(parts["card.json"]), **changes}
    rewritten(path, {**parts, "card.json": json.dumps(card).encode()})


def refused(path: Path, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        read_backbone(path)
    assert caught.value.hint
    assert str(path) in caught.value.message


def test_round_trip_and_equal_bytes(file, tmp_path):
    card, state = read_backbone(file)
    assert replace(card, weights_sha256="") == CARD
    expected = state_of(("nir",))
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[k], expected[k]) for k in expected)
    again = write_backbone(tmp_path / "again.nirlora-backbone", CARD, dict(reversed(expected.items())))
    assert again.read_bytes() == file.read_bytes()


def test_truncated_anywhere(file):
    whole = file.read_bytes()
    for length in [*range(0, 900, 53), *range(900, len(whole), 97_001), len(whole) - 1]:
        file.write_bytes(whole[:length])
        refused(file, "refused")


def test_what_is_no_backbone_file(file, tmp_path):
    parts = members(file)
    for name in ("../evil.py", "/etc/passwd", "C:\\evil", "weights.pt"):
        rewritten(file, {**parts, name: b"x"})
        refused(file, "alone, but holds")
    rewritten(file, {"card.json": parts["card.json"]})
    refused(file, "alone")
    pickled = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, pickled)
    rewritten(file, {**parts, "weights.safetensors": pickled.getvalue()})
    refused(file, "its weights have the SHA-256")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("card.json", parts["card.json"])
        link = zipfile.ZipInfo("weights.safetensors")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(file, "no plain file")
    refused(tmp_path / "gone.nirlora-backbone", "There is no backbone file")


def test_pickled_weights_with_the_right_hash_are_not_opened(file):
    import hashlib

    pickled = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, pickled)
    edited(file, weights_sha256=hashlib.sha256(pickled.getvalue()).hexdigest())
    rewritten(file, {**members(file), "weights.safetensors": pickled.getvalue()})
    refused(file, "no safetensors")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"roles": []}, "0 channels"),
        ({"roles": ["nir"] * 5000}, "5000 channels"),
        ({"mean": [0.1, 0.2]}, "2 means"),
        ({"std": [0.0]}, "a mean, deviation or zoom"),
        ({"mean": [float("nan")]}, "a mean, deviation or zoom"),
        ({"zoom": 0.0}, "zoom is 0.0"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"history": [{"start": "hub"}]}, "whose start is no dict"),
        ({"history": [{"rasters": ["a.tif"]}]}, "rasters of another form"),
        ({"history": [{"losses": {"first": 1.0}}]}, "losses of another form"),
        ({"history": ["adapted"]}, r"card.history\[0\]: expected an object"),
        ({"kind": "model"}, "not that of a backbone"),
        ({"format": FORMAT + 1, "kind": "backbone"}, "this program reads up to"),
    ],
)
def test_cards_that_make_no_sense(file, changes, words):
    edited(file, **changes)
    refused(file, words)


def test_a_history_cannot_command_a_terminal(file):
    edited(file, history=[{"objective": "\x1b[2J", "rasters": [{"path": "a\nb"}]}])
    (record,) = read_backbone_card(file).history
    assert record == {"objective": "?[2J", "rasters": [{"path": "a?b"}]}


def test_each_kind_of_file_says_what_it_is_where_the_other_is_expected(file, tmp_path):
    with pytest.raises(ModelError, match="is a backbone, not a model") as caught:
        read_card(file)
    assert "--backbone" in caught.value.hint
    card = ModelCard(classes=CLASSES, model=ModelConfig(backbone="vit-demo"))
    model = write_bundle(tmp_path / "m.nirlora", card, {"a": torch.ones(1)})
    with pytest.raises(ModelError, match="not that of a backbone"):
        read_backbone_card(model)


def test_a_backbone_of_another_program_or_shape(file):
    edited(file, backbone="resnet")
    with pytest.raises(ModelError, match="'resnet', which this program does not know"):
        resolve_backbone(str(file))
    edited(file, backbone="vit-demo", roles=["nir", "red"], mean=[0.5, 0.5], std=[0.2, 0.2])
    config = ModelConfig(backbone="vit-demo", backbone_source=str(file))
    with pytest.raises(ModelError, match=r"patch_embed\.proj\.weight is \(128, 1, 8, 8\), expected"):
        build_segmenter(config)


def test_what_it_expects_is_known_without_its_weights(file):
    assert resolve_backbone(str(file)) == ("vit-demo", str(file))
    known = backbone_input("vit-demo", str(file))
    assert (known.roles, known.mean, known.std) == (("nir",), (0.4,), (0.2,))
    assert known.unseen(("nir", "red")) == ("red",)
    published = backbone_input("vit-demo")
    assert published.roles == ("red", "green", "blue")
    assert published.unseen(("nir",)) == ()


@pytest.mark.parametrize("adapter", ["lora", "frozen", "full"])
def test_a_model_on_it_computes_with_its_weights_and_opens_without_the_file(file, tmp_path, adapter):
    config = ModelConfig(
        backbone="vit-demo", backbone_source=str(file), channel_roles=("nir",), head="linear", adapter=adapter
    )
    segmenter = build_segmenter(config).eval()
    assert segmenter.config.backbone_roles == ("nir",)
    assert segmenter.normalisation == ((0.4,), (0.2,))
    kernel = state_of(("nir",))["patch_embed.proj.weight"]
    assert torch.equal(segmenter.backbone.patch_conv.weight, kernel)
    card = ModelCard(classes=CLASSES, model=segmenter.config, backbone_sha256=segmenter.backbone_sha256)
    model = write_bundle(tmp_path / "m.nirlora", card, segmenter.trainable_state())
    counts = segmenter.num_parameters()
    assert parameter_counts(segmenter.config) == counts
    file.unlink()
    reopened, about = load_segmenter(model)
    assert about.model.backbone_source == str(file)
    assert len(about.backbone_sha256) == 64
    x = torch.rand(1, 1, 16, 24)
    with torch.no_grad():
        assert torch.equal(reopened(x), segmenter(x))
    with pytest.raises(WeightsUnavailable, match="no file"):
        build_segmenter(config)


def test_channels_meet_the_kernels_they_were_adapted_with(tmp_path):
    roles = ("nir", "red")
    state = state_of(roles)
    kernel = state["patch_embed.proj.weight"]
    card = BackboneCard("vit-demo", roles, (0.1, 0.2), (1.0, 2.0))
    file = write_backbone(tmp_path / "b.nirlora-backbone", card, state)

    def patch_kernel(*channels: str, stem: str = "auto") -> tuple[torch.Tensor, tuple]:
        config = ModelConfig(
            backbone="vit-demo",
            backbone_source=str(file),
            channel_roles=channels,
            num_channels=len(channels),
            stem=stem,
            adapter="frozen",
            head="linear",
        )
        segmenter = build_segmenter(config)
        return segmenter.backbone.patch_conv.weight, segmenter.normalisation

    assert torch.equal(patch_kernel("nir", "red")[0], kernel)
    swapped, (mean, std) = patch_kernel("red", "nir")
    assert torch.equal(swapped, kernel[:, [1, 0]])
    assert (mean, std) == ((0.2, 0.1), (2.0, 1.0))
    torch.testing.assert_close(patch_kernel("nir")[0], 2 * kernel[:, :1])  # its own, tokens keep their size
    torch.testing.assert_close(patch_kernel("green")[0], kernel.sum(1, keepdim=True))
    with pytest.raises(OptionError, match="needs the channels red, green and blue"):
        patch_kernel("nir", "red", stem="rgb")
    with pytest.raises(OptionError, match="needs the channels of this backbone, nir, red, got nir"):
        patch_kernel("nir", stem="own")
