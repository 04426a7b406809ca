"""``qgis.PyQt`` over PyQt6, enough to run the plugin's widgets without QGIS, as QGIS 4 will."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

_QT = ("QtCore", "QtGui", "QtWidgets")


@contextmanager
def qgis_over_qt6() -> Iterator[object]:
    """Make ``qgis.PyQt`` importable and yield the QApplication; afterwards nothing of it is left."""
    before = dict(sys.modules)
    root, shim = types.ModuleType("qgis"), types.ModuleType("qgis.PyQt")
    root.PyQt = shim  # type: ignore[attr-defined]
    sys.modules.update({"qgis": root, "qgis.PyQt": shim})
    for name in _QT:
        module = importlib.import_module(f"PyQt6.{name}")
        setattr(shim, name, module)
        sys.modules[f"qgis.PyQt.{name}"] = module
    widgets = importlib.import_module("PyQt6.QtWidgets")
    application = widgets.QApplication.instance() or widgets.QApplication(["tests", "-platform", "offscreen"])
    try:
        yield application
    finally:
        for name in [*sys.modules]:
            if name not in before and name.split(".")[0] in ("qgis", "nir_lora_plugin"):
                del sys.modules[name]
