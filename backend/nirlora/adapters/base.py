"""What every adapter is: a way to make a few parameters of a frozen backbone trainable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone


@dataclass(frozen=True)
class AdapterOptions:
    """What an adapter is built from.

    Attributes:
        rank: Rank of the update.
        alpha: The update is scaled by alpha / rank; 0: equal to rank.
        blocks: ``all`` or ``last:N``.
    """

    rank: int = 4
    alpha: float = 0.0
    blocks: str = "all"


@dataclass(frozen=True)
class AdapterSpec:
    """One row of the adapter table.

    Attributes:
        name: What the user types.
        apply: ``apply(backbone, options)`` adds the adapter in place and sets ``requires_grad`` of every
            parameter of the backbone: what is trainable afterwards is the adapter, and it alone is stored.
        merge: ``merge(backbone)`` folds the adapter into the backbone in place; the outputs stay.
        learning_rate: Peak rate of the adapter's parameters at a token width of 768; 0: nothing is trained.
        defaults: Its options where the user gives none.
        source: Paper or project.
        licence: Licence of what it is built from.
        inferred: What the source leaves open and was decided here.
    """

    name: str
    apply: Callable[[Backbone, AdapterOptions], None]
    merge: Callable[[Backbone], None]
    learning_rate: float
    defaults: AdapterOptions
    source: str
    licence: str
    inferred: str = ""


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


def nothing_to_merge(backbone: Backbone) -> None:
    """For adapters that add nothing."""
