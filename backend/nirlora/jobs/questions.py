"""What is asked of the worker beside jobs, and answered while one runs: plans, model facts, backbones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nirlora.protocol import AdaptRequest, TrainRequest, from_dict


def answer(name: str, argument: Any) -> dict[str, Any]:
    """The answer to a question.

    Raises:
        NirLoraError: What is asked about cannot be used.
        KeyError: There is no such question; a fault of the program.
    """
    return _ANSWERS[name](argument)


def _plan(argument: Any) -> dict[str, Any]:
    from nirlora.api import plan

    return plan(from_dict(TrainRequest, argument, where="request"))


def _plan_adaptation(argument: Any) -> dict[str, Any]:
    from nirlora.api import plan_adaptation

    return plan_adaptation(from_dict(AdaptRequest, argument, where="request"))


def _describe(argument: Any) -> dict[str, Any]:
    from nirlora.info import describe

    return describe(argument)


def _backbones(argument: Any) -> dict[str, Any]:
    from nirlora.models.backbones import BACKBONES
    from nirlora.models.weights import is_cached

    listed = [
        {
            "name": spec.name,
            "description": f"{spec.family}, {spec.dim} features per {spec.stride} px; {spec.source}",
            "licence": spec.licence,
            "pretrained": spec.pretrained,
            "cached": spec.pretrained and is_cached(spec),
        }
        for spec in BACKBONES
    ]
    return {"backbones": listed}


_ANSWERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "plan": _plan,
    "plan-adaptation": _plan_adaptation,
    "describe": _describe,
    "backbones": _backbones,
}
