"""Frozen dataclasses to and from plain JSON values, strictly: unknown fields and wrong types are refused."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Dict, Type, TypeVar

T = TypeVar("T")


class ProtocolError(ValueError):
    """A JSON object does not have the fields or types of the dataclass it should become."""


def to_dict(obj: Any) -> Dict[str, Any]:
    """Return ``obj`` (a dataclass instance) as JSON-ready dicts, lists and scalars."""
    return {f.name: _plain(getattr(obj, f.name)) for f in dataclasses.fields(obj)}


def from_dict(cls: Type[T], data: Any, where: str = "") -> T:
    """Build dataclass ``cls`` from a JSON object.

    Raises:
        ProtocolError: A field is unknown, missing or of the wrong type; the message names it.
    """
    name = where or cls.__name__
    if not isinstance(data, dict):
        raise ProtocolError(f"{name}: expected an object, got {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise ProtocolError(f"{name}: unknown field {unknown[0]!r}; known are {', '.join(fields)}")
    values = {key: _typed(hints[key], value, f"{name}.{key}") for key, value in data.items()}
    for key, field in fields.items():
        has_default = (
            field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        )
        if key not in values and not has_default:
            raise ProtocolError(f"{name}: field {key!r} is missing")
    return cls(**values)


def as_text(value: Any) -> str:
    """A plain value as it is written behind ``name=`` on a command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(as_text(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


def _typed(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        if value is None and type(None) in args:
            return None
        inner = [a for a in args if a is not type(None)]
        return _typed(inner[0], value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ProtocolError(f"{where}: expected a list, got {type(value).__name__}")
        return tuple(_typed(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ProtocolError(f"{where}: expected an object, got {type(value).__name__}")
        return {str(k): _typed(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ProtocolError(f"{where}: expected {hint.__name__}, got {type(value).__name__} {value!r}")
    return value
