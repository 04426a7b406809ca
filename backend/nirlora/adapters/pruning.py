"""Pruning of E2VPT's prompts: which tokens, and which segments of them, the loss can do without.

The importance of a token or segment is the size of the loss's derivative by its mask, summed over the
batches (Han et al. 2023, E2VPT, arXiv:2307.13770). After pruning, the paper trains again from the start with
the masks as they are ("rewinding").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from nirlora.adapters.e2vpt import MaskedPrompts
from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone


def prune_prompts(
    backbone: Backbone, losses: Iterable[Callable[[], torch.Tensor]], *, tokens: float, segments: float
) -> dict[str, int]:
    """Set the masks of the least important prompt tokens, and then segments, to zero.

    Args:
        backbone: With the adapter ``e2vpt``, trained.
        losses: Each call gives the loss of one batch.
        tokens: Share of all prompt tokens of the network to remove, 0 to below 1.
        segments: Share of the segments of the remaining tokens to remove.

    Returns:
        ``tokens`` and ``segments``: how many are left.

    Raises:
        OptionError: A share is out of its range, or there is nothing to prune.
    """
    prompts = [m for m in backbone.modules() if isinstance(m, MaskedPrompts)]
    if not prompts:
        raise OptionError("There are no prompts to prune.", hint="Only the adapter e2vpt has masks.")
    for share in (tokens, segments):
        if not 0 <= share < 1:
            raise OptionError(f"The share to prune is {share}, expected 0 to below 1.")
    masks = [m.token_mask for m in prompts] + [m.segment_mask for m in prompts]
    by_mask = _importance(masks, losses)
    count = len(prompts)
    _zero_least([m.token_mask for m in prompts], by_mask[:count], tokens)
    for module in prompts:
        module.segment_mask *= module.token_mask[:, None]
    _zero_least([m.segment_mask for m in prompts], by_mask[count:], segments)
    return {
        "tokens": int(sum(m.token_mask.sum() for m in prompts)),
        "segments": int(sum(m.segment_mask.sum() for m in prompts)),
    }


def _importance(
    masks: list[torch.Tensor], losses: Iterable[Callable[[], torch.Tensor]]
) -> list[torch.Tensor]:
    totals = [torch.zeros_like(mask) for mask in masks]
    try:
        for mask in masks:
            mask.requires_grad_(True)
        for loss in losses:
            for total, gradient in zip(totals, torch.autograd.grad(loss(), masks), strict=True):
                total += gradient.abs()
    finally:
        for mask in masks:
            mask.requires_grad_(False)
    return totals


def _zero_least(masks: list[torch.Tensor], importance: list[torch.Tensor], share: float) -> None:
    """Set ``share`` of what is left of all masks together to zero, the least important first."""
    flat = torch.cat([m.flatten() for m in masks])
    scores = torch.cat([i.flatten() for i in importance]).masked_fill(flat == 0, float("inf"))
    drop = scores.argsort()[: int(share * int(flat.sum()))]
    flat[drop] = 0.0
    for mask, part in zip(masks, torch.split(flat, [m.numel() for m in masks]), strict=True):
        mask.copy_(part.view_as(mask))
