"""Where backbone weights come from: a file, a folder, the program itself, or the hub.

The backbone table was written without access to the hub, so its specs name the branch ``main`` and no commit.
The commit that the hub resolves on first use is written into the model card, and from then on exactly that
one is asked for; the hash of the tensors in the card holds in any case.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub import errors as hub_errors
from safetensors import SafetensorError
from safetensors.torch import load_file

from nirlora.errors import ModelError, WeightsUnavailable
from nirlora.models.backbone_card import BackboneCard, is_backbone_file, read_backbone_card
from nirlora.models.backbone_file import read_backbone
from nirlora.models.backbones import BACKBONES, Backbone, backbone_spec
from nirlora.models.backbones.base import RGB, BackboneSpec
from nirlora.models.packaged import packaged_file

_HUB_FILE = "model.safetensors"
_WRAPPERS = ("model", "state_dict", "model_ema", "teacher")
_HEADS = ("head.", "head_dist.", "fc.", "fc_norm.")


@dataclass(frozen=True)
class LoadedWeights:
    """What was loaded: hash of the tensors in the file, and the hub's commit (empty for files).

    The hash is of the tensors as published, before they are renamed or resized: resizing involves
    floating-point solvers whose last bits differ between machines.
    """

    sha256: str
    revision: str


@dataclass(frozen=True)
class BackboneInput:
    """What a backbone expects: roles of its channels, mean and std of each in unit values.

    ``card`` is that of an adapted backbone, None for published weights.
    """

    roles: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    card: BackboneCard | None = None

    @property
    def adapted_roles(self) -> tuple[str, ...]:
        """Roles of an adapted backbone, as a model's config has them; empty for published weights."""
        return self.card.roles if self.card else ()

    @property
    def history(self) -> tuple[dict[str, Any], ...]:
        """What an adapted backbone has seen since it was published, oldest first."""
        return self.card.history if self.card else ()

    def unseen(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Those of ``roles`` that an adapted backbone has not been adapted to."""
        return tuple(r for r in roles if self.card and r not in self.card.roles)


def backbone_input(name: str, source: str = "") -> BackboneInput:
    """What the weights of backbone ``name`` at ``source`` expect, without loading them.

    Raises:
        OptionError: There is no such backbone.
        WeightsUnavailable: There is no such ``.nirlora-backbone`` file.
        ModelError: It is damaged.
    """
    spec = backbone_spec(name)
    source = source or packaged_file(name)
    if not is_backbone_file(source):
        return BackboneInput(RGB, spec.mean, spec.std)
    if not Path(source).exists():
        raise WeightsUnavailable(f"There is no file {source}.", hint="Say where it is with --backbone PATH.")
    card = read_backbone_card(source)
    return BackboneInput(card.roles, card.mean, card.std, card)


def resolve_backbone(text: str) -> tuple[str, str]:
    """(name, path) of what the user wrote after ``--backbone``: a name, a path, or ``name=path``.

    Of a name whose weights came with the program, their path.

    Raises:
        OptionError: No such name.
        WeightsUnavailable: No such path.
        ModelError: A path whose architecture nothing tells.
    """
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return backbone_spec(name).name + name[len(name.split(":")[0]) :], path
    if name.split(":")[0] in {s.name for s in BACKBONES}:
        return name, packaged_file(name)
    if not Path(text).exists():
        if not re.search(r"[/\\.]", text):
            backbone_spec(text)  # raises with the list of names
        raise WeightsUnavailable(
            f"There is no file or folder {text}.", hint="Check the path after --backbone."
        )
    return _architecture(Path(text)), text


def state_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of the tensors in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_backbone_weights(backbone: Backbone, source: str = "", revision: str = "") -> LoadedWeights:
    """Fill ``backbone`` with pretrained weights.

    Args:
        backbone: Freshly built, 3 channels.
        source: File or folder; empty: those that came with the program, else the hub.
        revision: Commit on the hub; empty: the spec's.

    Raises:
        WeightsUnavailable: Nothing there, nothing cached, no network.
        ModelError: The file is damaged or of another architecture.
    """
    spec, commit = backbone.spec, ""
    source = source or packaged_file(spec.name)
    if is_backbone_file(source):
        return _load_adapted(backbone, Path(source))
    if source:
        path = _weights_file(Path(source), spec)
    else:
        path = download(spec, revision)
        commit = _commit_of(path)
    state = read_state(path)
    sha256 = state_sha256(state)
    try:
        state = backbone.translate(state)
    except (KeyError, RuntimeError, AttributeError, ValueError, IndexError) as error:
        raise _not_this(path, spec, f"it lacks {error}") from error
    _load_strictly(backbone, state, path)
    return LoadedWeights(sha256, commit)


def _load_adapted(backbone: Backbone, path: Path) -> LoadedWeights:
    """Weights, channels and normalisation of a ``.nirlora-backbone`` file."""
    card, state = read_backbone(path)
    backbone.set_channels(card.roles)
    backbone.mean, backbone.std = card.mean, card.std
    _load_strictly(backbone, state, path)
    return LoadedWeights(state_sha256(state), "")


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file, or of a torch file read without executing anything in it.

    Raises:
        ModelError: The file is damaged, or holds more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _damaged(path, str(error)) from error
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":
            raise
        raise _damaged(path, "it holds more than tensors, or is no torch file") from error
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict):
        raise _damaged(path, f"it holds a {type(loaded).__name__}, expected named tensors")
    return {str(k): v for k, v in loaded.items() if isinstance(v, torch.Tensor)}


def download(spec: BackboneSpec, revision: str = "", cache: Path | None = None) -> Path:
    """The weights of ``spec`` from the hub or its cache, where ``HF_ENDPOINT`` and ``HF_HOME`` say.

    Raises:
        WeightsUnavailable: Not on the hub, or neither reachable nor cached.
    """
    if not spec.hub:
        raise WeightsUnavailable(
            f"The weights of {spec.name} are not on the hub ({spec.source}).",
            hint=f"Give their folder with --backbone {spec.name}=FOLDER, or start from random weights with "
            "--no-pretrained.",
        )
    wanted = revision or spec.revision
    cached = huggingface_hub.try_to_load_from_cache(spec.hub, _HUB_FILE, cache_dir=cache, revision=wanted)
    path = Path(cached) if isinstance(cached, str) else _fetch(spec, wanted, cache)
    _check_download(path, spec)
    return path


def is_cached(spec: BackboneSpec) -> bool:
    """Whether the weights are on this machine: they came with the program, or were downloaded before."""
    if not spec.hub:
        return bool(packaged_file(spec.name))
    found = huggingface_hub.try_to_load_from_cache(spec.hub, _HUB_FILE, revision=spec.revision)
    return isinstance(found, str)


def _fetch(spec: BackboneSpec, revision: str, cache: Path | None) -> Path:
    endpoint = os.environ.get("HF_ENDPOINT") or None
    # httpx errors under huggingface_hub 1, requests errors (an OSError) before
    http_error: type[Exception] = getattr(hub_errors, "HTTPError", OSError)
    try:
        url = huggingface_hub.hf_hub_url(spec.hub, _HUB_FILE, revision=revision, endpoint=endpoint)
        huggingface_hub.get_hf_file_metadata(url)  # fails at once where the download would retry for long
        return Path(
            huggingface_hub.hf_hub_download(
                spec.hub, _HUB_FILE, revision=revision, cache_dir=cache, endpoint=endpoint
            )
        )
    except (http_error, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsUnavailable(
            f"The weights of {spec.name} ({spec.hub}) are not cached and cannot be downloaded: {reason}",
            hint="Connect once to the network, or give a file or folder with "
            f"--backbone {spec.name}=PATH, or start from random weights with --no-pretrained.",
        ) from error


def _check_download(path: Path, spec: BackboneSpec) -> None:
    blob = path.resolve()
    if not re.fullmatch("[0-9a-f]{64}", blob.name):
        return  # caches without links do not keep the hash
    digest = hashlib.sha256()
    with blob.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    got = digest.hexdigest()
    if got != blob.name:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise ModelError(
            f"The download of {spec.hub} is damaged: its SHA-256 is {got}, expected {blob.name}.",
            hint="The damaged file was removed; run the command again.",
        )


def _commit_of(path: Path) -> str:
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else ""


def _weights_file(path: Path, spec: BackboneSpec) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        for name in (
            ("encoder.pt",) if spec.family == "galileo" else ("model.safetensors", "pytorch_model.bin")
        ):
            if (path / name).is_file():
                return path / name
        found = sorted(path.glob("*.safetensors")) + sorted(path.glob("*.pth"))
        if len(found) == 1:
            return found[0]
    raise WeightsUnavailable(
        f"There are no weights of {spec.name} at {path}.",
        hint=f"Say where they are with --backbone {spec.name}=PATH.",
    )


def _architecture(path: Path) -> str:
    if is_backbone_file(path):
        name = read_backbone_card(path).backbone
        if name.split(":")[0] not in {s.name for s in BACKBONES}:
            raise ModelError(
                f"{path} is a {name!r}, which this program does not know.", hint="Update nirlora."
            )
        return name
    folder = path if path.is_dir() else path.parent
    if (folder / "encoder.pt").is_file() and (path.is_dir() or path.name == "encoder.pt"):
        return "galileo-nano"
    candidates = [folder / "config.json"]
    if not path.is_dir():
        candidates.insert(0, path.with_suffix(".json"))
    for config in candidates:
        if config.is_file():
            return _named_in(config)
    raise ModelError(
        f"Nothing says which architecture {path} is.",
        hint=f"Write --backbone NAME={path} with NAME one of {', '.join(s.name for s in BACKBONES)}.",
    )


def _named_in(config: Path) -> str:
    """The backbone a JSON names: ``{"nirlora": NAME}``, or timm's ``architecture`` and ``pretrained_cfg``."""
    try:
        data: Any = json.loads(config.read_text())
    except ValueError as error:
        raise ModelError(f"{config} is not JSON: {error}.") from error
    data = data if isinstance(data, dict) else {}
    details = data.get("pretrained_cfg")
    tag = details.get("tag", "") if isinstance(details, dict) else ""
    architecture = str(data.get("architecture", "")).partition(".")[0]
    for spec in BACKBONES:
        if spec.name == data.get("nirlora") or (tag and spec.timm_name == f"{architecture}.{tag}"):
            return spec.name
    for spec in BACKBONES:
        if architecture and spec.timm_name.partition(".")[0] == architecture:
            return spec.name
    raise ModelError(
        f"{config} names no architecture of this program, got {architecture!r}.",
        hint=f"Write --backbone NAME=PATH with NAME one of {', '.join(s.name for s in BACKBONES)}.",
    )


def _load_strictly(backbone: Backbone, state: dict[str, torch.Tensor], path: Path) -> None:
    own = backbone.net.state_dict()
    state = {k: v for k, v in state.items() if k in own or not k.startswith(_HEADS)}
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or extra:
        what = f"it lacks {missing[0]}" if missing else f"it has {extra[0]} too"
        raise _not_this(path, backbone.spec, what)
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            what = f"{name} is {tuple(tensor.shape)}, expected {tuple(own[name].shape)}"
            raise _not_this(path, backbone.spec, what)
    backbone.net.load_state_dict(state)


def _not_this(path: Path, spec: BackboneSpec, what: str) -> ModelError:
    return ModelError(
        f"{path} does not hold the weights of {spec.name}: {what}.",
        hint="Name its architecture with --backbone NAME=PATH.",
    )


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} cannot be read: {reason}.", hint="Copy or download the file again.")
