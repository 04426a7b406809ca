"""A method's own options: typed fields with limits, read from text (a command line) or JSON (a file)."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any, Literal

from nirlora.adapters.base import AdapterOptions, AdapterSpec, O
from nirlora.errors import OptionError
from nirlora.protocol.codec import as_text

_COMMON = {field.name for field in dataclasses.fields(AdapterOptions)}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def within(default: Any, low: float, high: float) -> Any:
    """A dataclass field that is a number, or a tuple of numbers, from ``low`` to ``high``.

    The limits are those that no sensible model meets, so that a hostile file cannot ask for all the memory.
    """
    return dataclasses.field(default=default, metadata={"limits": (low, high)})


def own_options(options: AdapterOptions) -> dict[str, Any]:
    """The method's own options of ``options`` as plain JSON values, defaults included."""
    values = {f.name: getattr(options, f.name) for f in _fields(options)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def read_options(spec: AdapterSpec[O], common: AdapterOptions, values: Mapping[str, Any]) -> O:
    """The options of ``spec`` from what the user gave.

    Args:
        spec: The method.
        common: Rank, alpha and blocks.
        values: The method's own options by name, each as text (``"8,16"``, ``"true"``) or as its JSON value;
            what is left out has the method's default.

    Raises:
        OptionError: The method has no such option, or the value is of another kind or out of its range.
    """
    fields = {field.name: field for field in _fields(spec.defaults)}
    hints = typing.get_type_hints(type(spec.defaults))
    read: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            raise OptionError(f"Adapter {spec.name} has no option {name!r}.", hint=_known(spec))
        where = f"option {name} of adapter {spec.name}"
        read[name] = _typed(hints[name], value, where)
        _check_limits(read[name], fields[name].metadata.get("limits"), where)
    return dataclasses.replace(
        spec.defaults, rank=common.rank, alpha=common.alpha, blocks=common.blocks, **read
    )


def _fields(options: AdapterOptions) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(options) if field.name not in _COMMON]


def _known(spec: AdapterSpec[O]) -> str:
    own = own_options(spec.defaults)
    if not own:
        return "It has no options of its own; rank, alpha and blocks are options of the command."
    return "Its options, with their defaults: " + ", ".join(f"{k}={as_text(v)}" for k, v in own.items()) + "."


def _typed(hint: Any, value: Any, where: str) -> Any:
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise _refusal(where, value, f"one of {', '.join(choices)}")
    if typing.get_origin(hint) is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or not parts:
            raise _refusal(where, value, "whole numbers with commas between")
        return tuple(_typed(typing.get_args(hint)[0], part, where) for part in parts)
    if hint is bool:
        word = str(value).lower()
        if word in _WORDS and isinstance(value, (bool, str)):
            return _WORDS[word]
        raise _refusal(where, value, "true or false")
    return _number(hint, value, where)


def _number(hint: type[int] | type[float], value: Any, where: str) -> int | float:
    kind = "a whole number" if hint is int else "a number"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _refusal(where, value, kind)
    try:
        number = float(value)
    except ValueError:
        raise _refusal(where, value, kind) from None
    if not math.isfinite(number) or (hint is int and number != int(number)):
        raise _refusal(where, value, kind)
    return hint(number)


def _check_limits(value: Any, limits: tuple[float, float] | None, where: str) -> None:
    if limits is None:
        return
    many = isinstance(value, tuple)
    if many and len(value) > 16:
        raise _refusal(where, as_text(value), "16 numbers at most")
    for number in value if many else (value,):
        if not limits[0] <= number <= limits[1]:
            raise _refusal(where, number, f"{limits[0]:g} to {limits[1]:g}")


def _refusal(where: str, value: Any, expected: str) -> OptionError:
    return OptionError(
        f"The {where} is {value!r}, expected {expected}.", hint="Leave it out for the default."
    )
