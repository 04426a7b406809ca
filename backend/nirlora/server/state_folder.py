"""Where the backend keeps its jobs and logs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nirlora.errors import OutputError

VARIABLE = "NIRLORA_STATE_DIR"


def state_folder() -> Path:
    """The folder named by ``NIRLORA_STATE_DIR``, else one of this user; made if needed, for the owner alone.

    Raises:
        OutputError: It cannot be made or used.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else _default()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # requests and logs name the user's files
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be used: {error}.", hint=f"Set {VARIABLE} to another one."
        ) from error
    return folder


def _default() -> Path:
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "nirlora"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "nirlora"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "nirlora"
