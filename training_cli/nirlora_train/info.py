"""``nirlora info``: what a raster or a model file is."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Debug, Json
from .run import emit_json, execute
from .show import show_facts


def info(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A raster, or a model (.nirlora).")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what a raster or model file is: bands and their roles, values, size; or classes and scores."""
    from nirlora.info import describe

    facts = execute(lambda progress: describe(path), debug=debug, silent=True)
    emit_json(facts) if json else show_facts(facts)
