"""The steps of an installation. Each can be done again, and says what it does, line by line."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from nir_lora_plugin import paths
from nir_lora_plugin.errors import SetupError
from nir_lora_plugin.translation import noted, translate

from . import uv
from .advice import advise, explain
from .gpu import torch_sources
from .home import Home, env_python
from .install_progress import InstallProgress
from .pip_config import PipConfig, without_credentials
from .processes import Outcome, run
from .pythons import Interpreter
from .self_test import Passed, self_test
from .tools import Command, PipTool, Tool, UvTool, download_command

_tr = partial(translate, "Setup")


@dataclass(frozen=True)
class InstallOptions:
    """What to install. ``proxy`` is QGIS's, used where neither pip nor the environment has one."""

    wheel: Path
    version: str
    sha256: str
    build: str = "auto"  # auto | cpu | cuda
    proxy: str = ""
    fresh: bool = False  # make the environment anew even if it works


@dataclass
class Work:
    """What the steps share: where, what, with which program, and how to tell."""

    home: Home
    options: InstallOptions
    environment: Dict[str, str]
    say: Callable[[str], None]
    advance: Callable[[float], None]  # within the step, 0..1
    is_cancelled: Callable[[], bool]
    gpus: List[str] = field(default_factory=list)
    interpreters: List[Interpreter] = field(default_factory=list)
    tool: Optional[Tool] = None
    test: Optional[Passed] = None

    @property
    def interpreter(self) -> Optional[Interpreter]:
        """The first Python that the backend can run on."""
        return next((one for one in self.interpreters if one.fits), None)

    def run(self, command: Command, on_line: Optional[Callable[[str], None]] = None) -> Outcome:
        """Run a program; its lines are shown and logged."""

        def show(line: str) -> None:
            self.say(line)
            if on_line:
                on_line(line)

        return run(command, self.environment, on_line=show, is_cancelled=self.is_cancelled)

    def must(self, command: Command) -> None:
        """The same, raising SetupError with advice if it fails."""
        outcome = self.run(command)
        if outcome.code != 0:
            raise _failure(outcome)


@dataclass(frozen=True)
class Step:
    """One step. ``weight``: its share of the time; ``always``: also when it was done before."""

    name: str
    title: str
    weight: float
    run: Callable[[Work], None]
    always: bool = False

    @property
    def shown(self) -> str:
        """The title in the user's language."""
        return _tr(self.title)


def get_tool(work: Work) -> None:
    """Find uv or fetch it; without it, venv and pip do."""
    for found in (uv.on_path(), uv.unpacked(work.home.tools)):
        if found and uv.is_new_enough(work.run([str(found), "--version"]).output):
            work.tool = UvTool(found)
            return
    pip = _some_pip(work)
    wheels = work.home.tools / "download"
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    requirements = wheels / "uv.txt"
    requirements.write_text(uv.requirement(), encoding="utf-8")
    outcome = work.run(download_command(pip, requirements, wheels))
    if outcome.code == 0:
        work.tool = UvTool(uv.unpack(next(wheels.glob("*.whl")), work.home.tools))
        shutil.rmtree(wheels)
        return
    able = next((one for one in work.interpreters if one.fits and one.has_venv), None)
    if advise(outcome.output, outcome.code).code != "no_match" or able is None:
        raise _failure(outcome)
    work.say(_tr("There is no uv for this system; venv and pip take its place."))
    work.tool = PipTool(able)


def make_environment(work: Work) -> None:
    """Make the environment, unless one is there that works."""
    python = work.home.python
    if not work.options.fresh and work.run([str(python), "-I", "-c", "pass"]).code == 0:
        return
    outcome = Outcome(-1, "No interpreter found")
    for command in _tool(work).make_env(work.home.env, work.interpreter):
        outcome = work.run(command)
        if outcome.code == 0:
            return
    raise _failure(outcome)


def install_packages(work: Work) -> None:
    """Install the wheel and all it needs."""
    if paths.sha256_of(work.options.wheel) != work.options.sha256:
        raise SetupError(
            _tr("{} is damaged: its SHA-256 is not the one beside it.").format(work.options.wheel.name),
            hint=_tr("Install the plugin again."),
            code="hash",
        )
    own_index = PipConfig(work.environment).has_own_index
    sources = torch_sources(work.options.build, bool(work.gpus), own_index)
    outcome = Outcome(-1, "")
    for source in _tool(work).sources(sources):
        progress = InstallProgress(work.advance)
        command = _tool(work).install(work.home.env, work.options.wheel, source)
        outcome = work.run(command, progress.feed)
        if outcome.code == 0:
            return
        if not advise(outcome.output, outcome.code).retry:
            break
        if source:
            work.say(_tr("The builds of torch cannot be reached; taking torch from the package index."))
    raise _failure(outcome)


def try_it(work: Work) -> None:
    """Compute on the device; start the backend."""
    work.test = self_test(
        work.home.python,
        work.home.root / "self-test",
        on_line=work.say,
        is_cancelled=work.is_cancelled,
        has_gpu=bool(work.gpus) and work.options.build != "cpu",
    )
    shutil.rmtree(work.home.root / "self-test", ignore_errors=True)


STEPS: Tuple[Step, ...] = (
    Step("tool", noted("Getting the installer"), 0.05, get_tool, always=True),
    Step("environment", noted("Making the environment"), 0.03, make_environment),
    Step("packages", noted("Downloading and installing packages"), 0.84, install_packages),
    Step("test", noted("Testing the device"), 0.08, try_it, always=True),
)


def _some_pip(work: Work) -> Path:
    """A Python that has pip: an existing one, else one made with venv."""
    for interpreter in work.interpreters:
        if interpreter.has_pip:
            return Path(interpreter.path)
    able = next((one for one in work.interpreters if one.has_venv), None)
    if able is None:
        raise SetupError(
            _tr("There is neither uv nor a Python with pip on this computer."),
            hint=_tr(
                "On Debian and Ubuntu: sudo apt install python3-venv. Elsewhere install uv or Python. "
                "Then try again."
            ),
            code="no_venv",
        )
    bootstrap = work.home.tools / "bootstrap"
    work.must([able.path, "-I", "-m", "venv", "--clear", str(bootstrap)])
    return env_python(bootstrap)


def _tool(work: Work) -> Tool:
    if work.tool is None:
        raise SetupError(_tr("The installer was not found."), code="bug")
    return work.tool


def _failure(outcome: Outcome) -> SetupError:
    info = explain(without_credentials(outcome.output), outcome.code)
    return SetupError(info.message, hint=info.hint, code=info.code)
