"""Vector files that another program is writing to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOG = "-wal"  # of an SQLite file (GeoPackage): what is not in it yet
_TRIES = 5


@contextmanager
def undisturbed(file: str) -> Iterator[str]:
    """``file`` itself, or a copy for as long as the block lasts if another program has it open for writing.

    QGIS keeps a GeoPackage that is edited open, with its last changes in a log beside it. Whoever opens the
    file and closes it again may be taken for the last one and removes the log, although QGIS goes on using
    it: its layer cannot be read any more. Reading plain bytes disturbs nobody.
    """
    path = Path(file)
    log = Path(file + _LOG)
    if file.startswith("/vsi") or not log.exists():
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="nirlora-") as folder:
        copy = Path(folder) / path.name
        for _ in range(_TRIES):
            before = _state(path, log)
            shutil.copyfile(path, copy)
            if log.exists():
                shutil.copyfile(log, copy.with_name(log.name))
            if before == _state(path, log):
                break
        yield str(copy)


def _state(*paths: Path) -> list[tuple[int, int]]:
    """Sizes and times of change: they differ when something was written meanwhile."""
    found = [path.stat() for path in paths if path.exists()]
    return [(stat.st_size, stat.st_mtime_ns) for stat in found]
