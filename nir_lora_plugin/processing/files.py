"""Result files to where the user wants them."""

from __future__ import annotations

import shutil
from pathlib import Path

from nir_lora_plugin.errors import PluginError


def move(path: str, wanted: str) -> str:
    """Move a result (and the style beside it) to ``wanted``, "" for leaving it; returns where it lies.

    Raises:
        PluginError: That place cannot be written.
    """
    if not path or not wanted or Path(wanted) == Path(path):
        return path
    style = Path(path).with_suffix(".qml")
    try:
        shutil.move(path, wanted)
        if style.exists():
            shutil.move(str(style), str(Path(wanted).with_suffix(".qml")))
    except OSError as error:
        raise PluginError(
            f"{wanted} cannot be written: {error.strerror or error}.", hint=f"The result is kept as {path}."
        ) from error
    return wanted
