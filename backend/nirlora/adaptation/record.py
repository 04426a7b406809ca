"""What an adapted backbone's card tells of the run that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from nirlora.adaptation.setup import Setup
from nirlora.models.backbone_card import BackboneCard
from nirlora.models.backbones import Backbone
from nirlora.models.weights import LoadedWeights
from nirlora.protocol import to_dict
from nirlora.training.checkpoint import RunState
from nirlora.versions import versions


def count_parameters(backbone: Backbone) -> dict[str, int]:
    """``trainable`` parameters, and ``total`` ones of the plain network."""
    trainable = sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    total = sum(p.numel() for n, p in backbone.named_parameters() if "lora_" not in n)
    return {"trainable": trainable, "total": total}


def ends_of(history: Sequence[Mapping[str, float | int | None]]) -> dict[str, dict[str, float]]:
    """Mean losses over the first and over the last tenth of a history."""
    if not history:
        return {}
    count = -(-len(history) // 10)
    names = [name for name in history[0] if name not in ("step", "lr", "seconds")]

    def means(entries: Sequence[Mapping[str, float | int | None]]) -> dict[str, float]:
        return {name: sum(float(e[name] or 0.0) for e in entries) / len(entries) for name in names}

    return {"first": means(history[:count]), "last": means(history[-count:])}


def make_card(
    setup: Setup,
    loaded: LoadedWeights,
    state: RunState,
    counts: dict[str, int],
    seconds: float,
    device: str,
    stopped: str,
) -> BackboneCard:
    """Card of the result; ``history`` goes on from the backbone that the run started with."""
    request, transform = setup.request, setup.data.transform
    start = setup.source or ("hub" if setup.pretrained else "random weights")
    record: dict[str, Any] = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "start": {
            "backbone": setup.backbone,
            "source": start,
            "sha256": loaded.sha256,
            "revision": loaded.revision,
        },
        "objective": request.objective,
        "unfreeze": setup.options.unfreeze,
        "rank": setup.options.rank,
        "alpha": setup.options.alpha,
        "patch_embedding": "trained" if setup.options.patch_embedding else "frozen",
        "channels": list(transform.names),
        "rasters": [coverage.facts for coverage in setup.data.coverage],
        "steps": state.step,
        "chips": state.step * request.batch * request.accumulate,
        "losses": ends_of(state.history),
        "parameters": counts,
        "seconds": round(seconds, 1),
        "device": device,
        "stopped": stopped,
        "request": to_dict(request),
        "warnings": [*setup.warnings, *state.warnings],
    }
    earlier = setup.known.card.history if setup.known.card else ()
    return BackboneCard(
        backbone=setup.backbone,
        roles=transform.roles,
        mean=tuple(c.mean for c in transform.channels),
        std=tuple(c.std for c in transform.channels),
        transform=transform.to_dict(),
        zoom=setup.recipe.zoom,
        chip_px=setup.recipe.chip_px,
        history=(*earlier, record),
        versions=versions(),
    )
