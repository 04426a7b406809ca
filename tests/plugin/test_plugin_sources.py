"""What the plugin's sources show without running: Python 3.9, allowed imports, names of Qt and QGIS."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qt_names import wrong_in
from support import ROOT

PLUGIN = ROOT / "nir_lora_plugin"
SOURCES = sorted(PLUGIN.rglob("*.py"))
SYSTEM_PYTHON = Path("/usr/bin/python3")  # where Debian's QGIS is importable
ALLOWED = set(sys.stdlib_module_names) | {"qgis", "osgeo", "processing", "nir_lora_plugin"}
# The standard library of a newer Python than QGIS 3.22's.
TOO_NEW = {"tomllib", "distutils", "imp"}


def ids(path: Path) -> str:
    return path.relative_to(PLUGIN).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_is_python_39(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    future = "from __future__ import annotations" in text
    for node in ast.walk(tree):
        assert not isinstance(node, getattr(ast, "Match", ())), "match is Python 3.10"
        if isinstance(node, (ast.FunctionDef, ast.AnnAssign, ast.ClassDef)):
            assert future, "annotations are evaluated on Python 3.9 without the future import"
        if isinstance(node, ast.Call):
            keywords = {keyword.arg for keyword in node.keywords}
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            assert not (name == "zip" and "strict" in keywords), "zip(strict=) is Python 3.10"
            assert not (name == "dataclass" and keywords & {"slots", "kw_only"}), "Python 3.10"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_imports_only_what_every_qgis_has(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] in ALLOWED - TOO_NEW, f"line {node.lineno}: {name}"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_files_stay_readable(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{lines} lines: split it"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_qt_names_exist_in_qt6(path):
    pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 is not installed (pip install -e .[dev])")
    assert not wrong_in(path.read_text(encoding="utf-8"), "pyqt6")


def test_qgis_names_exist_in_the_qgis_of_this_machine():
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["QT_QPA_PLATFORM"] = "offscreen"
    if (
        not SYSTEM_PYTHON.exists()
        or subprocess.run(
            [SYSTEM_PYTHON, "-c", "import qgis.core"], env=environment, capture_output=True
        ).returncode
    ):
        pytest.skip("QGIS is not installed (apt install qgis python3-qgis)")
    command = [SYSTEM_PYTHON, "-B", str(ROOT / "packaging" / "qt_names.py"), "qgis", str(PLUGIN)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_of_names_sees_what_breaks():
    """Each line of the sample but those marked fine would fail at a user's click in Qt 6."""
    pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 is not installed (pip install -e .[dev])")
    sample = """
from qgis.PyQt.QtCore import Qt, QVariant, QProcess  # fine
from qgis.PyQt.QtWidgets import QAction, QMessageBox  # fine
from qgis.PyQt.QtWidgets import QDesktopWidget
Qt.LeftButton
Qt.MouseButton.LeftButton  # fine
QVariant.Int  # fine
QMessageBox().exec_()
ask = QMessageBox.Yes if QProcess.ProcessState.Running else QMessageBox.StandardButton.No
"""
    expected = [n for n, line in enumerate(sample.splitlines(), 1) if line and "fine" not in line]
    assert [line for line, _ in wrong_in(sample, "pyqt6")] == expected
