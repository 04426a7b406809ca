"""Install the backend into an environment of its own: a few steps, each of which can be done again."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Callable, Dict, Mapping, Optional

from nir_lora_plugin import paths
from nir_lora_plugin.errors import SetupError
from nir_lora_plugin.translation import translate

from .advice import explain
from .environment import scrubbed_environment
from .gpu import find_gpus, room_gb
from .home import Home
from .lock import InstallLock
from .pip_config import PipConfig, without_credentials
from .pythons import find_interpreters
from .state import Marker, Stamp, read_marker, write_record
from .steps import STEPS, InstallOptions, Step, Work

_tr = partial(translate, "Setup")

Report = Callable[[float, str], None]
IsCancelled = Callable[[], bool]


def bundled(build: str = "auto", proxy: str = "", fresh: bool = False) -> InstallOptions:
    """Options for the wheel that came with the plugin.

    Raises:
        SetupError: None came with it, as in a checkout.
    """
    wheel = paths.bundled_wheel()
    pin = paths.wheel_pin(wheel.parent) if wheel else None
    if wheel is None or pin is None:
        raise SetupError(
            _tr("No backend came with this plugin."),
            hint=_tr("Install the plugin from its zip, or choose a Python that has nirlora."),
            code="no_wheel",
        )
    return InstallOptions(wheel, pin.version, pin.sha256, build, proxy, fresh)


def install(home: Home, options: InstallOptions, report: Report, is_cancelled: IsCancelled) -> Stamp:
    """Install, resume, repair or update. Blocks for minutes; not for the main thread.

    The marker is written first and removed last, so that whatever ends this early leaves a state that says
    so.

    Args:
        home: Where to.
        options: What.
        report: Called with (fraction of the whole, line).
        is_cancelled: Asked about ten times a second.

    Raises:
        SetupError: With what happened and what to do.
        BackendGone, BackendError: The installed backend does not start, or not wholly.
        Cancelled: ``is_cancelled`` said so; the next run resumes.
    """
    begun = time.monotonic()
    try:
        with InstallLock(home.lock):
            report(0.0, _tr("Looking at this computer ..."))
            work = _prepare(home, options, is_cancelled)
            marker = _begin(home, options)
            with home.install_log.open("a", encoding="utf-8", buffering=1) as log:
                _do_steps(work, marker, report, log.write)
            stamp = _stamp(work, time.monotonic() - begun)
            write_record(home.stamp, stamp)
            home.marker.unlink()
    except OSError as error:
        raise _from_system(error) from error
    report(1.0, _tr("Ready on {}.").format(stamp.device))
    return stamp


def remove(home: Home) -> None:
    """Remove what was installed. The job list and the logs of the backend stay.

    Raises:
        SetupError: It cannot all be removed, mostly because something still runs.
    """
    try:
        with InstallLock(home.lock):
            _refuse_foreign(home)
            write_record(home.marker, Marker("", "", ""))  # half removed is incomplete
            home.stamp.unlink(missing_ok=True)
            for folder in (home.env, home.cache, home.tools, home.managed_pythons):
                if folder.exists():
                    shutil.rmtree(folder)
            home.marker.unlink()
    except OSError as error:
        raise _from_system(error) from error


def _do_steps(work: Work, marker: Marker, report: Report, log: Callable[[str], object]) -> None:
    for step in STEPS:
        if step.name in marker.done and not step.always:
            continue
        _connect(work, step, report, log)
        work.say(f"{step.shown} ...")
        step.run(work)
        marker = replace(marker, done=(*marker.done, step.name))
        write_record(work.home.marker, marker)


def _prepare(home: Home, options: InstallOptions, is_cancelled: IsCancelled) -> Work:
    """Look at the computer; refuse before anything is written what cannot go well."""
    _refuse_foreign(home)
    environment = install_environment(home, options.proxy)
    work = Work(home, options, environment, lambda line: None, lambda fraction: None, is_cancelled)
    work.gpus = find_gpus()
    work.interpreters = find_interpreters(environment)
    _check_room(work)
    return work


def install_environment(home: Home, proxy: str, base: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """The environment of uv and pip: QGIS's taken out, pip's settings told to uv, our folders, the proxy."""
    environment = scrubbed_environment(base)
    environment.update(PipConfig(environment).uv_variables())
    has_proxy = {name.upper() for name in environment} & {"HTTPS_PROXY", "ALL_PROXY"}
    if proxy and not has_proxy:
        environment.update(HTTPS_PROXY=proxy, HTTP_PROXY=proxy)
    environment.setdefault("UV_HTTP_TIMEOUT", "120")
    if sys.platform in ("win32", "darwin"):  # where an organisation's own certificates are, as for pip
        environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment.update(
        UV_CACHE_DIR=str(home.cache),
        UV_PYTHON_INSTALL_DIR=str(home.managed_pythons),
        UV_NO_PROGRESS="1",
        NO_COLOR="1",
    )
    return environment


def _connect(work: Work, step: Step, report: Report, log: Callable[[str], object]) -> None:
    """Point what the step says to the log and, at the right fraction of the whole, to the listener."""
    before = sum(earlier.weight for earlier in STEPS[: STEPS.index(step)])
    at = [before]

    def advance(fraction: float) -> None:
        at[0] = before + step.weight * fraction

    def say(line: str) -> None:
        clean = without_credentials(line)
        log(clean + "\n")
        report(at[0], clean)

    work.advance, work.say = advance, say


def _begin(home: Home, options: InstallOptions) -> Marker:
    """Write the marker: what an earlier run did counts if it was of the same thing."""
    found = read_marker(home)
    marker = Marker(options.version, options.sha256, options.build)
    same = replace(found, done=()) == marker
    if same and not options.fresh:
        marker = replace(marker, done=tuple(name for name in found.done if home.python.exists()))
    write_record(home.marker, marker)
    home.stamp.unlink(missing_ok=True)
    home.install_log.write_text(f"{datetime.now(timezone.utc).isoformat()} {marker}\n", encoding="utf-8")
    return marker


def _refuse_foreign(home: Home) -> None:
    """Never clear a folder that somebody else made."""
    if home.env.exists() and not home.stamp.exists() and not home.marker.exists():
        raise SetupError(
            _tr("{} was not made by this plugin.").format(home.env),
            hint=_tr("Choose another folder for the backend, or remove that one."),
            code="foreign_folder",
        )


def _check_room(work: Work) -> None:
    """Say that the disk is too small before an hour of downloading does."""
    free_gb = shutil.disk_usage(work.home.root).free / 1e9
    needed_gb = room_gb(work.options.build, bool(work.gpus))
    if work.home.python.exists():
        return  # an update or a resumed run has most of it
    if free_gb < needed_gb:
        raise SetupError(
            _tr("{} has {:.1f} GB of free space; the backend needs {:.0f} GB.").format(
                work.home.root, free_gb, needed_gb
            ),
            hint=_tr("Free some space, or choose another folder for the backend."),
            code="no_space",
        )


def _stamp(work: Work, seconds: float) -> Stamp:
    options, test = work.options, work.test
    if test is None:
        raise SetupError(_tr("The self-test did not run."), code="bug")
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Stamp(
        options.version,
        options.sha256,
        test.identity.python,
        options.build,
        test.device,
        round(seconds, 1),
        now,
        test.warnings,
        test.versions,
    )


def _from_system(error: OSError) -> SetupError:
    info = explain(str(error), 1)
    return SetupError(info.message, hint=info.hint, code=info.code)
