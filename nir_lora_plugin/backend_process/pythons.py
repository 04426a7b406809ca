"""Pythons on this computer: what the backend's environment can be made from."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Tuple

from .processes import run

OLDEST, NEWEST = (3, 10), (3, 14)
UV_RANGE = f">={OLDEST[0]}.{OLDEST[1]},<={NEWEST[0]}.{NEWEST[1]}.99"
MANAGED = "3.12"  # what uv downloads where the system has none
_PROBE = (
    "import json, sys, importlib.util as u; has = lambda *n: all(u.find_spec(x) is not None for x in n); "
    "print(json.dumps({'version': list(sys.version_info[:3]), 'pip': has('pip'), "
    "'venv': has('venv', 'ensurepip')}))"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs. ``has_venv``: it can make environments with pip in them."""

    path: str
    version: Tuple[int, int, int]
    has_pip: bool
    has_venv: bool

    @property
    def fits(self) -> bool:
        """Whether the backend can run on this version."""
        return OLDEST <= self.version[:2] <= NEWEST


def find_interpreters(environment: Mapping[str, str]) -> List[Interpreter]:
    """Pythons, QGIS's own base first; each was started once."""
    found = (probe(path, environment) for path in dict.fromkeys(_candidates()))
    return [interpreter for interpreter in found if interpreter is not None]


def probe(path: str, environment: Mapping[str, str]) -> Optional[Interpreter]:
    """What a Python is, None if it does not start."""
    outcome = run([path, "-I", "-c", _PROBE], environment, timeout_s=30)
    if outcome.code != 0:
        return None
    try:
        facts = json.loads(outcome.last_json)
        major, minor, micro = facts["version"]
        return Interpreter(path, (major, minor, micro), facts["pip"], facts["venv"])
    except (ValueError, KeyError, TypeError):
        return None


def _candidates() -> Iterator[str]:
    """QGIS's own base Python, then what is on the PATH; ``sys.executable`` may be QGIS itself."""
    base, version = Path(sys.base_prefix), f"{sys.version_info[0]}.{sys.version_info[1]}"
    names = ["python.exe"] if sys.platform == "win32" else [f"bin/python{version}", "bin/python3"]
    existing = [base / name for name in names if (base / name).is_file()]
    yield from (str(path) for path in existing[:1])
    newest_first = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    for name in ("python3", "python", *newest_first):
        path = shutil.which(name)
        if path and "WindowsApps" not in path:  # there it opens the store
            yield path
