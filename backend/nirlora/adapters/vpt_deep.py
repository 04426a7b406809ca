"""VPT-deep: every block has prompts of its own, whose outputs are dropped behind it.

On Swin they join the tokens of every window: in each block as keys and values alone, for what a prompt itself
attends to is dropped with its output.
"""

from __future__ import annotations

from nirlora.adapters.base import VIT_AND_SWIN, AdapterSpec, blocks_of, nothing_to_merge
from nirlora.adapters.prompts import PromptedBlock, Prompts, prefix_of
from nirlora.adapters.vpt_shallow import VPTOptions
from nirlora.adapters.windows import PromptedSwinBlock
from nirlora.models.backbones.base import Backbone, width_of


def apply(backbone: Backbone, options: VPTOptions) -> None:
    """Give every chosen block its prompts."""
    for name, block in blocks_of(backbone, options.blocks):
        patch = backbone.patch_conv.kernel_size[0]
        tokens = Prompts(options.prompts, width_of(block), patch, options.dropout)
        if backbone.spec.family == "swin":
            backbone.set_submodule(name, PromptedSwinBlock(block, prompts=tokens))
        else:
            prompted = PromptedBlock(block, prefix_of(backbone), options.prompts, prompts=tokens, leave=True)
            backbone.set_submodule(name, prompted)


SPEC = AdapterSpec(
    name="vpt-deep",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=3.2e-3,
    defaults=VPTOptions(),
    source="Jia et al. 2022, Visual prompt tuning, arXiv:2203.12119; start and defaults of its code, "
    "KMnP/vpt",
    licence="",
    inferred="the map is read from the patch tokens; on Swin the prompts have no relative position bias and "
    "are seen from every window, and every block of every stage has its own",
    families=VIT_AND_SWIN,
    identity=False,
    merges=False,
)
