"""Every sentence of the plugin can be translated: the extraction finds it, and German has it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import make_translations
from qm import compile_ts
from support import ROOT

PLUGIN = ROOT / "nir_lora_plugin"
SOURCES = sorted(PLUGIN.rglob("*.py"))
GERMAN = ROOT / "resources" / "i18n" / "nir_lora_de.ts"


def translated(path):
    """(arguments, line) of each call that translates."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in ("tr", "_tr", "translate", "noted"):
                yield node.args, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(PLUGIN).as_posix())
def test_what_is_translated_is_a_constant(path):
    """``tr(f"{n} files")`` looks translatable and never is; ``noted`` words are translated when shown."""
    for arguments, line in translated(path):
        passed_on = all(isinstance(a, (ast.Name, ast.Attribute)) for a in arguments[-1:])
        constant = isinstance(arguments[-1], ast.Constant)
        assert constant or passed_on, f"{path.name}:{line}"


def test_the_extraction_finds_every_way_of_saying_it():
    source = """
_tr = partial(translate, "Mine")
KNOWN = noted("a constant"), _tr("two " "parts")
class Panel(QWidget):
    def name(self):
        return self.tr("a widget's") + other(translate("Given", "a place"))
"""
    assert list(make_translations.messages(source)) == [
        ("Mine", "a constant"),
        ("Mine", "two parts"),
        ("Panel", "a widget's"),
        ("Given", "a place"),
    ]
    own = 'def _tr(text: str) -> str:\n    return translate("Own", text)\nx = _tr("y")'
    assert list(make_translations.messages(own)) == [("Own", "y")]


def test_every_constant_has_a_context_and_is_found():
    found = make_translations.sources()
    assert all(context for context, _ in found)
    assert {("NirLoraDock", "Train"), ("Layers", "No layer is chosen."), ("Setup", "The disk is full.")} <= {
        *found
    }
    wanted = {
        arguments[-1].value
        for path in SOURCES
        for arguments, _ in translated(path)
        if isinstance(arguments[-1], ast.Constant)
    }
    assert wanted == {words for _, words in found}


@pytest.fixture
def german():
    """(context, source) -> the element of its translation."""
    return {
        (context.findtext("name"), message.findtext("source")): message.find("translation")
        for context in ElementTree.parse(GERMAN).iter("context")
        for message in context.iter("message")
    }


def test_german_is_whole(german):
    """After a change of words: packaging/make_translations.py, then fill in what is unfinished."""
    assert set(german) == set(make_translations.sources())
    assert not [place for place, words in german.items() if words.get("type") or not words.text]


def test_german_has_the_same_gaps_and_edges(german):
    """Placeholders of the same number and kind; the spaces, dots and file patterns that code relies on."""
    for (_, source), words in german.items():
        text = words.text
        gaps = [sorted(re.findall(r"\{[^}]*\}|\*\.\w+|%\w?", one)) for one in (source, text)]
        assert gaps[0] == gaps[1], source
        for edge in (0, -1):
            assert source[edge].isspace() == text[edge].isspace(), source
        if source.endswith((".", "…", ":")):
            assert text.endswith(source[-1]), source


def test_collecting_again_changes_nothing_and_drops_what_is_gone(tmp_path):
    copy = tmp_path / GERMAN.name
    text = GERMAN.read_text(encoding="utf-8")
    copy.write_text(text, encoding="utf-8")
    assert make_translations.collect(copy) == 0
    assert copy.read_text(encoding="utf-8") == text
    copy.write_text(text.replace("<source>Train</source>", "<source>Old</source>"), encoding="utf-8")
    assert make_translations.collect(copy) == text.count("<source>Train</source>")
    assert "Old" not in copy.read_text(encoding="utf-8")


def test_qt_reads_what_we_compile(german, tmp_path):
    pytest.importorskip("PyQt6.QtCore", reason="PyQt6 is not installed (pip install -e .[dev])")
    compiled = tmp_path / "nir_lora_de.qm"
    compiled.write_bytes(compile_ts(GERMAN.read_bytes()))
    code = (
        "import sys, json; from PyQt6.QtCore import QCoreApplication as Q, QTranslator; app = Q([])\n"
        "t = QTranslator(); assert t.load(sys.argv[1]) and Q.installTranslator(t)\n"
        "print(json.dumps([Q.translate(*pair) for pair in json.load(sys.stdin)]))"
    )
    pairs = [*german, ("NoContext", "Train")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(compiled)], input=json.dumps(pairs), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [words.text for words in german.values()] + ["Train"]


def test_plural_forms_are_refused():
    message = '<message numerus="yes"><source>%n</source></message>'
    text = f'<TS language="de"><context><name>A</name>{message}</context></TS>'
    with pytest.raises(ValueError, match="plural"):
        compile_ts(text.encode())
