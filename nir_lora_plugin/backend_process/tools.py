"""The two programs that can make the backend's environment, as commands: uv, and venv with pip."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple, Union

from .home import env_python
from .pythons import MANAGED, UV_RANGE, Interpreter

Command = List[str]


@dataclass(frozen=True)
class UvTool:
    """uv: needs nothing of the Python, and can bring one."""

    program: Path

    def make_env(self, env: Path, interpreter: Optional[Interpreter]) -> List[Command]:
        """Commands that make an environment, to be tried in order until one works."""
        given = ["--python", interpreter.path] if interpreter else []
        managed = ["--managed-python", "--python", MANAGED]
        # On Windows and macOS QGIS's Python is part of QGIS and changes with every update of it.
        first, second = (managed, given) if sys.platform in ("win32", "darwin") else (given, managed)
        chosen = [options for options in (first, second, ["--python", UV_RANGE]) if options]
        return [[str(self.program), "venv", "--clear", *options, str(env)] for options in chosen]

    def install(self, env: Path, wheel: Path, source: str) -> Command:
        """The command that installs ``wheel`` and what it needs; ``source``: see ``gpu.torch_sources``."""
        command = [str(self.program), "pip", "install", "--python", str(env_python(env))]
        command += ["--reinstall-package", "nirlora"]
        return [*command, *([f"--torch-backend={source}"] if source else []), str(wheel)]

    def sources(self, wanted: Tuple[str, ...]) -> Tuple[str, ...]:
        """Which of ``wanted`` it can use."""
        return wanted


@dataclass(frozen=True)
class PipTool:
    """venv and pip of a Python: where uv cannot be had."""

    interpreter: Interpreter

    def make_env(self, env: Path, interpreter: Optional[Interpreter]) -> List[Command]:
        """Commands that make an environment."""
        return [[(interpreter or self.interpreter).path, "-I", "-m", "venv", "--clear", str(env)]]

    def install(self, env: Path, wheel: Path, source: str) -> Command:
        """The command that installs ``wheel`` and what it needs."""
        command = [str(env_python(env)), "-I", "-m", "pip", "install", "--progress-bar", "off", "--no-input"]
        return [*command, "--disable-pip-version-check", "--upgrade", str(wheel)]

    def sources(self, wanted: Tuple[str, ...]) -> Tuple[str, ...]:
        """pip knows no torch builds: everything comes from its index."""
        return ("",)


Tool = Union[UvTool, PipTool]


def download_command(python: Path, requirements: Path, folder: Path) -> Command:
    """pip fetches what ``requirements`` pins, honouring its own index, proxy and certificates."""
    command = [
        str(python),
        "-I",
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--no-input",
    ]
    command += ["--require-hashes", "--disable-pip-version-check", "--progress-bar", "off"]
    return [*command, "-d", str(folder), "-r", str(requirements)]
