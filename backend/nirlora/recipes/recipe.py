"""A recipe: one published experiment as a YAML file, what is known of it and how it is run here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import yaml

from nirlora.errors import InputError
from nirlora.protocol.codec import ProtocolError, from_dict

FORMAT = 1
KINDS = ("classification", "pretraining", "patches", "domain")
TAGS = ("primary", "secondary", "inferred")
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Fact:
    """Something that is known of the published experiment.

    Attributes:
        fact: One sentence.
        tag: ``primary`` (paper, official code), ``secondary`` (somebody about it), ``inferred``.
    """

    fact: str
    tag: str


@dataclass(frozen=True)
class Published:
    """A published number.

    Attributes:
        value: In the metric's unit.
        metric: Name of a metric of the recipe.
        tag: As in :class:`Fact`.
        match: Axis -> label of the experiment that it belongs to; empty: none that is run here.
        name: What it is of, where ``match`` is empty.
    """

    value: float
    metric: str
    tag: str
    match: dict[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Metric:
    """A score.

    Attributes:
        name: Key in what a run gives.
        title: For the table.
        scale: The table shows the score times this.
        digits: Behind the point.
        classes: The mean IoU over these alone.
    """

    name: str
    title: str
    scale: float = 1.0
    digits: int = 3
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        reader: Name in :data:`nirlora.recipes.readers.READERS`.
        source: Where it comes from, in a sentence: shown when it is not there.
        licence: Under what terms.
        options: The reader's own.
    """

    reader: str
    source: str
    licence: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """See the files in ``recipes/``.

    Attributes:
        title: One line.
        paper: What is repeated.
        kind: One of :data:`KINDS`: how it is run.
        data: The data set, or that of the source domain.
        target: The data set of the target domain, of kind ``domain``.
        protocol: What is known of the published experiment.
        settings: Fields of the requests that are made.
        axes: Axis -> its entries; every combination is run. An entry is a value (of the field called like
            the axis), or a mapping with ``name`` (its label), fields, and ``only`` (axis -> label that it
            is confined to).
        replicates: Axes that are averaged over, as seeds are.
        metrics: What is scored.
        published: Numbers of the paper.
        differences: What is done otherwise here than there.
        seeds: Seeds that are run.
    """

    title: str
    paper: str
    kind: str
    data: Data
    metrics: tuple[Metric, ...]
    target: Optional[Data] = None  # noqa: UP045 - the codec reads this form
    protocol: tuple[Fact, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, Any] = field(default_factory=dict)
    replicates: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    differences: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    format: int = FORMAT


@dataclass(frozen=True)
class Experiment:
    """One combination of the axes: its labels and the settings that it runs with."""

    labels: dict[str, str]
    settings: dict[str, Any]

    def row(self, replicates: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """The labels without those that are averaged over."""
        return tuple((k, v) for k, v in self.labels.items() if k not in replicates)


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe; nothing in it is executed.

    Raises:
        InputError: There is no such file, it is no YAML, or its fields are not those of a recipe.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} is too large for a recipe.", hint="Give one of recipes/*.yaml.")
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The recipe {path} cannot be read: {error}.", hint="Give one of recipes/*.yaml."
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _refused(path, f"it is no YAML ({error})") from error
    try:
        recipe: Recipe = from_dict(Recipe, data, where="recipe")
    except ProtocolError as error:
        raise _refused(path, str(error)) from error
    problem = _problem(recipe)
    if problem:
        raise _refused(path, problem)
    return recipe


def experiments(recipe: Recipe, only: tuple[str, ...] = ()) -> tuple[Experiment, ...]:
    """Every combination of the axes, in the order of the file.

    Args:
        recipe: The recipe.
        only: ``axis=label`` each; several of one axis: any of them.

    Raises:
        InputError: ``only`` names what the recipe has not.
    """
    wanted = _wanted(recipe, only)
    found = []
    choices = [[(axis, entry) for entry in entries] for axis, entries in recipe.axes.items()]
    for combination in itertools.product(*choices):
        labels = {axis: _label(entry) for axis, entry in combination}
        entries = [entry for _, entry in combination]
        confined = [entry.get("only", {}) for entry in entries if isinstance(entry, dict)]
        if any(labels[axis] != str(label) for rule in confined for axis, label in rule.items()):
            continue
        if any(labels[axis] not in allowed for axis, allowed in wanted.items()):
            continue
        found.append(Experiment(labels, _merged(recipe.settings, combination)))
    return tuple(found)


def _merged(settings: Mapping[str, Any], combination: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    result = dict(settings)
    for axis, entry in combination:
        own = {k: v for k, v in entry.items() if k not in ("name", "only")} if isinstance(entry, dict) else {}
        for key, value in (own if isinstance(entry, dict) else {axis: entry}).items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = {**result[key], **value} if both else value
    return result


def _wanted(recipe: Recipe, only: tuple[str, ...]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for text in only:
        axis, _, label = text.partition("=")
        labels = [_label(entry) for entry in recipe.axes.get(axis, ())]
        if label not in labels:
            known = "; ".join(f"{a}: {', '.join(map(_label, entries))}" for a, entries in recipe.axes.items())
            raise InputError(f"The recipe has no run {text!r}.", hint=f"Write AXIS=LABEL. It has {known}.")
        wanted.setdefault(axis, set()).add(label)
    return wanted


def _label(entry: Any) -> str:
    return str(entry["name"]) if isinstance(entry, dict) else str(entry)


def _problem(recipe: Recipe) -> str:
    """What in a recipe of the right types makes no sense, "" if nothing."""
    if recipe.format > FORMAT:
        return f"its format is {recipe.format}, this program reads up to {FORMAT}"
    if recipe.kind not in KINDS:
        return f"its kind is {recipe.kind!r}, expected one of {', '.join(KINDS)}"
    if (recipe.kind == "domain") != (recipe.target is not None):
        return "a target goes with the kind domain, and with no other"
    for axis, entries in recipe.axes.items():
        if not isinstance(entries, list) or not entries:
            return f"axis {axis} is no list"
        if any(isinstance(entry, dict) and "name" not in entry for entry in entries):
            return f"an entry of axis {axis} has no name"
        if len({_label(entry) for entry in entries}) < len(entries):
            return f"axis {axis} has two entries of one name"
    return _untrue(recipe)


def _untrue(recipe: Recipe) -> str:
    """What the published numbers and facts refer to that is not there."""
    metrics = {metric.name for metric in recipe.metrics}
    labels = {axis: {_label(entry) for entry in entries} for axis, entries in recipe.axes.items()}
    for tag in [*(f.tag for f in recipe.protocol), *(p.tag for p in recipe.published)]:
        if tag not in TAGS:
            return f"{tag!r} is no tag, expected one of {', '.join(TAGS)}"
    for number in recipe.published:
        if number.metric not in metrics:
            return f"a published number is of metric {number.metric!r}, which the recipe has not"
        for axis, label in number.match.items():
            if label not in labels.get(axis, ()):
                return f"a published number is of {axis} {label!r}, which the recipe has not"
        if not number.match and not number.name:
            return "a published number says neither match nor name"
    if not set(recipe.replicates) <= set(recipe.axes):
        return f"replicates are {', '.join(recipe.replicates)}, which are not all axes"
    return ""


def _refused(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is no recipe: {reason}.", hint="Compare it with the files in recipes/.")
