"""Every sentence of the plugin can be translated: the extraction finds it, and so does QGIS."""

from __future__ import annotations

import ast
import sys
from xml.etree import ElementTree

import pytest

from support import ROOT

PLUGIN = ROOT / "nir_lora_plugin"
SOURCES = sorted(PLUGIN.rglob("*.py"))


def translated(path):
    """(arguments, line) of each call of ``tr``, ``translate`` or a module's own ``_tr``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in ("tr", "translate"):
                yield node.args, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(PLUGIN).as_posix())
def test_what_is_translated_is_a_constant(path):
    """``tr(f"{n} files")`` looks translatable and never is."""
    for arguments, line in translated(path):
        passed_on = all(isinstance(a, ast.Name) for a in arguments[-1:])  # a wrapper's own argument
        constant = isinstance(arguments[-1], ast.Constant)
        assert constant or passed_on, f"{path.name}:{line}"


def test_the_extraction_finds_the_dock(tmp_path, monkeypatch):
    pytest.importorskip("PyQt6.lupdate", reason="PyQt6 is not installed (pip install -e .[dev])")
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    sys.modules.pop("make_translations", None)
    import make_translations

    target = tmp_path / "all.ts"
    make_translations.collect(target)
    found = {
        (context.findtext("name"), message.findtext("source"))
        for context in ElementTree.parse(target).iter("context")
        for message in context.iter("message")
    }
    assert {("NirLoraDock", "Train"), ("Readiness", "Choose a raster layer.")} <= found
    wanted = {
        arguments[-1].value
        for path in (PLUGIN / "ui").glob("*.py")
        for arguments, _ in translated(path)
        if isinstance(arguments[-1], ast.Constant)
    }
    assert wanted <= {words for _, words in found}
