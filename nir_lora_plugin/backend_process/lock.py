"""A lock between processes that the operating system releases when its holder dies."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Optional, Type

from nir_lora_plugin.errors import SetupError
from nir_lora_plugin.translation import translate

_tr = partial(translate, "Setup")

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class InstallLock:
    """Context manager: only one program installs at a time.

    Raises:
        SetupError: Another one does, in this or another QGIS.
    """

    def __init__(self, path: Path, wait_s: float = 2.0) -> None:
        self._path = path
        self._wait_s = wait_s
        self._file: Optional[IO[bytes]] = None

    def __enter__(self) -> InstallLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab")
        deadline = time.monotonic() + self._wait_s  # is_held holds it for an instant
        while True:
            try:
                _take(file)
                self._file = file
                return self
            except OSError as error:
                if time.monotonic() > deadline:
                    file.close()
                    raise SetupError(
                        _tr("The backend is already being installed, here or by another QGIS."),
                        hint=_tr("Wait until it is done."),
                        code="busy",
                    ) from error
            time.sleep(0.05)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._file is not None:
            self._file.close()  # releases it


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock."""
    if not path.exists():
        return False
    try:
        with path.open("ab") as file:
            _take(file)
    except OSError:
        return True
    return False
