"""VPT-shallow: prompts that enter before the first block and stay with the tokens to the last."""

from __future__ import annotations

from dataclasses import dataclass

from nirlora.adapters.base import VIT, AdapterOptions, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.options import within
from nirlora.adapters.prompts import PromptedBlock, Prompts, prefix_of
from nirlora.models.backbones.base import Backbone, width_of


@dataclass(frozen=True)
class VPTOptions(AdapterOptions):
    """Options of VPT.

    Attributes:
        prompts: Learnt tokens P; with ``vpt-deep`` as many in every block.
        dropout: Of the prompts, in training.
    """

    prompts: int = within(10, 1, 1024)
    dropout: float = within(0.0, 0, 0.9)


def apply(backbone: Backbone, options: VPTOptions) -> None:
    """Let prompts enter before the first chosen block and leave behind the last."""
    blocks = blocks_of(backbone, options.blocks)
    tokens = Prompts(options.prompts, width_of(blocks[0][1]), backbone.patch, options.dropout)
    for index, (name, block) in enumerate(blocks):
        prompted = PromptedBlock(
            block,
            prefix_of(backbone),
            options.prompts,
            prompts=tokens if index == 0 else None,
            leave=index == len(blocks) - 1,
        )
        backbone.set_submodule(name, prompted)


SPEC = AdapterSpec(
    name="vpt-shallow",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=VPTOptions(),
    source="Jia et al. 2022, Visual prompt tuning, arXiv:2203.12119; start and defaults of its code, "
    "KMnP/vpt",
    licence="",
    inferred="the map is read from the patch tokens, where the paper reads classes from the class token; "
    "with blocks last:N the prompts enter before the first of these",
    families=VIT,
    identity=False,
    merges=False,
)
