"""The cost of a training step, counted without computing it, against the same step computed."""

from __future__ import annotations

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from nirlora.models.config import ModelConfig
from nirlora.models.logits import class_logits, to_raster
from nirlora.models.segmenter import build_segmenter
from nirlora.training.cost import step_cost
from nirlora.training.losses import segmentation_loss

CASES = {
    "lora, detail": {"backbone": "vit-demo"},
    "full, linear": {"backbone": "vit-demo", "adapter": "full", "head": "linear"},
    "frozen, detail": {"backbone": "vit-demo", "adapter": "frozen"},
    "binary, aspp, tokens of 16 px": {"backbone": "vit-tiny", "head": "aspp", "num_classes": 1},
    "windows": {"backbone": "swin-tiny"},
}
INPUT_PX, CHIP_PX, BATCH = 96, 48, 2


def config(name):
    return ModelConfig(
        **{"num_channels": 1, "channel_roles": ("nir",), "num_classes": 3, "pretrained": False} | CASES[name]
    )


@pytest.mark.parametrize("case", CASES)
def test_operations_and_kept_bytes_are_those_of_a_real_step(case):
    cost = step_cost(config(case), BATCH, INPUT_PX, CHIP_PX, 1.0)
    model = build_segmenter(config(case)).train()
    weights = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # alive: no address is given away twice
        return tensor

    x, y = torch.randn(BATCH, 1, INPUT_PX, INPUT_PX), torch.zeros(BATCH, CHIP_PX, CHIP_PX, dtype=torch.uint8)
    with FlopCounterMode(display=False) as forward, saved_tensors_hooks(keep, lambda t: t):
        loss = segmentation_loss(to_raster(class_logits(model(x)), (CHIP_PX, CHIP_PX)), y, 1.0)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    assert cost.forward_flops == forward.get_total_flops()
    # fused attention on a CPU computes its matrix again in the backward pass
    assert cost.backward_flops == pytest.approx(backward.get_total_flops(), rel=0.1)
    assert cost.saved_bytes == pytest.approx(sum(s.nbytes() for s in kept.values()), rel=0.07)


def test_a_frozen_backbone_costs_less_than_lora_and_lora_less_than_all():
    frozen, lora, full = (
        step_cost(ModelConfig(backbone="vit-base", adapter=adapter, pretrained=False), 1, 224, 224, 1.0)
        for adapter in ("frozen", "lora", "full")
    )
    assert frozen.backward_flops < lora.backward_flops < full.backward_flops
    assert frozen.saved_bytes < lora.saved_bytes < full.saved_bytes


def test_a_large_network_is_counted_without_its_memory():
    """ViT-L in chips of 384 px: 1.5 T operations forward (2 per weight and token, and attention)."""
    cost = step_cost(ModelConfig(backbone="vit-large", head="linear", pretrained=False), 4, 384, 192, 1.0)
    tokens = 4 * 24 * 24
    attention = 24 * 4 * 24**4 * 1024 * 4
    assert cost.forward_flops == pytest.approx(2 * 302_309_376 * tokens + attention, rel=0.02)
