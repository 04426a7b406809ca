"""What a plan of the backend says, in a few words."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List

from nir_lora_plugin.translation import translate

from . import text

_tr = partial(translate, "Estimate")


def estimate(plan: Dict[str, Any]) -> List[str]:
    """Time, device, memory and backbone of a training or an adaptation, as far as the plan has them."""
    parts = [_tr("Takes {}").format(text.about(float(plan.get("estimated_seconds") or 0)))]
    if plan.get("device"):
        parts.append(_tr("on {}").format(text.device(str(plan["device"]))))
    facts = [" ".join(parts)]
    if plan.get("estimated_memory_mb"):
        facts.append(_tr("{} of memory").format(text.size(float(plan["estimated_memory_mb"]) * 2**20)))
    if plan.get("backbone"):
        facts.append(str(plan["backbone"]))
    return facts
