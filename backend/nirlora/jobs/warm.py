"""The model of the last job, kept in memory (and on its device) for the next one."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path

import torch

from nirlora.inference.load import LoadModel, Network, load_model
from nirlora.models.card import ModelCard, read_card

_log = logging.getLogger(__name__)
_Key = tuple[str, int, int, str, str]


class WarmModel:
    """Keeps one model, as long as its file stays the same."""

    def __init__(self) -> None:
        self._key: _Key | None = None
        self._model: tuple[Network, ModelCard] | None = None

    def loader(self, say: Callable[[str], None]) -> LoadModel:
        """What :func:`nirlora.segment` loads models with; ``say`` is told when nothing had to be loaded."""

        def load(path: str, backbone: str) -> tuple[Network, ModelCard]:
            key = _key(path, backbone)
            if self._model is None or key != self._key:
                self.forget()
                self._model = load_model(path, backbone)
                self._key = key
            else:
                _log.info("the model %s was still loaded", path)
                say("the model is still loaded")
            return self._model

        return load

    def forget(self) -> None:
        """Free the memory, the device's too."""
        if self._model is not None:
            self._key = self._model = None
            gc.collect()  # takes a quarter of a second
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _key(path: str, backbone: str) -> _Key:
    """What makes a model file this one; the hash is that of the weights, from the card."""
    found = Path(path).stat() if Path(path).is_file() else None
    sha256 = read_card(path).weights_sha256
    changed, size = (found.st_mtime_ns, found.st_size) if found else (0, 0)
    return str(Path(path).resolve()), changed, size, sha256, backbone
