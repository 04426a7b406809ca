"""What is missing before a step can be done. Pure functions of plain facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from nir_lora_plugin.translation import translate


@dataclass(frozen=True)
class Facts:
    """What the steps look at.

    Attributes:
        backend: Whether a backend is installed.
        layer: Name of the chosen raster, "" for none.
        layer_problem: Why it cannot be used as it is; "" when it can.
        inspected: Whether its bands are known.
        training_layer: Whether there are training polygons to draw in.
        counts: (class, polygons) of each class.
        has_model: Whether a model is chosen.
        model_problem: Why the chosen model cannot be used.
        misfit: Whether the model does not fit the raster and the user has not said to go on.
        area_problem: Why nothing can be segmented where the user wants it.
        running: ``train``, ``adapt``, ``segment`` or "".
    """

    backend: bool = False
    layer: str = ""
    layer_problem: str = ""
    inspected: bool = False
    training_layer: bool = False
    counts: Tuple[Tuple[str, int], ...] = ()
    has_model: bool = False
    model_problem: str = ""
    misfit: bool = False
    area_problem: str = ""
    running: str = ""


def missing_for_layer(facts: Facts) -> str:
    """What the first step still needs; empty when it is done."""
    if not facts.backend:
        return translate("Readiness", "Set up the backend first.")
    if not facts.layer:
        return translate("Readiness", "Choose a raster layer.")
    if facts.layer_problem:
        return facts.layer_problem
    return "" if facts.inspected else translate("Readiness", "The layer is being read.")


def missing_for_training(facts: Facts) -> str:
    """What stands in the way of drawing; empty when one can make the layer or draw."""
    return translate("Readiness", "First choose the layer above.") if missing_for_layer(facts) else ""


def missing_polygons(facts: Facts) -> str:
    """What the drawn polygons still lack for a training."""
    if not facts.training_layer:
        return translate("Readiness", "Draw training polygons first.")
    drawn = [name for name, count in facts.counts if count]
    empty = [name for name, count in facts.counts if not count]
    if len(facts.counts) < 2:
        return translate("Readiness", "At least two classes are needed, to tell them apart.")
    if len(drawn) < 2 and empty:
        return translate("Readiness", "Draw polygons of {}.").format(
            translate("Readiness", " and ").join(empty[: 2 - len(drawn)])
        )
    return ""


def missing_for_train(facts: Facts) -> str:
    """What the training step still needs; empty when Train may be pressed."""
    if missing_for_layer(facts):
        return translate("Readiness", "First choose the layer above.")
    return missing_polygons(facts) or _busy(facts)


def missing_for_carry(facts: Facts, num_targets: int) -> str:
    """What carrying the model to ``num_targets`` chosen fields still needs."""
    missing = missing_for_train(facts)
    if not missing and not num_targets:
        return translate("Readiness", "Tick the field to carry the model to.")
    return missing


def missing_for_adapt(facts: Facts, num_rasters: int) -> str:
    """What adapting to ``num_rasters`` chosen rasters still needs."""
    if missing_for_layer(facts):
        return translate("Readiness", "First choose the layer above.")
    return _busy(facts) if num_rasters else translate("Readiness", "Tick a raster to look at.")


def missing_for_segment(facts: Facts) -> str:
    """What the last step still needs; empty when the button may be pressed."""
    if missing_for_layer(facts):
        return translate("Readiness", "First choose the layer above.")
    if not facts.has_model:
        return translate("Readiness", "Train a model, or import one.")
    if facts.model_problem:
        return facts.model_problem
    if facts.area_problem:
        return facts.area_problem
    if facts.misfit:
        return translate("Readiness", "The model does not fit this layer, see above.")
    return _busy(facts)


def current_step(facts: Facts) -> int:
    """Index (0..3) of the step that the user is at."""
    if facts.running in ("train", "segment"):
        return 2 if facts.running == "train" else 3
    if missing_for_layer(facts):
        return 0
    if facts.has_model:
        return 3
    return 2 if not missing_polygons(facts) else 1


def done_steps(facts: Facts) -> Tuple[bool, bool, bool, bool]:
    """Which steps have given what they are there for."""
    layer = not missing_for_layer(facts)
    polygons = layer and not missing_polygons(facts)
    return layer, polygons, layer and facts.has_model and facts.running != "train", False


def _busy(facts: Facts) -> str:
    if facts.running == "train":
        return translate("Readiness", "A training is running.")
    if facts.running == "adapt":
        return translate("Readiness", "A backbone is being adapted.")
    return translate("Readiness", "A map is being made.") if facts.running else ""
