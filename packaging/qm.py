"""Compiles a translation: from the ``.ts`` of translators (XML) to the ``.qm`` that Qt loads.

Qt's own compiler is no Python package, and the format is small: after a magic number come sections, of which
two are needed: the messages, and hashes of their sources with the places of the messages. Plural forms and
the message's disambiguation are not used by this plugin, and are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from xml.etree import ElementTree

_MAGIC = bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd")
_LANGUAGE, _HASHES, _MESSAGES = 0xA7, 0x42, 0x69  # sections
_END, _TRANSLATION, _SOURCE, _CONTEXT, _COMMENT = 1, 3, 6, 7, 8  # parts of a message


def compile_ts(text: bytes) -> bytes:
    """The ``.qm`` of a ``.ts``; unfinished translations are left out.

    Raises:
        ValueError: It has plural forms or disambiguations.
    """
    root = ElementTree.fromstring(text)
    messages, places = b"", []
    for context, source, translation in _finished(root):
        places.append((_hash(source.encode()), len(messages)))
        messages += _part(_TRANSLATION, translation.encode("utf-16-be"))
        messages += _part(_SOURCE, source.encode()) + _part(_CONTEXT, context.encode())
        messages += _part(_COMMENT, b"") + bytes([_END])
    hashes = b"".join(struct.pack(">II", *place) for place in sorted(places))
    language = _section(_LANGUAGE, root.get("language", "").encode())
    return _MAGIC + language + _section(_HASHES, hashes) + _section(_MESSAGES, messages)


def _finished(root: ElementTree.Element) -> Iterator[tuple[str, str, str]]:
    for context in root.iter("context"):
        for message in context.iter("message"):
            source = message.findtext("source", "")
            if message.get("numerus") or message.find("comment") is not None:
                raise ValueError(f"{source!r} has plural forms or a disambiguation")
            translation = message.find("translation")
            if translation is not None and translation.text and translation.get("type") is None:
                yield context.findtext("name", ""), source, translation.text


def _part(tag: int, data: bytes) -> bytes:
    return struct.pack(">BI", tag, len(data)) + data


_section = _part


def _hash(source: bytes) -> int:
    """The hash of the ELF format, which Qt looks a source up by."""
    value = 0
    for byte in source:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value or 1
