"""Does this installation work: versions, a real small operation on each device, known problems and cures."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

_LOW_DISK_GB = 5.0
_PACKAGES = ("torch", "torchvision", "timm", "peft", "accelerate", "numpy", "rasterio", "pyogrio", "pyproj")


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Problem:
    """A known problem: a stable name, what it is, how to cure it."""

    name: str
    message: str
    cure: str


@dataclass(frozen=True)
class Examination:
    """What was found. ``usable``: training and segmenting can work on at least one device."""

    versions: dict[str, str]
    checks: tuple[Check, ...]
    problems: tuple[Problem, ...]
    usable: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)


def examine() -> Examination:
    """Look at versions and try each device. Takes seconds, since it imports what a job imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library's opinion is no finding
        checks = [*_device_checks(), *_onnxruntime_checks(), _raster_check(), _disk_check(), _cache_check()]
        usable = all(any(c.ok for c in checks if c.name.startswith(kind)) for kind in ("torch", "raster"))
        problems = (*_problems(), *_failed(checks))
        return Examination(versions(), tuple(checks), problems, usable and _imports("torchvision") == "")


def versions() -> dict[str, str]:
    """Versions of everything that can matter, by name; ``"not installed"`` where it is not."""
    from nirlora import __version__

    found = {"nirlora": __version__, "python": platform.python_version(), "system": platform.platform()}
    found |= {name: _version(name) for name in _PACKAGES}
    found["onnxruntime"] = _onnxruntime_version()
    if _imports("torch") == "":
        import torch

        found["CUDA"] = torch.version.cuda or "none (CPU build of torch)"
        cudnn: Any = torch.backends.cudnn
        found["cuDNN"] = str(cudnn.version() if cudnn.is_available() else "none")
    if _imports("rasterio") == "":
        import rasterio

        found["GDAL"] = rasterio.__gdal_version__
    if _imports("pyproj") == "":
        import pyproj

        found["PROJ"] = pyproj.proj_version_str
    return found


def _device_checks() -> Iterator[Check]:
    trouble = _imports("torch")
    if trouble:
        yield Check("torch cpu", False, trouble)
        return
    import torch

    names = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    for name in names:
        yield _try(f"torch {name}", partial(_compute, name))


def _compute(device: str) -> str:
    """A convolution, a matrix product and a gradient, compared with the CPU's."""
    import torch

    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, 32, 32, generator=generator)
    kernel = torch.randn(8, 3, 3, 3, generator=generator)

    def run(where: str) -> tuple[torch.Tensor, torch.Tensor]:
        weight = kernel.detach().to(where).requires_grad_()
        features = torch.nn.functional.conv2d(image.to(where), weight).flatten(2)
        product = features @ features.transpose(1, 2)
        (gradient,) = torch.autograd.grad(product.square().mean().sqrt(), weight)
        return product.detach().cpu(), gradient.cpu()

    for ours, reference in zip(run(device), run("cpu"), strict=True):
        error = float((ours - reference).abs().max() / reference.abs().max())
        if not error < 0.02:  # TF32 and half-precision convolutions stay well below
            raise ArithmeticError(f"results differ from the CPU's by {error:.1%}")
    if not device.startswith("cuda"):
        threads = f"{torch.get_num_threads()} threads" if device == "cpu" else "Apple GPU"
        return f"works, {threads}"
    properties = torch.cuda.get_device_properties(device)
    bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
    return f"works, {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {bf16}"


def _onnxruntime_checks() -> Iterator[Check]:
    trouble = _imports("onnxruntime")
    if trouble:
        yield Check("onnxruntime", False, trouble)
        return
    import onnxruntime

    if (
        hasattr(onnxruntime, "preload_dlls")
        and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    ):
        import torch

        if torch.cuda.is_available():
            onnxruntime.preload_dlls()  # finds the CUDA libraries that came with torch
    for provider in onnxruntime.get_available_providers():
        if provider == "CPUExecutionProvider" or (provider.startswith("CUDA") and _has_cuda()):
            short = provider.removesuffix("ExecutionProvider").lower()
            yield _try(f"onnxruntime {short}", partial(_run_onnx, provider))


def _run_onnx(provider: str) -> str:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it prints to stderr; the answer below says it all
    session = onnxruntime.InferenceSession(tiny_onnx_model(), options, providers=[provider])
    if provider not in session.get_providers():
        raise RuntimeError("listed, but the session fell back to the CPU: its libraries cannot be loaded")
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((4, 4)).astype(np.float32) for _ in range(2))
    (ours,) = session.run(None, {"a": a, "b": b})
    if not np.allclose(ours, a @ b, atol=0.01):
        raise ArithmeticError("results differ from numpy's")
    return "works"


