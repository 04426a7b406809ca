"""make_translations.py [LANGUAGE ...]: collects the plugin's strings for translators.

Brings the ``resources/i18n/nir_lora_<language>.ts`` that exist, or are named, up to date with the sources:
what is translated stays, what is gone goes. Then a translator (Qt Linguist, or a text editor) fills in what
is unfinished. The ``.qm`` files that QGIS loads are compiled by make_plugin.py and link_plugin.py.

The sources are read here and not by Qt's lupdate, which does not know a module's own ``_tr``.
"""

from __future__ import annotations

import ast
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from qm import compile_ts

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "resources" / "i18n"
PACKAGE = ROOT / "nir_lora_plugin"
Message = tuple[str, str]  # context and source
_UNFINISHED = '<translation type="unfinished"/>'


def sources(package: Path = PACKAGE) -> list[Message]:
    """Every string that can be translated, each once, in order of context and place."""
    files = sorted(package.rglob("*.py"))
    found = dict.fromkeys(message for path in files for message in messages(path.read_text(encoding="utf-8")))
    return sorted(found, key=lambda message: message[0])


def messages(text: str) -> Iterator[Message]:
    """The strings of one module.

    They are ``self.tr("...")`` in a class, which is the context; ``translate("Context", "...")``; and
    ``_tr("...")`` or ``noted("...")`` in a module whose ``_tr`` names the context.
    """
    tree = ast.parse(text)
    own = next(_own_context(tree), "")
    for node in tree.body:
        context = node.name if isinstance(node, ast.ClassDef) else ""
        calls = [child for child in ast.walk(node) if isinstance(child, ast.Call)]
        for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if name == "translate" and len(words) == 2:
                yield words[0], words[1]
            elif name == "tr" and words:
                yield context, words[0]
            elif name in ("_tr", "noted") and words:
                yield own, words[0]


def _own_context(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        bound = (
            [node.name]
            if isinstance(node, ast.FunctionDef)
            else map(ast.unparse, getattr(node, "targets", ()))
        )
        if "_tr" in bound:
            yield from (child.value for child in ast.walk(node) if _is_text(child))  # type: ignore[attr-defined]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def collect(target: Path) -> int:
    """Bring one ``.ts`` file up to date with the sources, or begin it; how many are to be translated."""
    known = _translations(target) if target.exists() else {}
    found = sources()
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<!DOCTYPE TS>"]
    lines.append(f'<TS version="2.1" language="{target.stem.removeprefix("nir_lora_")}">')
    for context in dict.fromkeys(context for context, _ in found):
        lines += ["<context>", f"    <name>{context}</name>"]
        for message in found:
            if message[0] == context:
                lines += ["    <message>", f"        <source>{escape(message[1])}</source>"]
                lines += [f"        {known.get(message, _UNFINISHED)}", "    </message>"]
        lines.append("</context>")
    target.write_text("\n".join([*lines, "</TS>", ""]), encoding="utf-8")
    return sum('type="unfinished"' in line for line in lines)


def _translations(source: Path) -> dict[Message, str]:
    """The ``translation`` elements of a ``.ts`` file."""
    found = {}
    for context in ElementTree.parse(source).iter("context"):
        for message in context.iter("message"):
            element = message.find("translation")
            if element is not None:
                place = context.findtext("name", ""), message.findtext("source", "")
                found[place] = ElementTree.tostring(element, encoding="unicode").strip()
    return found


def compile_all(folder: Path = FOLDER) -> None:
    """Make the ``.qm`` beside every ``.ts``; several processes and threads may do so at once."""
    for source in folder.glob("nir_lora_*.ts"):
        part = source.with_suffix(
            f".qm.{os.getpid()}.{threading.get_ident()}.part"
        )  # several may link at once
        part.write_bytes(compile_ts(source.read_bytes()))
        part.replace(source.with_suffix(".qm"))


def main() -> int:
    """Collect for all languages that exist or are named."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    named = {FOLDER / f"nir_lora_{language}.ts" for language in sys.argv[1:]}
    for target in sorted({*FOLDER.glob("nir_lora_*.ts"), *named}):
        print(f"{target.relative_to(ROOT)}: {collect(target)} to be translated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
