"""What is installed, read from the disk: nothing else knows or remembers it."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Dict, Tuple

from nir_lora_plugin.protocol import ProtocolError, from_dict
from nir_lora_plugin.translation import translate

from .home import Home
from .lock import is_held

_tr = partial(translate, "Setup")


class BackendState(enum.Enum):
    """State of the backend on this computer. RUNNING is what only the manager can know."""

    NOT_INSTALLED = "not installed"
    INSTALLING = "installing"
    INCOMPLETE = "incomplete"
    BROKEN = "broken"
    OUTDATED = "outdated"
    READY = "ready"
    RUNNING = "running"


@dataclass(frozen=True)
class Stamp:
    """What a whole installation was made of."""

    version: str  # of the backend
    wheel_sha256: str
    python: str  # version, as 3.11.2
    build: str  # the torch build asked for: auto | cpu | cuda
    device: str  # what the self-test ran on
    seconds: float
    date: str  # ISO 8601, UTC
    warnings: Tuple[str, ...] = ()  # what works less well than it could
    versions: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Marker:
    """What an unfinished installation has done."""

    version: str
    wheel_sha256: str
    build: str
    done: Tuple[str, ...] = ()  # names of steps


def read_state(root: Path, version: str = "", wheel_sha256: str = "") -> Tuple[BackendState, str]:
    """State of the installation in folder ``root``, and a sentence about it. Fast enough for the main thread.

    Args:
        root: The backend's folder.
        version: The version that the plugin needs; "" takes any.
        wheel_sha256: Of the wheel that came with the plugin; "" takes any.
    """
    home = Home(root)
    if is_held(home.lock):
        return BackendState.INSTALLING, _tr("This takes a few minutes; QGIS can be used meanwhile.")
    if home.marker.exists():
        return BackendState.INCOMPLETE, _tr("An installation was begun and not finished; it can be resumed.")
    if not home.stamp.exists():
        if home.env.exists():
            return BackendState.BROKEN, _tr("{} holds something that this plugin did not install.").format(
                home.env
            )
        return BackendState.NOT_INSTALLED, _tr("The backend is not installed on this computer yet.")
    try:
        stamp = read_stamp(home)
    except (OSError, ValueError) as error:
        return BackendState.BROKEN, _tr("The installation's record cannot be read: {}.").format(error)
    if not home.python.exists():  # follows the link: the Python below it may be gone
        return (
            BackendState.BROKEN,
            _tr("Its Python is gone: {}. The system's Python may have changed.").format(home.python),
        )
    if version and stamp.version != version:
        return BackendState.OUTDATED, _tr("Version {} is installed, this plugin needs {}.").format(
            stamp.version, version
        )
    if wheel_sha256 and stamp.wheel_sha256 != wheel_sha256:
        return BackendState.OUTDATED, _tr("Another build of version {} is installed.").format(stamp.version)
    return BackendState.READY, _tr("Version {}, {}.").format(stamp.version, stamp.device or "?")


def read_stamp(home: Home) -> Stamp:
    """The installation's record.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged.
    """
    return from_dict(Stamp, json.loads(home.stamp.read_text(encoding="utf-8")))


def read_marker(home: Home) -> Marker:
    """What an unfinished installation has done; an empty one when there is none or it is damaged."""
    try:
        return from_dict(Marker, json.loads(home.marker.read_text(encoding="utf-8")))
    except (OSError, ValueError, ProtocolError):
        return Marker("", "", "")


def write_record(path: Path, record: Any) -> None:
    """Write a dataclass as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    part.replace(path)
