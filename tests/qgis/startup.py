"""PYQGIS_STARTUP of test runs: runs before any plugin, so that no modal error dialog can stop the run.

QGIS shows an unhandled Python error in a dialog and waits. Here it is written to a file instead, and a file
with an entry fails the run.
"""

import os
import traceback
from pathlib import Path

import qgis.utils


def _show_exception(kind, value, trace, message, messagebar=False, level=None):
    text = "".join(traceback.format_exception(kind, value, trace))
    with (Path(os.environ["NIRLORA_INNER_FOLDER"]) / "errors").open("a", encoding="utf-8") as file:
        file.write(f"{message or ''}\n{text}\n")


qgis.utils.showException = _show_exception
