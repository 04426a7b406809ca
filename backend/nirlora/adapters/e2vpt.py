"""E2VPT: deep prompts, and keys and values of their own in every attention, with masks to prune by.

The keys and values join behind the projection, split into heads; queries stay as they are, so no token is
added for them. The masks are ones until :mod:`nirlora.adapters.pruning` sets the least important to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nirlora.adapters.attention import PromptedAttention
from nirlora.adapters.base import (
    VIT_AND_SWIN,
    AdapterOptions,
    AdapterSpec,
    blocks_of,
    nothing_to_merge,
)
from nirlora.adapters.options import within
from nirlora.adapters.parts import AdapterPart
from nirlora.adapters.prompts import PromptedBlock, Prompts, prefix_of
from nirlora.adapters.windows import PromptedSwinBlock
from nirlora.models.backbones.base import Backbone, width_of

SEGMENTS = 16  # of a prompt token, each with a mask of its own


@dataclass(frozen=True)
class E2VPTOptions(AdapterOptions):
    """Options of E2VPT.

    Attributes:
        prompts: Learnt tokens in every block.
        kv_prompts: Learnt keys and values in every head of every block; 0: none.
        share_kv: Whether keys and values are the same numbers.
        dropout: Of prompts and keys and values, in training.
    """

    prompts: int = within(10, 1, 1024)
    kv_prompts: int = within(5, 0, 1024)
    share_kv: bool = True
    dropout: float = within(0.1, 0, 0.9)


class MaskedPrompts(Prompts):
    """Prompts with a mask for each token and one for each of its sixteen segments."""

    token_mask: torch.Tensor
    segment_mask: torch.Tensor

    def __init__(self, count: int, dim: int, patch: int, dropout: float) -> None:
        super().__init__(count, dim, patch, dropout)
        self.register_buffer("token_mask", torch.ones(count))
        self.register_buffer("segment_mask", torch.ones(count, SEGMENTS))

    def shown(self) -> torch.Tensor:
        """(P, d), masked."""
        dim = self.tokens.shape[1]
        segment = torch.arange(dim, device=self.tokens.device) * SEGMENTS // dim
        mask = self.token_mask[:, None] * self.segment_mask[:, segment]
        return self.tokens * mask


class KeyValuePrompts(AdapterPart):
    """Keys and values (N, heads, n, d / heads) that every image and window attends to."""

    def __init__(self, heads: int, count: int, width: int, options: E2VPTOptions) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.empty(heads, count, width))
        self.values = None if options.share_kv else nn.Parameter(torch.empty(heads, count, width))
        for tensor in (self.keys, self.values):
            if tensor is not None:
                nn.init.kaiming_uniform_(tensor)
        self.drop = nn.Dropout(options.dropout)

    def forward(self, images: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values, dropped out for each of the N images by itself."""
        keys = self.drop(self.keys.expand(images, -1, -1, -1))
        return keys, keys if self.values is None else self.drop(self.values.expand(images, -1, -1, -1))


def apply(backbone: Backbone, options: E2VPTOptions) -> None:
    """Give every chosen block its prompts, and its attention keys and values."""
    for name, block in blocks_of(backbone, options.blocks):
        dim, patch = width_of(block), backbone.patch_conv.kernel_size[0]
        tokens = MaskedPrompts(options.prompts, dim, patch, options.dropout)
        attention = block.get_submodule("attn")
        heads = int(attention.num_heads)  # type: ignore[arg-type]
        extra = (
            KeyValuePrompts(heads, options.kv_prompts, dim // heads, options) if options.kv_prompts else None
        )
        if backbone.spec.family == "swin":
            backbone.set_submodule(name, PromptedSwinBlock(block, prompts=tokens, key_values=extra))
            continue
        prompted = PromptedBlock(block, prefix_of(backbone), options.prompts, prompts=tokens, leave=True)
        if extra is not None:
            block.attn = PromptedAttention(attention, extra)
        backbone.set_submodule(name, prompted)


SPEC = AdapterSpec(
    name="e2vpt",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=8e-4,
    defaults=E2VPTOptions(),
    source="Han et al. 2023, E2VPT, arXiv:2307.13770; numbers of its command for RESISC45, ChengHan111/E2VPT",
    licence="",
    inferred="keys and values that are shared are dropped out alike, and in Swin all "
    "windows of a batch alike; the masks are of each block by itself, set once, of segments of neighbouring "
    "channels; the map is read from the patch tokens; "
    "importance is summed as in the paper's description",
    families=VIT_AND_SWIN,
    identity=False,
    merges=False,
)
