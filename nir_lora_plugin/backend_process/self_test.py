"""Does an installed backend work: on the device, and as a process that answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

from nir_lora_plugin.client import Client
from nir_lora_plugin.errors import Cancelled, SetupError
from nir_lora_plugin.protocol import PROTOCOL
from nir_lora_plugin.translation import translate

from .advice import explain
from .environment import scrubbed_environment
from .launcher import Backend
from .processes import run

_tr = partial(translate, "Setup")

_DOCTOR = "import json; from nirlora.doctor import examine; print(json.dumps(examine().to_dict()))"
_WHO = (
    "import json, nirlora, nirlora.protocol as p, sys; "
    "print(json.dumps({'version': nirlora.__version__, 'protocol': p.PROTOCOL, "
    "'python': '.'.join(map(str, sys.version_info[:3]))}))"
)
_LOOK_S = 0.1
_TEST_S = 600.0  # the first import of torch from a cold, scanned disk


@dataclass(frozen=True)
class Identity:
    """Which backend a Python has."""

    version: str
    protocol: int
    python: str


@dataclass(frozen=True)
class Passed:
    """A passed self-test. ``warnings``: what works less well than it could."""

    identity: Identity
    device: str
    warnings: Tuple[str, ...]
    versions: Dict[str, str]


def identify(python: Path, is_cancelled: Callable[[], bool] = lambda: False) -> Identity:
    """Which nirlora a Python has; a second or so.

    Raises:
        SetupError: It does not start, has no nirlora, or one that speaks another protocol.
    """
    command = [str(python), "-I", "-c", _WHO]
    outcome = run(command, scrubbed_environment(), is_cancelled=is_cancelled, timeout_s=60)
    if outcome.code == -1:
        raise SetupError(
            _tr("{} cannot be started.").format(python),
            hint=_tr("Choose the python program of an environment."),
            code="no_python",
        )
    if "No module named 'nirlora'" in outcome.output:
        command_line = f"{python} -m pip install <the wheel in the plugin's folder>"
        raise SetupError(
            _tr("{} has no nirlora.").format(python),
            hint=_tr("Install it there with: {}").format(command_line),
            code="no_nirlora",
        )
    if outcome.code != 0 or not outcome.last_json:
        last = (outcome.output.splitlines() or [""])[-1]
        raise SetupError(
            _tr("nirlora of {} does not work: {}").format(python, last),
            hint=_tr("Reinstall it there."),
            code="broken",
        )
    identity = Identity(**json.loads(outcome.last_json))
    if identity.protocol != PROTOCOL:
        raise SetupError(
            _tr("nirlora {} of {} speaks protocol {}, this plugin needs {}.").format(
                identity.version, python, identity.protocol, PROTOCOL
            ),
            hint=_tr("Install the wheel that came with the plugin there."),
            code="protocol_mismatch",
        )
    return identity


def self_test(
    python: Path,
    state_dir: Path,
    *,
    on_line: Callable[[str], None] = lambda line: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    has_gpu: bool = False,
) -> Passed:
    """Try every device, then start the backend and ask how it is.

    Raises:
        SetupError: It does not work; says why and what to do.
        BackendGone: The process does not start.
        BackendError: Its worker, where jobs run, does not start.
        Cancelled: ``is_cancelled`` said so.
    """
    identity = identify(python, is_cancelled)
    command = [str(python), "-I", "-c", _DOCTOR]
    environment = scrubbed_environment()
    outcome = run(command, environment, is_cancelled=is_cancelled, timeout_s=_TEST_S)
    report: Dict[str, Any] = json.loads(outcome.last_json) if outcome.code == 0 and outcome.last_json else {}
    if not report:
        info = explain(outcome.output, outcome.code)
        message = _tr("The self-test did not run.")
        raise SetupError(f"{message} {info.message}", hint=info.hint, code=info.code)
    for check in report["checks"]:
        on_line(f"{check['name']}: {check['detail']}")
    if not report["usable"]:
        raise SetupError(*_first_problem(report), code="self_test")
    on_line(_tr("Starting the backend ..."))
    backend = Backend(python, state_dir)
    try:
        _wait_for_worker(backend.start(), is_cancelled)
    finally:
        backend.stop()
    device = _best_device(report)
    warnings = [f"{problem['message']} {problem['cure']}" for problem in report["problems"]]
    if has_gpu and not device.startswith("cuda"):
        warnings.append(
            _tr(
                "There is an NVIDIA GPU, but torch cannot use it: install again with the GPU build, or "
                "update the driver. Until then the CPU is used."
            )
        )
    return Passed(identity, device, tuple(warnings), report["versions"])


def _wait_for_worker(client: Client, is_cancelled: Callable[[], bool]) -> None:
    """Return when the process that computes has loaded all it needs."""
    while (worker := client.health().worker) == "starting":
        if is_cancelled():
            raise Cancelled(_tr("The installation was stopped."))
        time.sleep(_LOOK_S)
    if worker == "off":  # it has ended; asked once more, it says why
        client.backbones()
        raise SetupError(_tr("The self-test failed: {}").format(worker), code="self_test")


def _best_device(report: Dict[str, Any]) -> str:
    """The device that jobs will run on, "cuda:0 works, <name>"; a GPU before the CPU."""
    works = [check for check in report["checks"] if check["ok"] and check["name"].startswith("torch ")]
    works.sort(key=lambda check: check["name"] == "torch cpu")
    return f"{works[0]['name'][6:]}: {works[0]['detail'].removeprefix('works, ')}" if works else ""


def _first_problem(report: Dict[str, Any]) -> Tuple[str, ...]:
    problems = report["problems"] or [{"message": "no device works", "cure": ""}]
    said = f"{problems[0]['message']} {problems[0]['cure']}".strip()
    return (_tr("The self-test failed: {}").format(said),)
