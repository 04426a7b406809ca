"""The backend speaks of options as the command line has them; here they are parameters of an algorithm."""

from __future__ import annotations

import re
from typing import Container

_OTHERS = {"LAYER": "INPUT", "OUT": "OUTPUT"}


def with_parameters(text: str, names: Container[str]) -> str:
    """``text`` with ``--tile-px`` and the like as ``TILE_PX``, if that is one of the parameters ``names``."""

    def name(match: re.Match[str]) -> str:
        wanted = match[1].upper().replace("-", "_")
        wanted = _OTHERS.get(wanted, wanted)
        return wanted if wanted in names else match[0]

    return re.sub(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])", name, text)
