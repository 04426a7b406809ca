"""Every weight of the backbone is trained: the reference with the most freedom and the largest files."""

from __future__ import annotations

from nirlora.adapters.base import AdapterOptions, AdapterSpec, nothing_to_merge
from nirlora.models.backbones.base import Backbone


def apply(backbone: Backbone, options: AdapterOptions) -> None:
    """Thaw everything."""
    backbone.requires_grad_(True)


SPEC = AdapterSpec(
    name="full",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=2e-4,
    defaults=AdapterOptions(),
    source="common practice",
    licence="",
)
