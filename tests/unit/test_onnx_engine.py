"""The engine of exported models: the same answers as torch's, and what it does when something is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from data.make_data import make_raster
from exported import CLASSES, make_model
from nirlora.errors import DeviceError, ModelError, OptionError
from nirlora.inference.load import choose_tile_px, load_model, make_engine
from nirlora.inference.onnx_engine import OnnxEngine, OnnxModel, load_onnx
from nirlora.models.onnx_metadata import INPUT
from nirlora.onnx_export.run import export
from nirlora.protocol import ExportRequest


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The model file and the exported file."""
    folder = tmp_path_factory.mktemp("model")
    raster = make_raster(folder / "r.tif", descriptions=("NIR",))
    model = make_model(folder / "m.nirlora", raster, zoom=2.0)
    return model, export(ExportRequest(model=str(model), tile_px=16)).onnx


@pytest.fixture
def images():
    return torch.randn(5, 1, 32, 32, generator=torch.Generator().manual_seed(1)).clamp_(-2.5, 2.5)


def differing(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.log_softmax(1) - b.log_softmax(1)).abs().max())


@pytest.mark.parametrize("batch", [1, 2, 5, 16])
def test_logits_of_any_batch_at_raster_size(files, images, batch):
    """Resized to raster pixels (zoom 2) as torch's are: only a number per pixel may differ."""
    network, card = load_model(str(files[0]))
    ours = make_engine(network, card, "cpu").predict(images, (16, 16))
    model, card = load_model(files[1])
    engine = make_engine(model, card, "cpu", batch)
    theirs = engine.predict(images, (16, 16))
    assert theirs.shape == ours.shape == (5, 3, 16, 16)
    assert differing(ours, theirs) < 1e-4
    assert (engine.num_classes, engine.device, engine.device_name) == (
        3, torch.device("cpu"), "cpu, ONNX Runtime",
    )  # fmt: skip
    assert engine.warnings == []


def test_its_input_is_left_alone(files, images):
    engine = OnnxEngine(load_onnx(files[1])[0], "cpu")
    before = images.clone()
    engine.predict(images, (32, 32))
    assert torch.equal(images, before)
    strided = images.repeat(1, 1, 1, 2)[..., ::2]
    same = engine.predict(strided, (32, 32)), engine.predict(strided.contiguous(), (32, 32))
    assert torch.equal(*same)


def test_certain_predictions_stay_finite(files, images, monkeypatch):
    """Where softmax gives 0 there is no logarithm."""
    engine = OnnxEngine(load_onnx(files[1])[0], "cpu")
    sure = np.zeros((1, 3, 32, 32), np.float32)
    sure[:, 1] = 1.0
    monkeypatch.setattr(engine, "_session", _Fixed(sure))
    logits = engine.predict(images[:1], (32, 32))
    assert torch.isfinite(logits).all()
    assert (logits.argmax(1) == 1).all()


class _Fixed:
    """A session that always answers the same."""

    def __init__(self, answer: np.ndarray) -> None:
        self.answer = answer

    def io_binding(self):
        return self

    def bind_input(self, *args):
        pass

    def bind_output(self, name, kind, index, dtype, shape, pointer):
        self.shape, self.pointer = shape, pointer

    def run_with_iobinding(self, binding):
        import ctypes

        ctypes.memmove(self.pointer, np.ascontiguousarray(self.answer).ctypes.data, self.answer.nbytes)


class _Small:
    """A session in whose memory only so many tiles fit."""

    def __init__(self, session, most: int, error: Exception) -> None:
        self.session, self.most, self.error = session, most, error
        self.seen: list[int] = []

    def __getattr__(self, name):
        return getattr(self.session, name)

    def io_binding(self):
        outer, binding = self, self.session.io_binding()

        class Counting:
            def __getattr__(self, name):
                return getattr(binding, name)

            def bind_input(self, name, kind, index, dtype, shape, pointer):
                assert name == INPUT
                outer.seen.append(shape[0])
                binding.bind_input(name, kind, index, dtype, shape, pointer)

        self.binding = binding
        return Counting()

    def run_with_iobinding(self, _):
        if self.seen[-1] > self.most:
            raise self.error
        self.session.run_with_iobinding(self.binding)


