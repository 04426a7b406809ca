"""Gated prompt tuning (IVPT): prompts that flow through all blocks, each block's changes let in by a gate.

After block l the prompts are ``g_l * after + (1 - g_l) * before`` with a learnt gate ``g_l``, almost closed
at the start; the attention logits of every block are divided by a learnt temperature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nirlora.adapters.base import VIT, AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.options import within
from nirlora.adapters.parts import AdapterPart
from nirlora.adapters.prompts import PromptedBlock, Prompts, prefix_of
from nirlora.models.backbones.base import Backbone, width_of


@dataclass(frozen=True)
class IVPTOptions(AdapterOptions):
    """Options of gated prompt tuning.

    Attributes:
        prompts: Learnt tokens P.
        gate_start: Gates start at sigmoid(-gate_start); 5 in the code's example, 10 in its configuration.
        temperature: Whether attention temperatures are learnt too.
        dropout: Of the prompts, in training.
    """

    prompts: int = within(100, 1, 1024)
    gate_start: float = within(5.0, -50, 50)
    temperature: bool = True
    dropout: float = within(0.1, 0, 0.9)


class Gate(AdapterPart):
    """How much of what a block made of the prompts is let in."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(-start))

    def forward(self, after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Mixture of prompts (N, P, d) after and before a block."""
        share = self.logit.sigmoid()
        return share * after + (1 - share) * before


class Temperature(AdapterPart):
    """Queries over a learnt temperature in 0.01..10: the same as attention logits over it."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(()))

    def forward(self, queries: torch.Tensor) -> torch.Tensor:
        """(N, heads, L, d / heads) to the same."""
        return queries / self.value.clamp(0.01, 10.0)


def apply(backbone: Backbone, options: IVPTOptions) -> None:
    """Let gated prompts flow through the chosen blocks."""
    blocks = blocks_of(backbone, options.blocks)
    tokens = Prompts(options.prompts, width_of(blocks[0][1]), backbone.patch, options.dropout)
    for index, (name, block) in enumerate(blocks):
        last = index == len(blocks) - 1
        if options.temperature:
            attention = block.get_submodule("attn")
            attention.q_norm = nn.Sequential(attention.get_submodule("q_norm"), Temperature())
        prompted = PromptedBlock(
            block,
            prefix_of(backbone),
            options.prompts,
            prompts=tokens if index == 0 else None,
            gate=None if last else Gate(options.gate_start),
            leave=last,
        )
        backbone.set_submodule(name, prompted)


SPEC = AdapterSpec(
    name="ivpt",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=IVPTOptions(),
    source="Yoo et al. 2023, Improving visual prompt tuning for self-supervised vision transformers, "
    "arXiv:2306.05067; defaults of its code, ryongithub/GatedPromptTuning",
    licence="",
    inferred="the temperature is clamped where it is used, where the code clamps it after each step; the map "
    "is read from the patch tokens",
    families=VIT,
    identity=False,
    merges=False,
)
