"""The adapter table. A new method is one file with a spec, listed here."""

from __future__ import annotations

from typing import Any

from nirlora.adapters import (
    adapter,
    adaptformer,
    bitfit,
    convpass,
    e2vpt,
    frozen,
    full,
    ivpt,
    layernorm,
    lora,
    lorand,
    mufa,
    vpt_deep,
    vpt_shallow,
)
from nirlora.adapters.base import AdapterOptions, AdapterSpec, AnyAdapter
from nirlora.adapters.options import own_options, read_options
from nirlora.adapters.parts import AdapterPart
from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone

ADAPTERS: tuple[AnyAdapter, ...] = (
    lora.SPEC,
    frozen.SPEC,
    full.SPEC,
    layernorm.SPEC,
    bitfit.SPEC,
    adapter.SPEC,
    adaptformer.SPEC,
    convpass.SPEC,
    lorand.SPEC,
    vpt_shallow.SPEC,
    vpt_deep.SPEC,
    ivpt.SPEC,
    e2vpt.SPEC,
    mufa.SPEC,
)

_BY_NAME = {spec.name: spec for spec in ADAPTERS}
if len(_BY_NAME) != len(ADAPTERS):
    raise RuntimeError("two adapters have the same name")


def adapter_spec(name: str) -> AnyAdapter:
    """The spec of ``name``.

    Raises:
        OptionError: No adapter has that name.
    """
    if name not in _BY_NAME:
        raise OptionError(f"There is no adapter {name!r}.", hint=f"Known are {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def add_adapter(name: str, backbone: Backbone, options: Any) -> None:
    """Freeze ``backbone`` and add the adapter ``name`` to it, in place.

    Args:
        name: Of the adapter.
        backbone: Pretrained weights loaded.
        options: Of that adapter's own class, see :func:`read_options`.

    Raises:
        OptionError: The adapter does not exist, or does not fit this backbone.
    """
    spec = adapter_spec(name)
    if backbone.spec.family not in spec.families:
        others = [other.name for other in ADAPTERS if backbone.spec.family in other.families]
        raise OptionError(
            f"Adapter {name} does not fit {backbone.spec.name}: it is made for {', '.join(spec.families)}, "
            f"not for {backbone.spec.family}.",
            hint=f"Adapters that fit are {', '.join(others)}.",
        )
    backbone.requires_grad_(False)
    spec.apply(backbone, options)


__all__ = [
    "ADAPTERS",
    "AdapterOptions",
    "AdapterPart",
    "AdapterSpec",
    "adapter_spec",
    "add_adapter",
    "own_options",
    "read_options",
]
