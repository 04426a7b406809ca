"""Fields of a request as parameters of an algorithm: name, type and default come from the request itself.

A field ``rank`` is the parameter ``RANK``, as it is ``--rank`` on the command line.
"""

from __future__ import annotations

import typing
from dataclasses import MISSING, dataclass, fields
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type

from qgis.core import (
    NULL,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from nir_lora_plugin.translation import translate


@dataclass(frozen=True)
class Option:
    """One plain field of a request.

    ``label`` names the unit, ``help`` says the rest; ``choices`` are values as the request has them;
    ``range`` is (least, most) of a number, None for no bound. What is not ``basic`` is an advanced parameter.
    """

    field: str
    label: str
    help: str = ""
    choices: Tuple[str, ...] = ()
    range: Tuple[Optional[float], Optional[float]] = (0, None)
    basic: bool = False

    @property
    def name(self) -> str:
        """Name of the parameter."""
        return self.field.upper()


def definition(option: Option, request: Type[Any]) -> QgsProcessingParameterDefinition:
    """The parameter of ``option`` of the request dataclass ``request``."""
    kind, default = _kind_and_default(option, request)
    if option.choices:
        made = QgsProcessingParameterEnum(
            option.name, option.label, list(option.choices), False, default, False, True
        )
    elif kind is bool:
        made = QgsProcessingParameterBoolean(option.name, option.label, default)
    elif kind in (int, float, Optional[float]):
        made = _number(option, kind, default)
    else:
        text = ",".join(str(part) for part in default) if isinstance(default, tuple) else default
        made = QgsProcessingParameterString(option.name, option.label, text, False, True)
    one_of = (
        translate("Processing", "One of: {}.").format(", ".join(option.choices)) if option.choices else ""
    )
    made.setHelp(" ".join(filter(None, (option.help, one_of))))
    if not option.basic:
        made.setFlags(made.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return made


def values(
    algorithm: QgsProcessingAlgorithm,
    options: Sequence[Option],
    request: Type[Any],
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
) -> Dict[str, Any]:
    """Field -> what the user set, in the type that the request wants.

    Raises:
        QgsProcessingException: A list of numbers is none.
    """
    return {option.field: _value(algorithm, option, request, parameters, context) for option in options}


def _value(
    algorithm: QgsProcessingAlgorithm,
    option: Option,
    request: Type[Any],
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
) -> Any:
    kind, _ = _kind_and_default(option, request)
    place = (parameters, option.name, context)
    if option.choices:
        return algorithm.parameterAsEnumString(*place)
    if kind is bool:
        return algorithm.parameterAsBoolean(*place)
    if kind is int:
        return algorithm.parameterAsInt(*place)
    if kind is float:
        return algorithm.parameterAsDouble(*place)
    if kind == Optional[float]:
        given = parameters.get(option.name)
        return None if given is None or given == NULL else algorithm.parameterAsDouble(*place)
    text = algorithm.parameterAsString(*place).strip()
    if kind == Dict[str, Any]:
        return _paired(option, text)
    return text if kind is str else _listed(option, text, whole_numbers=kind == Tuple[int, ...])


def _kind_and_default(option: Option, request: Type[Any]) -> Tuple[Any, Any]:
    (default,) = (field.default for field in fields(request) if field.name == option.field)  # a dict has none
    return typing.get_type_hints(request)[option.field], "" if default is MISSING else default


def _number(option: Option, kind: Any, default: Any) -> QgsProcessingParameterNumber:
    types = QgsProcessingParameterNumber.Type
    least, most = option.range
    made = QgsProcessingParameterNumber(
        option.name, option.label, types.Integer if kind is int else types.Double, default, default is None
    )
    if least is not None:
        made.setMinimum(least)
    if most is not None:
        made.setMaximum(most)
    return made


def _listed(option: Option, text: str, whole_numbers: bool) -> Tuple[Any, ...]:
    parts: List[str] = [part.strip() for part in text.split(",") if part.strip()]
    if not whole_numbers:
        return tuple(parts)
    try:
        return tuple(int(part) for part in parts)
    except ValueError:
        raise QgsProcessingException(
            f"{option.name}: expected whole numbers with commas between, got {text!r}."
        ) from None


def _paired(option: Option, text: str) -> Dict[str, str]:
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    pairs = {name.strip(): value.strip() for name, equals, value in parts if equals and name.strip()}
    if len(pairs) < len(parts):
        raise QgsProcessingException(
            f"{option.name}: expected NAME=VALUE, each name once, with semicolons between, got {text!r}."
        )
    return pairs
