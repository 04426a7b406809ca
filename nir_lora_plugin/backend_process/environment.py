"""The environment variables and process options with which QGIS starts a Python that is not its own."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Mapping, Optional

# QGIS sets several of these for its own Python, GDAL and Qt; in another Python they load the wrong files.
_DROPPED = {
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "DYLD_INSERT_LIBRARIES",
    "LD_PRELOAD",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "__PYVENV_LAUNCHER__",
}
_DROPPED_PREFIXES = ("PYTHON", "QGIS_", "GDAL_", "PROJ_", "OGR_", "CPL_", "GISBASE", "OSGEO4W")


def scrubbed_environment(base: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """``base`` (default: this process's environment) without what belongs to QGIS and its Python."""
    base = os.environ if base is None else base
    kept = {
        name: value
        for name, value in base.items()
        if name.upper() not in _DROPPED and not name.upper().startswith(_DROPPED_PREFIXES)
    }
    kept["PYTHONUTF8"] = "1"  # a Windows code page cannot say every path; isolated Pythons ignore it
    kept["PYTHONNOUSERSITE"] = "1"
    return kept


def popen_options() -> Dict[str, Any]:
    """Options for ``subprocess.Popen``: no console window, no Ctrl-C of the terminal that QGIS came from."""
    if sys.platform == "win32":
        return {"creationflags": 0x08000000}  # CREATE_NO_WINDOW
    return {"start_new_session": True}
