"""What the kinds of recipes have in common: where they work, and how settings become requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from nirlora.errors import DataMissing, InputError
from nirlora.protocol import Progress, ReproduceRequest
from nirlora.protocol.codec import ProtocolError, from_dict
from nirlora.recipes.readers import Domain, Images, Scenes, reader_spec
from nirlora.recipes.readers.base import Tick
from nirlora.recipes.recipe import Data, Experiment, Recipe

T = TypeVar("T")
ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class Context:
    """A reproduction: what is run, on whose wish, and the folder it works in."""

    recipe: Recipe
    request: ReproduceRequest
    folder: Path

    def prepared(self, name: str) -> Path:
        """A folder for what is made of a data set once."""
        folder = self.folder / "prepared" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def read(self, data: Data, tick: Tick) -> Images | Scenes | Domain:
        """The data set.

        Raises:
            DataMissing: It is not there; the hint says where it comes from.
        """
        try:
            spec = reader_spec(data.reader)
            return spec.read(Path(self.request.data), self.prepared(spec.name), data.options, tick)
        except DataMissing as error:
            raise DataMissing(
                f"{self.recipe.title}: {error.message}", hint=f"Where it comes from: {data.source}"
            ) from error

    def settings(self, experiment: Experiment) -> dict[str, Any]:
        """The experiment's settings with what the request replaces, and where weights are."""
        merged = dict(experiment.settings)
        for name, value in self.request.settings.items():
            both = isinstance(value, dict) and isinstance(merged.get(name), dict)
            merged[name] = {**merged[name], **value} if both else value
        merged["device"] = self.request.device
        if not self.request.pretrained:
            merged["pretrained"] = False
        known = dict(text.partition("=")[::2] for text in self.request.weights)
        name = str(merged.get("backbone", ""))
        if known.get(name):
            merged["backbone"] = f"{name}={known[name]}"
        return merged


@dataclass(frozen=True)
class Outcome:
    """What a run came to: score by metric name, facts for the record, and warnings."""

    scores: dict[str, float]
    facts: dict[str, Any]
    warnings: tuple[str, ...] = ()


class Runner(Protocol):
    """Runs the experiments of one kind of recipe."""

    @property
    def notes(self) -> tuple[str, ...]:
        """How the data differ from those published."""

    def content(self, experiment: Experiment, seed: int) -> dict[str, Any]:
        """All that the outcome depends on, JSON-ready; raises what is wrong with the settings."""

    def run(self, experiment: Experiment, seed: int, stem: Path, say: ProgressCallback) -> Outcome:
        """Carry it out; ``stem`` is where its files go, with suffixes of their own.

        A run that was interrupted goes on where it stopped.
        """


def make_request(cls: type[T], settings: Mapping[str, Any], **fields: Any) -> T:
    """A request from settings of a recipe.

    Raises:
        InputError: A setting is no field of it, or of another type.
    """
    try:
        request: T = from_dict(cls, {**settings, **fields}, where="settings")
    except ProtocolError as error:
        raise InputError(
            f"The recipe's settings cannot be used: {error}.", hint="Correct the recipe, or what --set gave."
        ) from error
    return request


def checkpoint_of(model: Path) -> Path:
    """Where a run whose result is ``model`` keeps its state."""
    return model.with_name(model.name + ".checkpoint")
