"""qt_names.py pyqt6|qgis FOLDER...: every name of Qt and QGIS that the sources write must exist.

A QGIS plugin meets Qt 5 and Qt 6 and ten years of QGIS, and a name that is missing is found by the user, at
the click. ``pyqt6`` needs nothing but the PyQt6 wheel and looks up what comes from ``qgis.PyQt``; ``qgis``
runs in the Python of a QGIS (the oldest supported one is the one that matters) and looks up all of ``qgis``,
and that enum values are written with their enum, which is the only way that works in Qt 6.

What is seen: ``Class.member.member`` of imported names. What a variable holds is not; tests run that.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ABSENT = object()
# qgis.PyQt re-exports these where Qt 5 has them, wherever Qt 6 put them.
MOVED = {"PyQt6.QtWidgets": "PyQt6.QtGui", "PyQt6.QtCore": "PyQt6.QtGui"}
# qgis.PyQt puts these back in Qt 6, QVariant with its types as plain members; PyQt6 itself lacks them.
SHIMMED = {("qgis.PyQt.QtCore", "QVariant"), ("qgis.PyQt.QtCore", "NULL")}


@dataclass(frozen=True)
class Use:
    """One ``import`` or attribute chain: ``name`` of ``module``, then ``members``."""

    line: int
    module: str
    name: str
    members: tuple[str, ...] = ()


def uses(source: str) -> Iterator[Use]:
    """Names of ``qgis`` that ``source`` imports, and the attribute chains that start with one."""
    tree = ast.parse(source)
    origin: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").split(".")[0] == "qgis"
            and not node.level
        ):
            for alias in node.names:
                origin[alias.asname or alias.name] = (node.module or "", alias.name)
                yield Use(node.lineno, node.module or "", alias.name)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            chain, root = _chain(node)
            if isinstance(root, ast.Name) and root.id in origin:
                yield Use(node.lineno, *origin[root.id], chain)


def wrong_in(source: str, kind: str) -> list[tuple[int, str]]:
    """(line, what is wrong) of every name that does not exist in ``kind`` (``pyqt6`` or ``qgis``)."""
    wrong = [
        (node.lineno, f".{node.attr}: Qt 6 has no such method; it is {node.attr[:-1]}")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in ("exec_", "print_")
    ]
    for use in uses(source):
        if kind == "pyqt6" and (not use.module.startswith("qgis.PyQt") or (use.module, use.name) in SHIMMED):
            continue
        text = _problem(use, kind)
        if text:
            wrong.append((use.line, text))
    return sorted(set(wrong))


def _chain(node: ast.expr) -> tuple[tuple[str, ...], ast.expr]:
    members: list[str] = []
    while isinstance(node, ast.Attribute):
        members.insert(0, node.attr)
        node = node.value
    return tuple(members), node


def _problem(use: Use, kind: str) -> str:
    module = use.module.replace("qgis.PyQt", "PyQt6") if kind == "pyqt6" else use.module
    value = _lookup(module, use.name)
    path = f"{module}.{use.name}"
    if value is ABSENT:
        return f"{path} does not exist"
    owner: Any = None
    for member in use.members:
        owner, value, path = value, getattr(value, member, ABSENT), f"{path}.{member}"
        if value is ABSENT:
            return f"{path} does not exist"
        if (use.module, use.name) not in SHIMMED and _is_unscoped(owner, value):
            return f"{path} is a value of {type(value).__name__}: write {type(value).__name__}.{member}"
        if not isinstance(value, type):
            break  # a method, or a value: what comes after is not a name of the class
    return ""


def _lookup(module: str, name: str) -> Any:
    for place in (module, MOVED.get(module, "")):
        if place and hasattr(importlib.import_module(place), name):
            return getattr(importlib.import_module(place), name)
    found = importlib.util.find_spec(f"{module}.{name}") if hasattr(sys.modules[module], "__path__") else None
    return importlib.import_module(f"{module}.{name}") if found else ABSENT


def _is_unscoped(owner: Any, value: Any) -> bool:
    """Whether ``value`` is an enum's value that is taken from the class around the enum."""
    kind = type(value)
    if not isinstance(owner, type) or kind in (int, bool, float) or kind is owner:
        return False
    return isinstance(value, int) and getattr(owner, kind.__name__, None) is kind


def main() -> int:
    """Check the folders that the command line names."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("pyqt6", "qgis"):
        print(__doc__)
        return 2
    found = 0
    for folder in sys.argv[2:]:
        for path in sorted(Path(folder).rglob("*.py")):
            for line, text in wrong_in(path.read_text(encoding="utf-8"), sys.argv[1]):
                found += 1
                print(f"{path}:{line}: {text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
