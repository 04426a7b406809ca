"""Small things about log files."""

from __future__ import annotations

from pathlib import Path

_MAX_BYTES = 1_000_000


def tail(path: Path, lines: int = 12, start: int = 0, limit: int = 20_000) -> str:
    """The last lines of a log after byte ``start``, at most ``limit`` bytes; "" when there are none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(start, file.tell() - limit))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def rotate(path: Path) -> int:
    """Move a log that has grown large aside, over the one moved before; the bytes that it has now."""
    size = path.stat().st_size if path.is_file() else 0
    if size <= _MAX_BYTES:
        return size
    path.replace(path.with_suffix(path.suffix + ".1"))
    return 0
