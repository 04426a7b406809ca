"""What every adapter is: a way to make a few parameters of a frozen backbone trainable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import nn

from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone

# Families of backbones, see BackboneSpec.
VIT = ("vit", "galileo")
VIT_AND_SWIN = (*VIT, "swin")
EVERY_FAMILY = (*VIT_AND_SWIN, "sam")


@dataclass(frozen=True)
class AdapterOptions:
    """What every adapter is built from; a method's own options are fields of a subclass.

    Attributes:
        rank: Rank of a low-rank update.
        alpha: The low-rank update is scaled by alpha / rank; 0: equal to rank.
        blocks: ``all`` or ``last:N``.
    """

    rank: int = 4
    alpha: float = 0.0
    blocks: str = "all"


O = TypeVar("O", bound=AdapterOptions)  # noqa: E741 - the usual name of a type that stands for one


@dataclass(frozen=True)
class AdapterSpec(Generic[O]):
    """One row of the adapter table.

    Attributes:
        name: What the user types.
        apply: ``apply(backbone, options)`` adds the adapter in place to a backbone that is frozen whole: what
            is trainable afterwards is the adapter, and it alone is stored.
        merge: ``merge(backbone)`` folds the adapter into the backbone in place, as far as that can be; the
            outputs stay.
        learning_rate: Peak rate of the adapter's parameters at a token width of 768; 0: nothing is trained.
        defaults: Its options where the user gives none.
        source: Paper or project.
        licence: Licence of what it is built from; empty: written here.
        inferred: What the source leaves open and was decided here.
        families: Families of backbones that it fits.
        identity: Whether the network starts with the outputs that it has without the adapter.
        merges: Whether merging leaves the plain network.
    """

    name: str
    apply: Callable[[Backbone, O], None]
    merge: Callable[[Backbone], None]
    learning_rate: float
    defaults: O
    source: str
    licence: str
    inferred: str = ""
    families: tuple[str, ...] = EVERY_FAMILY
    identity: bool = True
    merges: bool = True


AnyAdapter = AdapterSpec[Any]


def chosen_blocks(blocks: str, count: int) -> range:
    """Indices of the blocks meant by ``all`` or ``last:N`` out of ``count``.

    Raises:
        OptionError: Neither form, or N is not in 1..count.
    """
    kind, _, number = blocks.partition(":")
    if blocks == "all":
        return range(count)
    if kind == "last" and number.isdigit() and 1 <= int(number) <= count:
        return range(count - int(number), count)
    raise OptionError(
        f"Blocks {blocks!r} cannot be used, this backbone has {count} blocks.",
        hint=f"Write all, or last:N with N from 1 to {count}.",
    )


def blocks_of(backbone: Backbone, blocks: str) -> list[tuple[str, nn.Module]]:
    """(name inside the backbone, block) of the blocks meant by ``all`` or ``last:N``, shallow to deep.

    Raises:
        OptionError: See :func:`chosen_blocks`.
    """
    every = backbone.blocks()
    return [every[i] for i in chosen_blocks(blocks, len(every))]


def nothing_to_merge(backbone: Backbone) -> None:
    """For adapters that add nothing, and for those that cannot be folded into weights."""
