"""LayerNorm tuning: weight and bias of every LayerNorm are trained."""

from __future__ import annotations

import re

from peft import LNTuningConfig, inject_adapter_in_model
from peft.tuners.ln_tuning.layer import LNTuningLayer
from torch import nn

from nirlora.adapters.base import AdapterOptions, AdapterSpec, blocks_of
from nirlora.models.backbones.base import Backbone


def apply(backbone: Backbone, options: AdapterOptions) -> None:
    """Let peft train a copy of each LayerNorm: all of the network, or those of the last N blocks."""
    inside = tuple(f"{name}." for name, _ in blocks_of(backbone, options.blocks))
    # by full names: a suffix like "norm" would match identities too
    norms = [
        name
        for name, module in backbone.named_modules()
        if isinstance(module, nn.LayerNorm) and (options.blocks == "all" or name.startswith(inside))
    ]
    config = LNTuningConfig(target_modules="|".join(re.escape(name) for name in norms))
    inject_adapter_in_model(config, backbone)


def merge(backbone: Backbone) -> None:
    """Put the trained LayerNorms in the place of the pretrained ones."""
    for name, layer in list(backbone.named_modules()):
        if isinstance(layer, LNTuningLayer):
            layer.merge()
            backbone.set_submodule(name, layer.get_base_layer().requires_grad_(False))


SPEC = AdapterSpec(
    name="layernorm",
    apply=apply,
    merge=merge,
    learning_rate=3.2e-3,
    defaults=AdapterOptions(),
    source="Zhao et al. 2023, Tuning LayerNorm in attention, arXiv:2312.11420; library peft",
    licence="apache-2.0",
)
