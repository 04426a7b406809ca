"""From a model file to what runs it: torch for a ``.nirlora`` file, ONNX Runtime for an ``.onnx`` file."""

from __future__ import annotations

from collections.abc import Callable

from nirlora.errors import OptionError
from nirlora.inference.engine import Engine
from nirlora.inference.onnx_engine import OnnxEngine, OnnxModel, load_onnx
from nirlora.inference.torch_engine import TorchEngine
from nirlora.models.bundle import load_segmenter
from nirlora.models.card import ModelCard
from nirlora.models.onnx_metadata import is_onnx
from nirlora.models.segmenter import Segmenter

Network = Segmenter | OnnxModel
LoadModel = Callable[[str, str], tuple[Network, ModelCard]]


def load_model(path: str, backbone: str = "") -> tuple[Network, ModelCard]:
    """The network of a model file and its card.

    Args:
        path: A ``.nirlora`` or ``.onnx`` file.
        backbone: See :func:`~nirlora.models.bundle.load_segmenter`; exported files hold it themselves.

    Raises:
        ModelError: See :func:`~nirlora.models.bundle.load_segmenter` and
            :func:`~nirlora.inference.onnx_engine.load_onnx`.
    """
    return load_onnx(path) if is_onnx(path) else load_segmenter(path, backbone)


def make_engine(network: Network, card: ModelCard, device: str = "auto", batch: int = 0) -> Engine:
    """The engine that runs ``network``; see the engines for the arguments and errors."""
    if isinstance(network, OnnxModel):
        return OnnxEngine(network, device, batch)
    return TorchEngine(network, len(card.classes), device, batch)


def default_tile_px(card: ModelCard) -> int:
    """Side of a tile in raster pixels when nobody chose one."""
    return card.chip_px or 256


def choose_tile_px(network: Network, card: ModelCard, wanted: int) -> int:
    """Side of a tile in raster pixels; ``wanted`` 0: from the model.

    Raises:
        OptionError: An exported model has tiles of another size.
    """
    if not isinstance(network, OnnxModel):
        return wanted or default_tile_px(card)
    tile = network.info.tile_px
    if wanted not in (0, tile):
        raise OptionError(
            f"--tile-px is {wanted}, but {network.path} was exported for tiles of {tile} px.",
            hint=f"Leave --tile-px out, or export the model again with --tile-px {wanted}.",
        )
    return tile
