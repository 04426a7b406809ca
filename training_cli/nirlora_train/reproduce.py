"""``nirlora reproduce``: one option per field of :class:`nirlora.protocol.ReproduceRequest`."""

from __future__ import annotations

import json as json_module
from typing import Annotated, Any

import typer
from typer import Argument, Option

import nirlora
from nirlora.errors import OptionError
from nirlora.protocol import ReproduceRequest, ReproduceResult, to_dict

from .console import duration
from .options import DATA, MODEL, OUTPUT, TRAINING, Debug, Device, Json, build
from .run import emit_json, execute
from .show import show_facts, show_warnings

_D = ReproduceRequest(recipe="", data="")


def reproduce(
    ctx: typer.Context,
    recipe: Annotated[str, Argument(metavar="RECIPE.yaml", help="One of the files in recipes/.")],
    data: Annotated[
        str, Option(metavar="FOLDER", help="Where the data set is, as it was unpacked.", rich_help_panel=DATA)
    ],
    only: Annotated[
        list[str] | None,
        Option(
            metavar="AXIS=LABEL",
            help="Only these runs; repeat. For example backbone=vit-base. A wrong one lists all.",
            rich_help_panel=DATA,
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=PATH",
            help="Where a backbone's weights are; repeat for several.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    pretrained: Annotated[
        bool, Option(help="Start from pretrained weights, or from random ones.", rich_help_panel=MODEL)
    ] = _D.pretrained,
    seeds: Annotated[
        int, Option(help="Runs of every experiment. 0: as the recipe says.", min=0, rich_help_panel=TRAINING)
    ] = _D.seeds,
    first_seed: Annotated[
        int, Option(help="Seeds are this one and the following.", min=0, rich_help_panel=TRAINING)
    ] = _D.first_seed,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="NAME=VALUE",
            help="Replace a setting of the recipe; repeat. For example epochs=3, or adapt.steps=100.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    out: Annotated[
        str,
        Option(
            metavar="FOLDER",
            help="For records, table and what is being trained. Left out: <recipe>_results here.",
            rich_help_panel=OUTPUT,
        ),
    ] = _D.out,
    keep_models: Annotated[
        bool, Option("--keep-models", help="Keep the model files.", rich_help_panel=OUTPUT)
    ] = _D.keep_models,
    device: Device = _D.device,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a published experiment and set its numbers beside the published ones.

    Give the same command again to go on after an interruption: finished runs are kept.
    """
    request = build(
        ReproduceRequest,
        ctx.params,
        only=tuple(only or ()),
        weights=tuple(weights or ()),
        settings=parse_settings(settings or []),
    )
    result = execute(lambda progress: nirlora.reproduce(request, progress), debug=debug)
    emit_json(to_dict(result)) if json else show_reproduce(result)


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """``["epochs=3", "adapt.steps=5"]`` as ``{"epochs": 3, "adapt": {"steps": 5}}``; values as in JSON.

    Raises:
        OptionError: One is no NAME=VALUE.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise OptionError(
                f"--set got {text!r}; NAME=VALUE was expected.", hint="For example --set epochs=3."
            )
        try:
            parsed = json_module.loads(value)
        except ValueError:
            parsed = value
        *outer, last = name.split(".")
        place = found
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = parsed
    return found


def show_reproduce(result: ReproduceResult) -> None:
    """The table, and where the files are."""
    rows = [
        {
            **(row.experiment or {"": row.name}),
            "metric": row.metric,
            "ours": row.ours,
            "runs": row.runs,
            "published": row.published,
            "source": row.tag,
        }
        for row in result.rows
    ]
    print(f"{result.title}\n")
    show_facts({"results": rows})
    runs = f"{result.runs_done} new, {result.runs_kept} kept"
    print()
    show_facts(
        {
            "runs": runs,
            "time": f"{duration(result.seconds)} on {result.device}",
            "table": result.table,
            "json": result.json,
            "records": result.records,
        }
    )
    show_warnings(result.warnings)
