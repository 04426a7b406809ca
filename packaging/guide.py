"""The guide to the panel as one page with its pictures, for a plugin that is used without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>NIR-LoRA in QGIS</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }}
body {{ color: #222; background: #fff }}
code {{ background: #f0f0f0; padding: 0 .2em }} pre {{ background: #f0f0f0; padding: .8em; overflow-x: auto }}
table {{ border-collapse: collapse }}
td, th {{ text-align: left; vertical-align: top; padding: .2em 1em .2em 0 }}
img {{ max-width: 100%; border: 1px solid #ddd }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def guide(source: Path) -> dict[str, bytes]:
    """``index.html`` and the pictures it shows, by their names relative to it.

    Args:
        source: The guide in Markdown; its pictures lie at the places that it names, relative to it.
    """
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(source.read_text(encoding="utf-8"))
    files = {}
    for token in tokens:
        token.children = list(_without_other_pages(token.children or []))
        for name in [str(child.attrs["src"]) for child in token.children if child.type == "image"]:
            files[name] = (source.parent / name).read_bytes()
    body = markdown.renderer.render(tokens, markdown.options, {})
    files["index.html"] = _PAGE.format(body=body).encode()
    return files


def _without_other_pages(inline: list[Token]) -> Iterator[Token]:
    """Links to other pages of the project become plain words: those pages are not there."""
    dropped = False
    for token in inline:
        if token.type == "link_open" and "://" not in str(token.attrs["href"]):
            dropped = True
        elif token.type == "link_close" and dropped:
            dropped = False
        else:
            yield token
