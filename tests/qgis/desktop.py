"""Starts QGIS's real desktop on a display of its own, with the plugin, and has it run pytest inside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from installations import SYSTEM_PYTHON, Installation, cache_folder, locked

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INSIDE = HERE / "inside"
_TOOLS = ("pytest>=8", "pytest-qt>=4.4")
_SETTINGS = r"""
[PythonPlugins]
{plugin}
processing=true
MetaSearch=false
db_manager=false
GdalTools=false
grassprovider=false
sagaprovider=false
otbprovider=false

[app]
plugin_installer\checkOnStart=false
projections\unknownCrsBehavior=NoAction
askToSaveMemoryLayers=false

[fonts]
downloadMissingFonts=false

[core]
NewsFeed\httpsfeedqgisorg\disabled=true

[qgis]
checkVersion=false
hideSplash=true
askToSaveProjectChanges=false

[locale]
overrideFlag=true
userLocale=en_US
"""


@dataclass(frozen=True)
class Outcome:
    """What a run inside QGIS gave: pytest's exit code (None: it never said), its log and its cases."""

    code: int | None
    log: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Case:
    """One inner test; ``problem`` is "" when it passed, ``skipped`` why it was skipped."""

    file: str
    name: str
    problem: str = ""
    skipped: str = ""


def test_tools() -> Path:
    """Folder with pytest and pytest-qt for QGIS's Python, made once and kept in the cache."""
    with locked("tools"):
        venv = cache_folder() / "tools"
        stamp = venv / ".installed"
        wanted = "\n".join(_TOOLS)
        if not stamp.exists() or stamp.read_text() != wanted:
            make = [SYSTEM_PYTHON, "-m", "venv", "--clear", "--system-site-packages", str(venv)]
            subprocess.run(make, check=True, env=clean_environment())
            install = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", *_TOOLS]
            subprocess.run(install, check=True, env=clean_environment())
            stamp.write_text(wanted)
    return next((venv / "lib").glob("python3*/site-packages"))


def clean_environment() -> dict[str, str]:
    """The environment without what a virtual environment or another QGIS put into it."""
    drop = (
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "PYTHONHOME",
        "LD_LIBRARY_PATH",
        "QGIS_PREFIX_PATH",
        "QT_QPA_PLATFORM",
    )
    kept = {key: value for key, value in os.environ.items() if key not in drop}
    # QGIS takes the first python3 of the path for its own.
    kept["PATH"] = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    return kept


def make_profile(folder: Path, linked: bool = True) -> Path:
    """A throw-away profile ``test`` below ``folder``: questions off, the checkout's plugin on if linked."""
    profile = folder / "profiles" / "test"
    (profile / "QGIS").mkdir(parents=True)
    plugin = _link(profile) if linked else ""
    (profile / "QGIS" / "QGIS3.ini").write_text(_SETTINGS.replace("{plugin}", plugin), encoding="utf-8")
    return folder


def _link(profile: Path) -> str:
    """Link the plugin into a profile; the line of the settings that turns it on."""
    sys.path.insert(0, str(ROOT / "packaging"))
    try:
        from link_plugin import link_plugin
    finally:
        sys.path.pop(0)
    plugin = link_plugin(profile / "python" / "plugins")
    return f"{plugin.name}=true"


def backend_python() -> str:
    """The Python that runs the backend in tests: the checkout's, else the one that runs this."""
    own = ROOT / ".venv" / "bin" / "python"
    return os.environ.get("NIRLORA_PYTHON") or (str(own) if own.exists() else sys.executable)


@contextmanager
def display(folder: Path) -> Iterator[str]:
    """An X server of our own on a free number; its name is what ``DISPLAY`` wants."""
    with (folder / "xvfb.log").open("wb") as log:
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        assert server.stdout is not None
        number = server.stdout.readline().decode().strip()
        if not number:
            raise RuntimeError(f"Xvfb did not start: {(folder / 'xvfb.log').read_text(errors='replace')}")
        yield f":{number}"
    finally:
        server.terminate()
        server.communicate()


def qgis_environment(qgis: Installation, folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Environment of a QGIS process whose traces (state, runtime files) stay in ``folder``."""
    runtime, temporary = folder / "runtime", folder / "tmp"
    runtime.mkdir(mode=0o700, exist_ok=True)
    temporary.mkdir(exist_ok=True)
    paths = [qgis.environment.get("PYTHONPATH", ""), str(test_tools())]
    return {
        **clean_environment(),
        **qgis.environment,
        "XDG_RUNTIME_DIR": str(runtime),
        "TMPDIR": str(temporary),
        "NIRLORA_STATE_DIR": str(folder / "state"),
        "NIRLORA_PYTHON": backend_python(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        **extra,
    }


def run_inside(
    qgis: Installation,
    arguments: Sequence[str],
    *,
    timeout_s: float,
    echo: bool = False,
    linked: bool = True,
    extra: Mapping[str, str] | None = None,
) -> Outcome:
    """Run ``pytest arguments`` (paths relative to ``inside/``) in the desktop of ``qgis``.

    Args:
        qgis: The installation.
        arguments: Of pytest.
        timeout_s: After that QGIS is killed, with all that it started.
        echo: Whether the output goes to the terminal instead of into the outcome.
        linked: Whether this checkout's plugin is there, turned on.
        extra: More environment variables.
    """
    with tempfile.TemporaryDirectory(prefix="nirlora-qgis-") as name, display(Path(name)) as screen:
        folder = Path(name)
        make_profile(folder, linked)
        variables = {
            "DISPLAY": screen,
            "PYQGIS_STARTUP": str(HERE / "startup.py"),
            "NIRLORA_INNER_FOLDER": name,
            "NIRLORA_INNER_ARGS": "\n".join(arguments),
            **(extra or {}),
        }
        command = [qgis.desktop, "--nologo", "--noversioncheck", "--nocustomization"]
        command += ["--profiles-path", name, "--profile", "test", "--code", str(HERE / "in_desktop.py")]
        environment = qgis_environment(qgis, folder, variables)
        log = folder / "log"
        with log.open("wb") as file:
            output = None if echo else file
            timed_out = _run(command, environment, output, timeout_s)
        return _outcome(folder, log.read_text(errors="replace"), timed_out)


def _run(command: list[str], environment: dict[str, str], output: object, timeout_s: float) -> bool:
    """Run a process group of its own; say whether it had to be killed."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,  # type: ignore[call-overload]
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
        cwd=INSIDE,
    )
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return True
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return False


def _outcome(folder: Path, log: str, timed_out: bool) -> Outcome:
    result, trapped = folder / "code", folder / "errors"
    code = int(result.read_text()) if result.exists() else None
    if trapped.exists():
        log += "\nPython errors that QGIS would have shown:\n" + trapped.read_text(errors="replace")
        code = code or 98
    if timed_out:
        log += "\nQGIS was killed: it took too long."
        code = code or 97
    junit = folder / "junit.xml"
    return Outcome(code, log, tuple(_cases(junit)) if junit.exists() else ())


def _cases(junit: Path) -> Iterator[Case]:
    for case in ElementTree.parse(junit).iter("testcase"):
        problems = [f"{e.get('message')}\n{e.text}" for e in case if e.tag in ("failure", "error")]
        skips = [str(e.get("message")) for e in case if e.tag == "skipped"]
        file = f"{case.get('classname', '').rsplit('.', 1)[-1]}.py"
        yield Case(file, case.get("name", ""), "\n".join(problems), "\n".join(skips))
