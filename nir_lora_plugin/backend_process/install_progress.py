"""How far an installation is, guessed from what uv and pip print (neither prints percentages to a pipe)."""

from __future__ import annotations

import re
from typing import Callable, Dict, Set

_UNITS = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "kB": 1e3 / 2**20, "MB": 1e6 / 2**20, "GB": 1e9 / 2**20}
_DOWNLOADING = re.compile(r"^\s*Downloading (\S+) \((?:[\d.]+/)?([\d.]+) ?([KMG]iB|[kMG]B)\)")
_DOWNLOADED = re.compile(r"^\s*(?:Downloaded|Built) (\S+)")
_LANDMARKS = (
    (re.compile(r"^Prepared \d+ packages?"), 0.9),
    (re.compile(r"^Installing collected packages"), 0.9),
    (re.compile(r"^(?:Installed \d+ packages?|Successfully installed)"), 1.0),
)


class InstallProgress:
    """Feed it lines; ``fraction`` (0..1) never falls and is told to ``advance`` at each."""

    def __init__(self, advance: Callable[[float], None] = lambda fraction: None) -> None:
        self.fraction = 0.0
        self._advance = advance
        self._size_mb: Dict[str, float] = {}
        self._here: Set[str] = set()

    def feed(self, line: str) -> None:
        """Take one line in."""
        downloading, downloaded = _DOWNLOADING.match(line), _DOWNLOADED.match(line)
        if downloading:
            self._size_mb[downloading[1]] = float(downloading[2]) * _UNITS[downloading[3]]
        elif downloaded:
            self._here.add(downloaded[1])
        reached = next((value for pattern, value in _LANDMARKS if pattern.match(line)), self._downloads())
        self.fraction = max(self.fraction, reached)
        self._advance(self.fraction)

    def _downloads(self) -> float:
        total = sum(self._size_mb.values())
        here = sum(size for name, size in self._size_mb.items() if name in self._here)
        return 0.02 + 0.83 * here / total if total and self._here else 0.02 if total else 0.0
