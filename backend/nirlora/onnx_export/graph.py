"""The network as an ONNX graph: what goes in and out, and the file."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nirlora.bands import InputTransform
from nirlora.models.logits import class_logits
from nirlora.models.onnx_metadata import INPUT, OUTPUT
from nirlora.models.segmenter import Segmenter

# What torch's exporter writes without converting, in the file version of that time: ONNX Runtime 1.14 and
# later read it (the newest that Deepness 0.6.5 installs is 1.17).
OPSET, IR_VERSION = 18, 8
_TALKATIVE = ("onnxscript", "onnx_ir", "torch.onnx", "torch.export")


class ExportedNetwork(nn.Module):
    """Class probabilities (N, K, H, W) of images (N, C, H, W), K >= 2.

    Our own input is clipped and free of NaN already; the graph does it again for other programs. It puts out
    probabilities, because other programs expect numbers from 0 to 1, and their logarithms are logits again.

    Args:
        model: Merged, in eval mode.
        transform: Gives the limits of standardised values.
    """

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, model: Segmenter, transform: InputTransform) -> None:
        super().__init__()
        self.model = model
        low, high = (torch.from_numpy(v) for v in transform.limits())
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("high", high, persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probabilities that sum to 1 over the classes."""
        image = torch.where(torch.isnan(image), 0.0, image)
        image = torch.clamp(image, self.low, self.high)
        return class_logits(self.model(image)).softmax(dim=1)


def write_onnx(
    model: Segmenter, transform: InputTransform, input_px: int, metadata: Mapping[str, str], path: Path
) -> None:
    """Write the network with merged weights as one file.

    Height and width are fixed: a ViT's positions and Swin's windows become constants, and Deepness opens no
    model whose size is free. Only the batch is.

    Args:
        model: Merged, in eval mode, on the CPU.
        transform: Gives the limits of standardised values.
        input_px: Height and width of the input.
        metadata: Text by key.
        path: Where to; no extension is added.

    Raises:
        OSError: It cannot be written.
    """
    network = ExportedNetwork(model, transform).eval().requires_grad_(False)
    example = torch.zeros(2, model.config.num_channels, input_px, input_px)
    with _quiet(), _plain_attention(network):
        program: Any = torch.onnx.export(
            network,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            dynamo=True,
            verbose=False,
        )
    _tidy(program.model)
    program.model.metadata_props.update(dict(sorted(metadata.items())))
    program.save(path, external_data=False)


def _tidy(model: Any) -> None:
    """Leave out what the exporter notes about its own work: stack traces with the paths of this machine."""
    model.ir_version = IR_VERSION
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in (*node.inputs, *node.outputs):
            if value is not None:
                value.metadata_props.clear()


@contextlib.contextmanager
def _plain_attention(network: nn.Module) -> Iterator[None]:
    """Attention as products and a softmax: the exporter does not know torch's fused one for all shapes."""
    fused: list[Any] = [m for m in network.modules() if getattr(m, "fused_attn", False)]
    try:
        for module in fused:
            module.fused_attn = False
        yield
    finally:
        for module in fused:
            module.fused_attn = True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its own internals."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
