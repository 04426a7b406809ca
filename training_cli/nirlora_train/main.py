"""Entry points ``nirlora`` and ``nirlora-train``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from nirlora import __version__

from . import adapt, classify, compare, demo, doctor, evaluate, export, info, reproduce, segment, serve, train
from .run import run_app

# Threads that wait for each other by spinning slow torch down several times as soon as another program wants
# a core; read when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_ABOUT = "Segment near-infrared rasters with a LoRA-adapted Vision Transformer, from a few polygons."


def _show_version(value: bool) -> None:
    if value:
        print(f"nirlora {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def build_app() -> typer.Typer:
    """The ``nirlora`` command with all its subcommands."""
    app = typer.Typer(help=_ABOUT, no_args_is_help=True, add_completion=False, callback=_root)
    app.command("train")(train.train)
    app.command("adapt")(adapt.adapt)
    app.command("segment")(segment.segment)
    app.add_typer(classify.app, name="classify")
    app.command("evaluate")(evaluate.evaluate)
    app.command("compare")(compare.compare)
    app.command("reproduce")(reproduce.reproduce)
    app.command("export")(export.export)
    app.command("info")(info.info)
    app.command("doctor")(doctor.doctor)
    app.command("demo")(demo.demo)
    app.command("serve")(serve.serve)
    return app


def build_train_app() -> typer.Typer:
    """The ``nirlora-train`` command, the same as ``nirlora train``."""
    app = typer.Typer(add_completion=False)
    app.command()(train.train)
    return app


def main() -> None:
    """Run ``nirlora`` and exit."""
    argv = sys.argv[1:]
    sys.exit(run_app(build_app(), argv or ["--help"], "nirlora"))


def train_main() -> None:
    """Run ``nirlora-train`` and exit."""
    sys.exit(run_app(build_train_app(), sys.argv[1:], "nirlora-train"))
