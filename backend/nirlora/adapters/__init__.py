"""The adapter table. A new method is one file with a spec, listed here."""

from __future__ import annotations

from nirlora.adapters import frozen, full, lora
from nirlora.adapters.base import AdapterOptions, AdapterSpec
from nirlora.errors import OptionError

ADAPTERS: tuple[AdapterSpec, ...] = (lora.SPEC, frozen.SPEC, full.SPEC)

_BY_NAME = {spec.name: spec for spec in ADAPTERS}
if len(_BY_NAME) != len(ADAPTERS):
    raise RuntimeError("two adapters have the same name")


def adapter_spec(name: str) -> AdapterSpec:
    """The spec of ``name``.

    Raises:
        OptionError: No adapter has that name.
    """
    if name not in _BY_NAME:
        raise OptionError(f"There is no adapter {name!r}.", hint=f"Known are {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


__all__ = ["ADAPTERS", "AdapterOptions", "AdapterSpec", "adapter_spec"]