NO_MEMORY = [
    RuntimeException(
        "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 9"
    ),
    RuntimeException("CUDA failure 2: out of memory"),
    RuntimeException("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"),
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda e: type(e).__name__)
def test_out_of_memory_halves_the_batch_for_good(files, images, error):
    engine = OnnxEngine(load_onnx(files[1])[0], "cpu", batch=4)
    expected = engine.predict(images, (32, 32))
    engine._session = small = _Small(engine._session, 1, error)
    torch.testing.assert_close(engine.predict(images, (32, 32)), expected)
    assert small.seen == [4, 2, 1, 1, 1, 1, 1]
    assert engine.batch == 1
    assert "ran out of memory with 4 tiles at once; went on with 2" in engine.warnings[0]
    small.most = 0
    with pytest.raises(DeviceError, match="One tile does not fit"):
        engine.predict(images, (32, 32))


def test_other_errors_are_passed_on(files, images):
    engine = OnnxEngine(load_onnx(files[1])[0], "cpu", batch=4)
    engine._session = _Small(engine._session, 1, RuntimeException("Non-zero status code: broken"))
    with pytest.raises(RuntimeException, match="broken"):
        engine.predict(images, (32, 32))


@pytest.mark.parametrize(
    ("device", "wanted"),
    [("cuda", ["CUDA"]), ("tensorrt", ["Tensorrt", "CUDA"]), ("tensorrt:1", ["Tensorrt", "CUDA"])],
)
@pytest.mark.parametrize("has_them", [True, False])
def test_what_onnxruntime_lacks_is_said_and_the_cpu_works(
    files, images, monkeypatch, device, wanted, has_them
):
    """A torch that finds a GPU, beside an ONNX Runtime that has no provider for it, or cannot load it."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a working GPU")
    asked = []
    found = torch.device(device.replace("tensorrt", "cuda") + ("" if ":" in device else ":0"))
    monkeypatch.setattr("nirlora.inference.onnx_engine.resolve_device", lambda n: asked.append(n) or found)
    names = [f"{name}ExecutionProvider" for name in ("Tensorrt", "CUDA")] if has_them else []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*names, "CPUExecutionProvider"])
    monkeypatch.setattr(OnnxModel, "session", cpu_session)
    model, _ = load_onnx(files[1])
    engine = OnnxEngine(model, device)
    assert asked == [device.replace("tensorrt", "cuda")]
    assert engine.device == torch.device("cpu")
    assert engine.batch == 1
    assert [w.split(":")[0] for w in engine.warnings] == [f"ONNX Runtime could not use {n}" for n in wanted]
    assert ("could not be loaded" in engine.warnings[0]) == has_them
    assert engine.predict(images, (32, 32)).device == torch.device("cpu")


def cpu_session(model: OnnxModel, device: torch.device, wanted: list[str]) -> onnxruntime.InferenceSession:
    """What ONNX Runtime gives when none of ``wanted`` can be loaded."""
    return onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])


def test_a_device_that_is_none(files):
    with pytest.raises(OptionError, match="There is no device 'gpu'"):
        OnnxEngine(load_onnx(files[1])[0], "gpu")


def test_sessions_are_kept(files):
    model, _ = load_onnx(files[1])
    assert OnnxEngine(model, "cpu")._session is OnnxEngine(model, "cpu", batch=3)._session


def test_tiles_of_another_size_are_refused(files):
    model, card = load_model(files[1])
    assert choose_tile_px(model, card, 0) == choose_tile_px(model, card, 16) == 16
    with pytest.raises(OptionError, match="exported for tiles of 16 px"):
        choose_tile_px(model, card, 32)


def test_a_graph_that_does_not_fit_its_card_is_refused(files):
    model, _ = load_onnx(files[1])
    wrong = OnnxModel(model.path, replace(model.info, input_px=64), 1, len(CLASSES))
    with pytest.raises(ModelError, match="its graph has"):
        OnnxEngine(wrong, "cpu")


def test_a_damaged_graph_is_an_error_in_words(files, tmp_path):
    """The metadata lie behind the graph and are whole."""
    with open(files[1], "rb") as file:  # noqa: PTH123
        data = bytearray(file.read())
    data[200:600] = bytes(400)
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="cannot run"):
        OnnxEngine(load_onnx(path)[0], "cpu")


def test_without_onnxruntime(files, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="need the package onnxruntime"):
        load_onnx(files[1])
