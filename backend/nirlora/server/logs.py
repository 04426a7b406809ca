"""The backend's log: a file in the state folder that is rotated before it grows large."""

from __future__ import annotations

import logging
import logging.handlers
import os
from pathlib import Path

_BYTES, _OLD_FILES = 2 * 2**20, 3


def start_log(folder: Path) -> Path:
    """Send everything that is logged in this process to a file in ``folder``; returns its path.

    Requests are not logged: their headers hold the token.
    """
    path = folder / "backend.log"
    os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=_BYTES, backupCount=_OLD_FILES, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter(f"%(asctime)s {os.getpid()} %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return path
