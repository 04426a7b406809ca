"""Hints of the backend name options of the command line; in the dock they name what stands there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from nirlora.protocol import ErrorInfo
from qt6_shim import qgis_over_qt6

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 is not installed (pip install -e .[dev])")
UI = Path(__file__).resolve().parents[2] / "nir_lora_plugin" / "ui"


@pytest.fixture(scope="module")
def problem():
    with qgis_over_qt6():
        yield importlib.import_module("nir_lora_plugin.ui.problem")


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("Say which band it is with --bands nir=4.", "Say which band it is with “Model sees” nir=4."),
        ("Use --batch 2, or --device cpu.", "Use --batch 2, or “Device” cpu."),
        ("Train anew, or --allow-mismatch.", "Train anew, or “Run it all the same”."),
        ("Repeat with --max-difference 1.", "Repeat with --max-difference 1."),
        ("A - B -- C", "A - B -- C"),
    ],
)  # fmt: skip
def test_options_are_named_as_in_the_dock(problem, hint, shown):
    assert problem.problem_text(ErrorInfo("code", "It went wrong.", hint)) == f"It went wrong. {shown}"


def test_without_a_hint_there_is_only_what_happened(problem):
    assert problem.problem_text(ErrorInfo("code", "--bands is wrong.", "")) == "--bands is wrong."


def test_every_name_stands_in_the_dock_where_it_is_translated(problem):
    marked = set()
    for path in UI.glob("*.py"):
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(part, ast.ClassDef):
                calls = [n for n in ast.walk(part) if isinstance(n, ast.Call) and n.args]
                texts = [
                    c.args[0] for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "tr"
                ]
                marked |= {(part.name, text.value) for text in texts if isinstance(text, ast.Constant)}
    assert set(problem._IN_DOCK.values()) <= marked
