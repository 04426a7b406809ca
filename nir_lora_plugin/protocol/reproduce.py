"""Request and result of repeating a published experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple


@dataclass(frozen=True)
class ReproduceRequest:
    """Run what a recipe file describes on the data at ``data``, and set the numbers beside the published."""

    recipe: str
    data: str
    out: str = ""  # folder; default: <recipe>_results in the current folder
    only: Tuple[str, ...] = ()  # "backbone=vit-base", "method=lora": these runs alone
    seeds: int = 0  # 0: as many as the recipe says
    first_seed: int = 0
    settings: Dict[str, Any] = field(default_factory=dict)  # replaces the recipe's, by name
    weights: Tuple[str, ...] = ()  # "vit-base=FILE": where weights are
    pretrained: bool = True
    keep_models: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class ReproducedRow:
    """One metric of one experiment: ours, over all its runs, and the published."""

    experiment: Dict[str, str]  # axis -> label
    metric: str
    ours: Optional[float]  # mean over the runs; None: not run yet
    spread: Optional[float]  # population deviation over the runs
    runs: int
    published: Optional[float]
    tag: str  # of the published number: primary | secondary | inferred
    name: str = ""  # of a published number that this recipe does not run


@dataclass(frozen=True)
class ReproduceResult:
    """A finished reproduction."""

    title: str
    rows: Tuple[ReproducedRow, ...]
    records: str  # JSON lines, one for each run
    table: str  # Markdown
    json: str  # the rows, with protocol and notes
    seconds: float
    runs_done: int
    runs_kept: int  # of an earlier, interrupted reproduction
    device: str
    warnings: Tuple[str, ...]
    versions: Dict[str, str]
