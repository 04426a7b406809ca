"""Backbone weights from files, folders, and a stand-in of the hub on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from nirlora.errors import ModelError, OptionError, WeightsUnavailable
from nirlora.models import weights
from nirlora.models.backbones import Backbone, backbone_spec, build_backbone
from nirlora.models.bundle import ModelCard, load_segmenter, write_bundle
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.models.weights import load_backbone_weights, read_state, resolve_backbone, state_sha256
from nirlora.protocol import ClassInfo
from support import shared_data

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def demo_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build_backbone("vit-demo").net.state_dict()


@pytest.fixture
def demo_file(demo_state, tmp_path) -> Path:
    path = tmp_path / "demo.safetensors"
    save_file(demo_state, path)
    return path


def same(backbone: Backbone, state: dict[str, torch.Tensor]) -> bool:
    own = backbone.net.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[k], state[k]) for k in own)


class TestHash:
    def test_order_does_not_matter_and_everything_else_does(self):
        a, b = torch.arange(4.0), torch.zeros(2, 2)
        reference = state_sha256({"a": a, "b": b})
        assert state_sha256({"b": b, "a": a}) == reference
        assert state_sha256({"a": a[::1].clone(), "b": b.t()}) == reference
        others = (
            {"a": a, "c": b},
            {"a": a, "b": b.reshape(4)},
            {"a": a.double(), "b": b},
            {"a": a + 1, "b": b},
            {"a": a},
        )
        assert len({state_sha256(o) for o in others} | {reference}) == 6

    def test_strange_types_and_sizes(self):
        state = {"a": torch.zeros(0), "b": torch.tensor(3.0), "c": torch.ones(3, dtype=torch.bfloat16)}
        assert len(state_sha256(state)) == 64


class TestResolve:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("vit-base", ("vit-base", "")),
            ("galileo-nano:p8", ("galileo-nano:p8", "")),
            ("vit-base=/x/w.safetensors", ("vit-base", "/x/w.safetensors")),
            ("galileo-nano:p8=/x=y", ("galileo-nano:p8", "/x=y")),
        ],
    )
    def test_names(self, text, expected):
        assert resolve_backbone(text) == expected

    def test_galileo_folder_is_recognised(self, tmp_path):
        (tmp_path / "encoder.pt").touch()
        (tmp_path / "config.json").write_text("{}")
        assert resolve_backbone(str(tmp_path)) == ("galileo-nano", str(tmp_path))

    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            ({"architecture": "vit_base_patch16_224"}, "vit-base"),
            ({"architecture": "vit_base_patch16_224", "pretrained_cfg": {"tag": "mae"}}, "mae-base"),
            (
                {"architecture": "vit_large_patch16_dinov3", "pretrained_cfg": {"tag": "sat493m"}},
                "dinov3-large-sat",
            ),
            ({"nirlora": "vit-demo"}, "vit-demo"),
        ],
    )
    def test_a_json_beside_the_weights_tells(self, tmp_path, config, expected):
        file = tmp_path / "model.safetensors"
        file.touch()
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert resolve_backbone(str(file)) == (expected, str(file))
        assert resolve_backbone(str(tmp_path)) == (expected, str(tmp_path))
        (tmp_path / "config.json").rename(tmp_path / "model.json")
        assert resolve_backbone(str(file)) == (expected, str(file))

    @pytest.mark.parametrize(
        "text", ["{", "[]", "{}", '{"architecture": "resnet50"}', '{"pretrained_cfg": 3}']
    )
    def test_nothing_tells(self, tmp_path, text):
        file = tmp_path / "w.safetensors"
        file.touch()
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ModelError):
            resolve_backbone(str(file))

    def test_no_such_thing(self, tmp_path):
        with pytest.raises(OptionError, match="no backbone 'vit-giant'"):
            resolve_backbone("vit-giant")
        with pytest.raises(WeightsUnavailable, match="no file or folder"):
            resolve_backbone(str(tmp_path / "w.safetensors"))
        with pytest.raises(OptionError, match="no backbone 'x'"):
            resolve_backbone("x=/y")


class TestFiles:
    def test_safetensors(self, demo_state, demo_file):
        backbone = build_backbone("vit-demo")
        loaded = load_backbone_weights(backbone, str(demo_file))
        assert same(backbone, demo_state)
        assert loaded.sha256 == state_sha256(demo_state)
        assert loaded.revision == ""

    @pytest.mark.parametrize("wrapper", ["", "model", "state_dict"])
    def test_torch_files_and_classifiers(self, demo_state, tmp_path, wrapper):
        state = {**demo_state, "head.weight": torch.zeros(10, 128), "head.bias": torch.zeros(10)}
        torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "w.pth")
        backbone = build_backbone("vit-demo")
        load_backbone_weights(backbone, str(tmp_path / "w.pth"))
        assert same(backbone, demo_state)

    def test_a_folder(self, demo_state, demo_file):
        backbone = build_backbone("vit-demo")
        load_backbone_weights(backbone, str(demo_file.parent))
        assert same(backbone, demo_state)

    def test_the_segmenter_takes_it(self, demo_state, demo_file):
        config = ModelConfig(backbone="vit-demo", backbone_source=str(demo_file))
        segmenter = build_segmenter(config)
        assert segmenter.backbone_sha256 == state_sha256(demo_state)
        assert segmenter.num_parameters()["adapter"] == 4 * 4 * 128 * 4

    def test_a_file_that_runs_code_is_refused_unrun(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (Path(tmp_path / "ran").touch, ())

        torch.save({"a": Evil()}, tmp_path / "w.pth")
        with pytest.raises(ModelError, match="more than tensors"):
            read_state(tmp_path / "w.pth")
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "encoder.pt"])
    @pytest.mark.parametrize("data", [b"", b"hello", bytes(200), b"PK\x03\x04junk"])
    def test_garbage(self, tmp_path, name, data):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match="cannot be read"):
            read_state(tmp_path / name)

    def test_truncated(self, demo_file):
        demo_file.write_bytes(demo_file.read_bytes()[:-100])
        with pytest.raises(ModelError, match="cannot be read"):
            load_backbone_weights(build_backbone("vit-demo"), str(demo_file))

    def test_another_architecture(self, demo_state, demo_file, tmp_path):
        for name in ("vit-tiny", "galileo-nano", "swin-tiny", "dinov3-small", "sam-base"):
            with torch.device("meta"):
                backbone = build_backbone(name)
            with pytest.raises(ModelError, match=f"does not hold the weights of {name}"):
                load_backbone_weights(backbone, str(demo_file))
        save_file({**demo_state, "norm.weight": torch.ones(64)}, tmp_path / "n.safetensors")
        with pytest.raises(ModelError, match=r"norm.weight is \(64,\), expected \(128,\)"):
            load_backbone_weights(build_backbone("vit-demo"), str(tmp_path / "n.safetensors"))
        save_file({k: v for k, v in demo_state.items() if k != "norm.bias"}, tmp_path / "m.safetensors")
        with pytest.raises(ModelError, match=r"it lacks norm\.bias"):
            load_backbone_weights(build_backbone("vit-demo"), str(tmp_path / "m.safetensors"))

    def test_nothing_there(self, tmp_path):
        with pytest.raises(WeightsUnavailable, match="no weights of vit-demo"):
            load_backbone_weights(build_backbone("vit-demo"), str(tmp_path))

    def test_galileo_without_a_path_says_how(self):
        with pytest.raises(WeightsUnavailable) as caught:
            build_segmenter(ModelConfig(backbone="galileo-nano"))
        assert "--backbone galileo-nano=FOLDER" in caught.value.hint
        assert "--no-pretrained" in caught.value.hint

    def test_galileo_real_file(self):
        folder = shared_data("galileo_nano_weights")
        name, path = resolve_backbone(str(folder))
        loaded = load_backbone_weights(build_backbone(name), path)
        again = load_backbone_weights(build_backbone("galileo-nano:p8"), str(folder / "encoder.pt"))
        assert loaded.sha256 == again.sha256  # of what was published, whatever the patch size


@dataclass
class Hub:
    """A stand-in for the hub: one file, and what it was asked."""

    data: bytes
    etag: str = ""
    length: int | None = None
    asked: list[str] = field(default_factory=list)
    endpoint: str = ""

    def __post_init__(self):
        self.etag = self.etag or hashlib.sha256(self.data).hexdigest()


@pytest.fixture
def hub(demo_state, tmp_path, monkeypatch):
    state = Hub(save(demo_state))

    class Handler(BaseHTTPRequestHandler):
        def reply(self, body: bool) -> None:
            state.asked.append(self.path)
            if not self.path.endswith("/model.safetensors") or "missing" in self.path:
                self.send_response(404)
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{state.etag}"')
            self.send_header("Content-Length", str(state.length or len(state.data)))
            self.end_headers()
            if body:
                self.wfile.write(state.data)

        def do_HEAD(self) -> None:
            self.reply(False)

        def do_GET(self) -> None:
            self.reply(True)

        def log_message(self, *_args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", state.endpoint)
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


SPEC = replace(backbone_spec("vit-demo"), hub="somebody/vit-demo", revision="main", pretrained=True)


def from_hub(cache: Path, revision: str = "") -> tuple[Backbone, Path]:
    backbone = build_backbone("vit-demo")
    path = weights.download(SPEC, revision, cache)
    load_backbone_weights(backbone, str(path))
    return backbone, path


class TestHub:
    def test_first_use_then_the_cache(self, hub, demo_state, tmp_path, monkeypatch):
        backbone, path = from_hub(tmp_path)
        assert same(backbone, demo_state)
        assert COMMIT in path.parts
        assert hub.asked[0] == "/somebody/vit-demo/resolve/main/model.safetensors"
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the network is gone
        assert from_hub(tmp_path)[1] == path
        assert from_hub(tmp_path, COMMIT)[1] == path

    def test_the_recorded_commit_is_asked_for(self, hub, tmp_path):
        from_hub(tmp_path, COMMIT)
        assert all(f"/resolve/{COMMIT}/" in path for path in hub.asked)

    def test_no_network(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(WeightsUnavailable, match="not cached and cannot be downloaded") as caught:
            weights.download(SPEC, "", tmp_path)
        for way_out in ("Connect once", "--backbone vit-demo=PATH", "--no-pretrained"):
            assert way_out in caught.value.hint

    def test_not_on_the_hub(self, hub, tmp_path):
        with pytest.raises(WeightsUnavailable, match="cannot be downloaded"):
            weights.download(replace(SPEC, hub="somebody/missing"), "", tmp_path)

    def test_a_damaged_download_is_refused_removed_and_fetched_again(self, hub, demo_state, tmp_path):
        good = hub.data
        hub.data = good[:-1] + bytes([good[-1] ^ 1])
        with pytest.raises(ModelError, match="is damaged: its SHA-256") as caught:
            weights.download(SPEC, "", tmp_path)
        assert not isinstance(caught.value, WeightsUnavailable)
        hub.data = good
        assert same(from_hub(tmp_path)[0], demo_state)

    def test_a_download_cut_short(self, hub, demo_state, tmp_path, monkeypatch):
        monkeypatch.setattr("time.sleep", lambda _: None)  # between the retries
        good, hub.length = hub.data, len(hub.data)
        hub.data = good[: len(good) // 2]
        with pytest.raises(WeightsUnavailable, match="cannot be downloaded"):
            weights.download(SPEC, "", tmp_path)
        hub.data = good
        assert same(from_hub(tmp_path)[0], demo_state)

    def test_a_model_remembers_the_commit(self, hub, tmp_path, monkeypatch):
        """From ``--backbone vit-tiny`` to a model file that opens from the cache alone."""
        torch.manual_seed(1)
        tiny = build_backbone("vit-tiny").net.state_dict()
        hub.data = save({**tiny, "head.weight": torch.zeros(7, 192), "head.bias": torch.zeros(7)})
        hub.etag = hashlib.sha256(hub.data).hexdigest()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        segmenter = build_segmenter(ModelConfig(backbone="vit-tiny", head="linear")).eval()
        assert segmenter.config.backbone_revision == COMMIT
        card = ModelCard(
            classes=(ClassInfo(0, "a", "#000000"), ClassInfo(1, "b", "#ffffff")),
            model=segmenter.config,
            backbone_sha256=segmenter.backbone_sha256,
        )
        path = write_bundle(tmp_path / "m.nirlora", card, segmenter.trainable_state())
        hub.asked.clear()
        x = torch.randn(1, 1, 32, 32)
        with torch.no_grad():
            assert torch.equal(load_segmenter(path)[0](x), segmenter(x))
        assert all(COMMIT in asked for asked in hub.asked)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(WeightsUnavailable, match="needs the weights of vit-tiny") as caught:
            load_segmenter(path)
        assert "connect once to the network" in caught.value.hint
