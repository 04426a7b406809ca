"""The head table. A new head is one file with a spec, listed here."""

from __future__ import annotations

from torch import nn

from nirlora.errors import OptionError
from nirlora.models.heads import aspp, detail, linear, uper
from nirlora.models.heads.base import HeadOptions, HeadSpec

HEADS: tuple[HeadSpec, ...] = (linear.SPEC, aspp.SPEC, detail.SPEC, uper.SPEC)

_BY_NAME = {spec.name: spec for spec in HEADS}
if len(_BY_NAME) != len(HEADS):
    raise RuntimeError("two heads have the same name")


def head_spec(name: str) -> HeadSpec:
    """The spec of ``name``.

    Raises:
        OptionError: No head has that name.
    """
    if name not in _BY_NAME:
        raise OptionError(f"There is no head {name!r}.", hint=f"Known are {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def build_head(name: str, options: HeadOptions) -> nn.Module:
    """The head ``name`` with random weights.

    Raises:
        OptionError: No head has that name.
    """
    return head_spec(name).build(options)


__all__ = ["HEADS", "HeadOptions", "HeadSpec", "build_head", "head_spec"]
