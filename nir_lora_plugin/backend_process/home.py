"""The folder that holds the backend's environment, its state and its logs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """Names inside the folder ``root``, which nothing but the plugin and its backend writes to."""

    root: Path

    @property
    def env(self) -> Path:
        """The backend's own Python environment."""
        return self.root / "env"

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return env_python(self.env)

    @property
    def stamp(self) -> Path:
        """Written last: an installation is whole only with it."""
        return self.root / "installed.json"

    @property
    def marker(self) -> Path:
        """Written first, removed last: what an unfinished installation has done so far."""
        return self.root / "incomplete.json"

    @property
    def lock(self) -> Path:
        """Held (as a lock of the operating system) by whoever installs."""
        return self.root / "install.lock"

    @property
    def tools(self) -> Path:
        """Where uv is unpacked."""
        return self.root / "tools"

    @property
    def cache(self) -> Path:
        """Downloaded packages; hard links into the environment, so they cost no extra room."""
        return self.root / "cache"

    @property
    def managed_pythons(self) -> Path:
        """Pythons that uv downloaded."""
        return self.root / "python"

    @property
    def install_log(self) -> Path:
        """What the last installation printed."""
        return self.root / "install.log"

    @property
    def state(self) -> Path:
        """The backend's job list and logs."""
        named = os.environ.get("NIRLORA_STATE_DIR")
        return Path(named) if named else self.root / "state"


def env_python(env: Path) -> Path:
    """The Python of a virtual environment."""
    return env / "Scripts" / "python.exe" if sys.platform == "win32" else env / "bin" / "python"


def find_home(chosen: str = "") -> Home:
    """The folder to use: the environment variable NIRLORA_HOME, else ``chosen``, else one per user."""
    named = os.environ.get("NIRLORA_HOME") or chosen
    return Home(Path(named).expanduser().absolute() if named else _user_data() / "nirlora")


def _user_data() -> Path:
    """Where programs keep data of a user that is not to roam with the user's profile."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
