"""In which precision a training computes."""

from __future__ import annotations

import pytest
import torch

from nirlora.inference.devices import has_bf16_units
from nirlora.training.accelerator import describe_computing, make_accelerator

CPU = torch.device("cpu")


@pytest.mark.parametrize("unit", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_bf16_units_trains_in_bf16_on_float32_weights(monkeypatch, unit):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {unit: True, "avx2": True}, raising=False)
    accelerator = make_accelerator(CPU)
    layer = torch.nn.Linear(4, 4)
    with accelerator.autocast():
        assert layer(torch.zeros(1, 4)).dtype == torch.bfloat16
    assert layer.weight.dtype == torch.float32
    assert describe_computing(CPU) == "cpu, bf16"


def test_a_processor_without_computes_in_float32(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    with make_accelerator(CPU).autocast():
        assert torch.nn.Linear(4, 4)(torch.zeros(1, 4)).dtype == torch.float32
    assert describe_computing(CPU) == "cpu, float32"


def test_an_older_torch_that_cannot_tell_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bf16_units(CPU)


def test_other_devices_are_left_in_float32():
    assert not has_bf16_units(torch.device("meta"))
