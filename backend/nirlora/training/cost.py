"""What one training step costs, counted on a network that has neither weights nor memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from nirlora.models.config import ModelConfig
from nirlora.models.logits import class_logits, to_raster
from nirlora.models.segmenter import build_segmenter
from nirlora.training.losses import segmentation_loss


@dataclass(frozen=True)
class StepCost:
    """Floating-point operations of one batch forward and backward, and bytes kept from one for the other."""

    forward_flops: float
    backward_flops: float
    saved_bytes: float


def step_cost(config: ModelConfig, batch: int, input_px: int, chip_px: int, dice_weight: float) -> StepCost:
    """Run a step on the meta device, where tensors have shapes and nothing else.

    Args:
        config: The network.
        batch: Chips.
        input_px, chip_px: Sides of a chip in model and in raster pixels.
        dice_weight: Of the loss.

    Raises:
        OptionError: The network cannot be built.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm and peft warn of their own internals
        model = build_segmenter(replace(config, pretrained=False)).train()
        x = torch.empty(batch, config.num_channels, input_px, input_px)
        y = torch.empty(batch, chip_px, chip_px, dtype=torch.uint8)

        def loss() -> Tensor:
            logits = to_raster(class_logits(model(x)), (chip_px, chip_px))
            return segmentation_loss(logits, y, dice_weight)

        return count_step(model, loss)


def count_step(network: nn.Module, loss: Callable[[], Tensor]) -> StepCost:
    """The cost of ``loss`` forward and backward.

    Args:
        network: All on the meta device.
        loss: Runs the network and gives what is trained on.
    """
    saved = _Saved({t.untyped_storage()._cdata for t in (*network.parameters(), *network.buffers())})
    with FlopCounterMode(display=False) as forward, _FusedAttention(saved), saved.hooks():
        value = loss()
    with FlopCounterMode(display=False) as backward:
        value.backward()  # type: ignore[no-untyped-call]
    return StepCost(forward.get_total_flops(), backward.get_total_flops(), saved.bytes)


class _Saved:
    """Bytes that autograd keeps, each storage once; weights are counted elsewhere."""

    def __init__(self, known: set[int]) -> None:
        self._known = known
        self._kept: list[Any] = []  # alive, so that no address is used twice
        self.bytes = 0

    def add(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self._kept.append(storage)
            self.bytes += storage.nbytes()
        return tensor

    def hooks(self) -> saved_tensors_hooks:
        return saved_tensors_hooks(self.add, _same)


class _FusedAttention(TorchFunctionMode):
    """Attention as devices compute it, without keeping the (tokens, tokens) matrix, which meta does."""

    def __init__(self, saved: _Saved) -> None:
        super().__init__()
        self._saved = saved

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is not scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        with saved_tensors_hooks(_same, _same):
            out = func(*args, **(kwargs or {}))
        if out.requires_grad:
            for tensor in (*args[:3], out):
                self._saved.add(tensor)
        return out


def _same(tensor: Tensor) -> Tensor:
    return tensor