def tiny_onnx_model() -> bytes:
    """A matrix product of two 4 x 4 float inputs, ``a`` and ``b``, as ONNX bytes.

    Encoded by hand (protobuf, ONNX IR version 8, operator set 13), so that no package is needed for it.
    """

    def number(field: int, value: int) -> bytes:
        return bytes([field << 3, value])

    def block(field: int, content: bytes) -> bytes:
        return bytes([field << 3 | 2, len(content)]) + content

    def tensor(name: bytes) -> bytes:
        side = block(1, number(1, 4))  # shape.dim { dim_value: 4 }
        kind = block(1, number(1, 1) + block(2, side + side))  # tensor_type { elem_type: FLOAT, shape }
        return block(1, name) + block(2, kind)

    node = block(1, b"a") + block(1, b"b") + block(2, b"c") + block(4, b"MatMul")
    graph = block(1, node) + block(2, b"check") + block(11, tensor(b"a")) + block(11, tensor(b"b"))
    graph += block(12, tensor(b"c"))
    return number(1, 8) + block(8, number(2, 13)) + block(7, graph)


def _raster_check() -> Check:
    def round_trip() -> str:
        import numpy as np
        from rasterio.crs import CRS
        from rasterio.io import MemoryFile
        from rasterio.transform import from_origin

        pixels = np.arange(64, dtype=np.uint16).reshape(1, 8, 8)
        profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 1, "dtype": "uint16"}
        place = {"crs": CRS.from_epsg(32633), "transform": from_origin(5e5, 5e6, 10, 10)}
        with MemoryFile() as memory:
            with memory.open(**profile, **place) as target:
                target.write(pixels)
            with memory.open() as source:
                if not np.array_equal(source.read(), pixels) or source.crs != place["crs"]:
                    raise ArithmeticError("a GeoTIFF does not read back as it was written")
        return "a GeoTIFF with a CRS written and read back"

    return _try("raster", round_trip)


def _disk_check() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check("disk", free >= _LOW_DISK_GB, f"{free:.0f} GB free in {Path.cwd()}")


def weights_cache() -> Path:
    """Folder in which the hub client keeps downloaded backbone weights."""
    if "HF_HUB_CACHE" in os.environ:
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("HF_HOME", str(Path.home() / ".cache" / "huggingface"))
    return Path(home) / "hub"


def _cache_check() -> Check:
    folder = weights_cache()
    models = sorted(p.name.removeprefix("models--").replace("--", "/") for p in folder.glob("models--*"))
    held = f"{len(models)} models ({', '.join(models[:6])})" if models else "empty"
    return Check("weights cache", True, f"{folder}: {held}")


def _problems() -> Iterator[Problem]:
    if _imports("torch") == "" and not _has_cuda() and shutil.which("nvidia-smi"):
        import torch

        if torch.version.cuda is None:
            message = "This machine has an NVIDIA GPU, but torch is a CPU build."
            yield Problem("cpu-torch", message, "pip install --force-reinstall torch torchvision")
        else:
            message = f"torch is built for CUDA {torch.version.cuda}, but cannot use the GPU."
            yield Problem(
                "no-cuda", message, "Update the NVIDIA driver; `nvidia-smi` shows its CUDA version."
            )
    if "not installed" not in (_version("onnxruntime"), _version("onnxruntime-gpu")):
        yield Problem(
            "two-onnxruntimes",
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files.",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
        )
    trouble = _imports("torchvision") if _imports("torch") == "" else ""
    if trouble:
        yield Problem(
            "torchvision",
            f"torchvision {_version('torchvision')} does not work with torch {_version('torch')}: {trouble}",
            "pip install --upgrade --force-reinstall torch torchvision",
        )
    if sys.version_info < (3, 10):  # noqa: UP036 - to be said, not to be assumed
        yield Problem("python", f"Python {platform.python_version()} is too old.", "Use 3.10 or newer.")


def _failed(checks: list[Check]) -> Iterator[Problem]:
    cures = {
        "disk": f"Free some space: a map and its overviews need room, {_LOW_DISK_GB:.0f} GB are a start.",
        "onnxruntime": "Only exported ONNX models need it: pip install --upgrade onnxruntime-gpu",
        "raster": "pip install --force-reinstall rasterio; unset GDAL_DATA and PROJ_LIB if set.",
    }
    for check in checks:
        kind, _, device = check.name.partition(" ")
        if not check.ok:
            cure = cures.get(kind, f"Reinstall torch, or leave this device out with --device; {device}.")
            yield Problem(check.name.replace(" ", "-"), check.detail, cure)


def _try(name: str, operation: Callable[[], str]) -> Check:
    try:
        return Check(name, True, operation())
    except Exception as error:  # noqa: BLE001 - whatever a broken driver raises is the finding
        return Check(name, False, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _imports(package: str) -> str:
    """Empty if ``package`` imports, else why not."""
    try:
        __import__(package)
    except Exception as error:  # noqa: BLE001 - broken binaries raise OSError, RuntimeError, ...
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _onnxruntime_version() -> str:
    trouble = _imports("onnxruntime")
    if trouble:
        return "not installed" if importlib.util.find_spec("onnxruntime") is None else trouble
    import onnxruntime

    providers = (p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers())
    return f"{onnxruntime.__version__} ({', '.join(providers)})"


def _has_cuda() -> bool:
    if _imports("torch"):
        return False
    import torch

    return torch.cuda.is_available()
