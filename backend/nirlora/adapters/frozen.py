"""Nothing in the backbone is trained: the reference that an adapter must beat."""

from __future__ import annotations

from nirlora.adapters.base import AdapterOptions, AdapterSpec, nothing_to_merge
from nirlora.models.backbones.base import Backbone


def apply(backbone: Backbone, options: AdapterOptions) -> None:
    """Freeze everything."""
    backbone.requires_grad_(False)


SPEC = AdapterSpec(
    name="frozen",
    apply=apply,
    merge=nothing_to_merge,
    learning_rate=0.0,
    defaults=AdapterOptions(),
    source="common practice",
    licence="",
)
