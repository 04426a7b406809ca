"""The engine that runs an exported model with ONNX Runtime."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nirlora.errors import ModelError
from nirlora.inference.devices import describe_device, resolve_device
from nirlora.inference.halving import HalvingEngine
from nirlora.inference.torch_engine import BATCH
from nirlora.models.card import ModelCard, read_card
from nirlora.models.logits import to_raster
from nirlora.models.onnx_metadata import INPUT, OUTPUT, OnnxInfo, read_onnx

TENSORRT = "tensorrt"
FLOOR = 1e-30  # of probabilities: softmax underflows to 0, which has no logarithm

_PROVIDERS = {TENSORRT: "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider"}
_CPU = "CPUExecutionProvider"
_QUIET = 4  # fatal messages only: ONNX Runtime prints to stderr, and what matters is said in ``warnings``


class OnnxModel:
    """An exported model file. Its sessions are opened when first asked for, one for each device, and kept.

    Attributes:
        path: The file.
        info: Size of its tiles.
        num_channels: C of the input.
        num_classes: K of the output, at least 2.
    """

    def __init__(self, path: str | Path, info: OnnxInfo, num_channels: int, num_classes: int) -> None:
        self.path = Path(path)
        self.info = info
        self.num_channels = num_channels
        self.num_classes = num_classes
        self._sessions: dict[tuple[str, ...], Any] = {}

    @property
    def patch(self) -> int:
        """H and W of the input, the only size that fits."""
        return self.info.input_px

    def session(self, device: torch.device, wanted: list[str]) -> Any:
        """A session with those of the providers that work, the CPU's last.

        Args:
            device: Gives the number of the GPU.
            wanted: Names of providers, best first.

        Raises:
            ModelError: ONNX Runtime cannot run the file.
        """
        key = (str(device), *wanted)
        if key not in self._sessions:
            self._sessions[key] = self._open(device, wanted)
        return self._sessions[key]

    def _open(self, device: torch.device, wanted: list[str]) -> Any:
        runtime = _runtime()
        if wanted:
            runtime.preload_dlls()  # finds the CUDA libraries that came with torch
        options = runtime.SessionOptions()
        options.log_severity_level = _QUIET
        if device.type == "cpu":
            options.intra_op_num_threads = torch.get_num_threads()
            # As torch's threads here: waiting by spinning slows down all else on the machine.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [(name, self._settings(name, device)) for name in wanted]
        try:
            session = runtime.InferenceSession(str(self.path), options, providers=[*providers, _CPU])
        except _runtime_errors() as error:
            raise ModelError(
                f"ONNX Runtime {runtime.__version__} cannot run {self.path}: {str(error).splitlines()[0]}.",
                hint="Export the model again, or update onnxruntime.",
            ) from error
        self._check(session)
        return session

    def _settings(self, provider: str, device: torch.device) -> dict[str, str]:
        settings = {"device_id": str(device.index or 0)}
        if provider == _PROVIDERS[TENSORRT]:  # else it builds anew for every size of a batch
            for name, count in (("min", 1), ("opt", BATCH["cuda"]), ("max", BATCH["cuda"])):
                shape = f"{INPUT}:{count}x{self.num_channels}x{self.patch}x{self.patch}"
                settings[f"trt_profile_{name}_shapes"] = shape
        return settings

    def _check(self, session: Any) -> None:
        """The graph has the shapes that the card speaks of."""
        inputs, outputs = session.get_inputs(), session.get_outputs()
        got = {value.name: list(value.shape[1:]) for value in (*inputs, *outputs)}
        side = self.patch
        expected = {INPUT: [self.num_channels, side, side], OUTPUT: [self.num_classes, side, side]}
        if got != expected:
            raise ModelError(
                f"{self.path} is refused: its graph has {got}, its model card asks for {expected}.",
                hint="Export the model again.",
            )


class OnnxEngine(HalvingEngine):
    """An exported model on a device, in float32.

    Whatever ONNX Runtime lacks is passed over, the CPU being last, and ``warnings`` says so.

    Args:
        model: From :func:`load_onnx`.
        device: As for torch, or ``tensorrt`` or ``tensorrt:N``: TensorRT on that GPU. ``mps`` gives the CPU.
        batch: Tiles per call; 0: chosen from the device.

    Raises:
        DeviceError: The device asked for does not work.
        ModelError: ONNX Runtime cannot run the file.
    """

    def __init__(self, model: OnnxModel, device: str = "auto", batch: int = 0) -> None:
        self.warnings: list[str] = []
        self.num_classes = model.num_classes
        self.device = resolve_device(device.replace(TENSORRT, "cuda", 1))
        providers = self._providers(device)
        self._session = model.session(self.device, providers)
        active = set(self._session.get_providers())
        for missing in (name for name in providers if name not in active):
            self._miss(missing, "it is there, but its libraries could not be loaded")
        if self.device.type != "cpu" and not active & set(providers):
            self.device = torch.device("cpu")
        used = "" if self.device.type == "cpu" else f", {self._session.get_providers()[0]}"
        self.device_name = f"{describe_device(self.device)}, ONNX Runtime{used}"
        self.batch = batch or BATCH[self.device.type]
        self.memory_errors = (RuntimeError, MemoryError, *_runtime_errors())

    def _providers(self, device: str) -> list[str]:
        """Those wanted that this ONNX Runtime has at all."""
        wanted = [_PROVIDERS["cuda"]] if self.device.type == "cuda" else []
        if device.startswith(TENSORRT):
            wanted.insert(0, _PROVIDERS[TENSORRT])
        if self.device.type == "mps":
            self.warnings.append("Exported models run on the CPU here: there is no engine for Metal.")
            self.device = torch.device("cpu")
        available = _runtime().get_available_providers()
        for missing in (name for name in wanted if name not in available):
            self._miss(missing, "this onnxruntime has none")
        return [name for name in wanted if name in available]

    def _miss(self, provider: str, reason: str) -> None:
        name = provider.removesuffix("ExecutionProvider")
        self.warnings.append(f"ONNX Runtime could not use {name}: {reason}. It went on with what it has.")

    def _forward(self, x: torch.Tensor, out_px: tuple[int, int]) -> torch.Tensor:
        x = x.to(self.device).contiguous()
        out = torch.empty(len(x), self.num_classes, *x.shape[-2:], device=self.device)
        place = self.device.type, self.device.index or 0, np.float32
        binding = self._session.io_binding()  # reads and writes torch's own memory, nothing is copied
        binding.bind_input(INPUT, *place, tuple(x.shape), x.data_ptr())
        binding.bind_output(OUTPUT, *place, tuple(out.shape), out.data_ptr())
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()  # ONNX Runtime has a stream of its own
        self._session.run_with_iobinding(binding)
        # Up to a number per pixel, the same for all classes, these are the logits: blending and resizing are
        # linear and keep it so, and neither softmax nor the winner changes by it.
        return to_raster(out.clamp_(min=FLOOR).log_(), out_px)


def load_onnx(path: str | Path) -> tuple[OnnxModel, ModelCard]:
    """An exported model and its card; the graph itself is read when an engine is made.

    Raises:
        ModelError: It is damaged, of a newer version, or of another program; or onnxruntime is missing.
    """
    card = read_card(path)
    _, info = read_onnx(path)
    _runtime()
    return OnnxModel(path, info, card.model.num_channels, max(card.model.num_classes, 2)), card


def _runtime() -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        raise ModelError(
            "Exported models need the package onnxruntime, which is not installed.",
            hint="Install it with pip install onnxruntime, or use the .nirlora file.",
        )
    import onnxruntime

    return onnxruntime


def _runtime_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's errors have no common class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(v for v in vars(state).values() if isinstance(v, type) and issubclass(v, Exception))
