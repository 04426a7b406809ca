"""What is compared: adapters by name, with options, and the groups that stand for several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nirlora.adapters import ADAPTERS, AdapterOptions, adapter_spec, read_options
from nirlora.adapters.base import AnyAdapter
from nirlora.errors import OptionError

ALL, ABLATION = "all", "mufa-ablation"
# The two axes of MuFA's ablation: how it is connected, and one, two or three scales.
_ABLATION = tuple(
    f"mufa:placement={placement},rates={rates}"
    for placement in ("serial", "parallel")
    for rates in ("8", "8,16", "8,16,32")
)
_COMMON = ("rank", "alpha", "blocks")


@dataclass(frozen=True)
class Variant:
    """One row of a comparison.

    Attributes:
        label: As the user wrote it; names the row.
        adapter: Name of the adapter.
        common: Rank, alpha and blocks.
        options: The adapter's own, as text.
    """

    label: str
    adapter: str
    common: AdapterOptions
    options: dict[str, str]


def choose(words: Sequence[str], family: str) -> tuple[tuple[Variant, ...], tuple[str, ...]]:
    """The variants that ``words`` ask for, and a sentence for each adapter of ``all`` that does not fit.

    Args:
        words: Names, names with options (``mufa:rates=8,16,placement=serial``), ``all``, ``mufa-ablation``.
        family: Of the backbone.

    Raises:
        OptionError: An adapter or option does not exist, does not fit the backbone, or is named twice.
    """
    chosen: list[Variant] = []
    notes: list[str] = []
    for word in words:
        if word == ALL:
            for spec in ADAPTERS:
                if family in spec.families:
                    chosen.append(variant(spec.name))
                else:
                    notes.append(f"{spec.name} was left out: it does not fit {family} backbones.")
        else:
            texts = _ABLATION if word == ABLATION else (word,)
            chosen += [_fitting(variant(text), family) for text in texts]
    labels = [v.label for v in chosen]
    for label in labels:
        if labels.count(label) > 1:
            raise OptionError(f"{label} is asked for twice.", hint="Name every adapter once with --adapters.")
    if not chosen:
        raise OptionError("There is nothing to compare.", hint=f"Give --adapters {ALL}, or names.")
    return tuple(chosen), tuple(notes)


def variant(text: str) -> Variant:
    """Read ``name`` or ``name:option=value,option=value``; values may hold commas themselves.

    Raises:
        OptionError: The adapter or an option does not exist, or a value cannot be read.
    """
    name, _, rest = text.partition(":")
    spec: AnyAdapter = adapter_spec(name)
    options: dict[str, str] = {}
    last = ""
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if equals:
            last, options[key] = key, value
        elif last:
            options[last] += f",{part}"
        else:
            raise OptionError(
                f"{text!r} cannot be read: {part!r} is no option=value.",
                hint="Write for example mufa:rates=8,16,placement=serial.",
            )
    common = {key: options.pop(key) for key in _COMMON if key in options}
    chosen = Variant(text, name, _common(text, common), options)
    read_options(spec, chosen.common, options)
    return chosen


def _common(text: str, given: dict[str, str]) -> AdapterOptions:
    default = AdapterOptions()
    try:
        return AdapterOptions(
            rank=int(given.get("rank", default.rank)),
            alpha=float(given.get("alpha", default.alpha)),
            blocks=given.get("blocks", default.blocks),
        )
    except ValueError:
        raise OptionError(
            f"{text!r} cannot be read: rank and alpha are numbers.", hint="Write for example lora:rank=8."
        ) from None


def _fitting(chosen: Variant, family: str) -> Variant:
    families = adapter_spec(chosen.adapter).families
    if family not in families:
        raise OptionError(
            f"Adapter {chosen.adapter} does not fit this backbone: it is made for {', '.join(families)}, "
            f"not for {family}.",
            hint="Leave it out, or choose another backbone.",
        )
    return chosen
