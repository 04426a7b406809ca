"""LoRA on the query and value projections of every block, k untouched.

timm computes q, k and v with one Linear(d, 3d). LoRA on that fused layer would have the same number of
parameters but change k as well and share A between the three; so the layer is first split into three,
exactly, and peft adapts two of them by their full names. Merging puts one plain Linear(d, 3d) back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from nirlora.adapters.base import AdapterOptions, AdapterSpec, chosen_blocks
from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone


class SplitQKV(nn.Module):
    """Three Linears in place of a fused ``qkv``; returns the same (..., 3d)."""

    q: nn.Module
    k: nn.Module
    v: nn.Module

    def __init__(self, qkv: nn.Linear) -> None:
        super().__init__()
        inputs, outputs = qkv.in_features, qkv.out_features // 3
        for i, name in enumerate("qkv"):
            rows = slice(i * outputs, (i + 1) * outputs)
            part = nn.Linear(inputs, outputs, bias=qkv.bias is not None, device="meta")
            part.weight = nn.Parameter(qkv.weight.detach()[rows].clone())
            if qkv.bias is not None:
                part.bias = nn.Parameter(qkv.bias.detach()[rows].clone())
            self.add_module(name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., d) to (..., 3d): q, k, v."""
        return torch.cat([self.q(x), self.k(x), self.v(x)], dim=-1)

    @torch.no_grad()
    def fuse(self) -> nn.Linear:
        """One plain Linear with the updates of q and v folded in."""
        parts = [_merged(part) for part in (self.q, self.k, self.v)]
        first = parts[0]
        fused = nn.Linear(
            first.in_features, 3 * first.out_features, bias=first.bias is not None, device=first.weight.device
        )
        fused.weight.copy_(torch.cat([p.weight for p in parts]))
        if first.bias is not None:
            fused.bias.copy_(torch.cat([p.bias for p in parts]))
        return fused.requires_grad_(False)


def _merged(part: nn.Module) -> nn.Linear:
    if isinstance(part, LoraLayer):
        part.merge(safe_merge=True)
        part = part.get_base_layer()
    return cast(nn.Linear, part)


def apply(backbone: Backbone, options: AdapterOptions) -> None:
    """Split the chosen blocks' qkv and let peft adapt q and v.

    Raises:
        OptionError: The rank is below 1, or ``blocks`` does not fit.
    """
    if options.rank < 1:
        raise OptionError(f"LoRA needs a rank of at least 1, got {options.rank}.")
    attentions = [attention for _, attention in backbone.attentions()]
    chosen = [attentions[index] for index in chosen_blocks(options.blocks, len(attentions))]
    inject(backbone, chosen, options.rank, options.alpha)


def inject(network: nn.Module, attentions: Sequence[nn.Module], rank: int, alpha: float = 0.0) -> None:
    """Adapt q and v of some attentions inside ``network``; every other parameter of it gets frozen.

    Args:
        network: What the attentions are part of.
        attentions: Modules with a fused ``qkv``.
        rank: Rank of the update.
        alpha: The update is scaled by alpha / rank; 0: equal to rank.
    """
    for attention in attentions:
        attention.qkv = SplitQKV(cast(nn.Linear, attention.qkv))
        # Eva keeps the bias outside of its qkv: adding it afterwards is the path that calls qkv as a module
        if getattr(attention, "q_bias", None) is not None:
            attention.__dict__["qkv_bias_separate"] = True
    names = [n for n, m in network.named_modules() if isinstance(m, SplitQKV)]
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha or rank,
        lora_dropout=0.0,
        bias="none",
        target_modules=rf"({'|'.join(re.escape(n) for n in names)})\.(q|v)",
    )
    inject_adapter_in_model(config, network)


def merge(network: nn.Module) -> None:
    """Put fused layers back, with the updates folded in."""
    for attention in list(network.modules()):
        split = getattr(attention, "qkv", None)
        if isinstance(split, SplitQKV):
            attention.qkv = split.fuse()


SPEC = AdapterSpec(
    name="lora",
    apply=apply,
    merge=merge,
    learning_rate=8e-4,
    defaults=AdapterOptions(rank=4),
    source="Hu et al. 2021, LoRA, arXiv:2106.09685; q and v as in LoRA-NIR, arXiv:2405.17901; library peft",
    licence="apache-2.0",
    inferred="alpha equals rank: the paper's code calls its LoRA layer without a scale",
)
