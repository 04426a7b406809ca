"""The bytes of a TIFF: its first directory, and files put together of the tiles of others."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

TILE_OFFSETS, TILE_COUNTS = 324, 325
SUBFILE_TYPE = 254
_REDUCED = 1  # the value of SUBFILE_TYPE that says: an overview
_LONG, _LONG8 = 4, 16
_SIZE = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_CLASSIC_BYTES = 2**32 - 2**20  # what 32-bit offsets reach, less a margin
_LEADER = _TRAILER = 4

Entries = dict[int, tuple[int, int, bytes]]
"""Tag -> (type, count, value as bytes in the file's byte order)."""


@dataclass(frozen=True)
class Layout:
    """How a kind of TIFF packs its directories: classic with 32-bit offsets, or BigTIFF with 64."""

    order: str  # "<" or ">"
    big: bool

    @property
    def header_bytes(self) -> int:
        """Of the fixed part at the start of the file."""
        return 16 if self.big else 8

    @property
    def word(self) -> struct.Struct:
        """An offset, and the count of an entry."""
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def number(self) -> struct.Struct:
        """The number of entries of a directory."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    def header(self, first: int) -> bytes:
        """The start of a file whose first directory is at ``first``."""
        mark = b"II" if self.order == "<" else b"MM"
        if self.big:
            return mark + struct.pack(self.order + "HHHQ", 43, 8, 0, first)
        return mark + struct.pack(self.order + "HI", 42, first)


@dataclass(frozen=True)
class Image:
    """The first image of a tiled TIFF.

    Attributes:
        path: Of the file.
        order: Byte order, ``"<"`` or ``">"``.
        entries: All tags, those of the tiles' places left out.
        offsets, counts: Where each tile is in the file and its bytes; 0 and 0: a tile that is not there.
    """

    path: Path
    order: str
    entries: Entries
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]


def read_image(path: Path) -> Image:
    """Read the first directory of a TIFF.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no tiled TIFF.
    """
    with path.open("rb") as file:
        start = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(start[:2], "")
        version = struct.unpack(order + "H", start[2:4])[0] if order else 0
        if version not in (42, 43):
            raise ValueError(f"{path} is no TIFF")
        layout = Layout(order, version == 43)
        at = layout.word.unpack_from(start, 8 if layout.big else 4)[0]
        entries = _read_entries(file, layout, at)
    if TILE_OFFSETS not in entries or TILE_COUNTS not in entries:
        raise ValueError(f"{path} has no tiles")
    offsets, counts = (_integers(entries.pop(tag), order) for tag in (TILE_OFFSETS, TILE_COUNTS))
    return Image(path, order, entries, offsets, counts)


def _read_entries(file: IO[bytes], layout: Layout, at: int) -> Entries:
    file.seek(at)
    (number,) = layout.number.unpack(file.read(layout.number.size))
    head, word = struct.Struct(layout.order + "HH"), layout.word
    size = head.size + 2 * word.size
    table = file.read(number * size)
    entries: Entries = {}
    for start in range(0, number * size, size):
        tag, kind = head.unpack_from(table, start)
        (count,) = word.unpack_from(table, start + head.size)
        value = table[start + head.size + word.size : start + size]
        length = count * _SIZE[kind]
        if length > word.size:
            file.seek(word.unpack(value)[0])
            value = file.read(length)
        entries[tag] = (kind, count, value[:length])
    return entries


def _integers(entry: tuple[int, int, bytes], order: str) -> NDArray[np.int64]:
    kind, _, value = entry
    return np.frombuffer(value, dtype=f"{order}u{_SIZE[kind]}").astype(np.int64)


def join_images(images: Sequence[Image], out: Path, ghost: bytes, tick: Callable[[], None]) -> None:
    """Write one TIFF of several: first all directories, then the tiles, the last image's first.

    Tiles are copied as they are, those that are not there stay so: time and space follow the data. Each has
    its size before it (``BLOCK_LEADER=SIZE_AS_UINT4``) and its last four bytes again after it
    (``BLOCK_TRAILER=LAST_4_BYTES_REPEATED``), so that a reader far away need not ask for a size first.

    Args:
        images: The full image and its overviews, large to small; all of one byte order.
        out: Written anew.
        ghost: Bytes between the header and the first directory.
        tick: Called at every tile; may raise to stop.

    Raises:
        OSError: The disk is full, say.
    """
    total = sum(int(i.counts.sum()) for i in images)
    tables = sum(len(i.offsets) * 16 + sum(len(v) + 32 for _, _, v in i.entries.values()) for i in images)
    layout = Layout(images[0].order, total + tables + len(ghost) > _CLASSIC_BYTES)
    places = [np.zeros_like(i.offsets) for i in images]  # to reserve room; filled in below
    at = layout.header_bytes + len(ghost)
    at += at % 2  # directories begin at even bytes
    first = at
    for image, place in zip(images, places, strict=True):
        at += len(_directory(image, place, layout, at, image is images[0], last=False))
    for image, place in reversed(list(zip(images, places, strict=True))):
        there = image.counts > 0
        ends = np.cumsum(np.where(there, image.counts + _LEADER + _TRAILER, 0))
        place[there] = (at + ends - image.counts - _TRAILER)[there]
        at += int(ends[-1])
    with out.open("wb") as file:
        file.write((layout.header(first) + ghost).ljust(first, b"\0"))
        for image, place in zip(images, places, strict=True):
            full, last = image is images[0], image is images[-1]
            file.write(_directory(image, place, layout, file.tell(), full, last))
        _copy_tiles(images, file, tick)
        file.flush()
        os.fsync(file.fileno())


def _directory(
    image: Image, places: NDArray[np.int64], layout: Layout, at: int, full: bool, last: bool
) -> bytes:
    """A directory with the values that do not fit into it right behind, as it is at byte ``at``."""
    integer = f"{layout.order}u{8 if layout.big else 4}"
    kind = _LONG8 if layout.big else _LONG
    number = len(places)
    entries = dict(image.entries)
    entries[TILE_OFFSETS] = (kind, number, places.astype(integer).tobytes())
    entries[TILE_COUNTS] = (_LONG, number, image.counts.astype(f"{layout.order}u4").tobytes())
    reduced = struct.pack(layout.order + "I", 0 if full else _REDUCED)
    entries[SUBFILE_TYPE] = (_LONG, 1, reduced)
    word = layout.word
    size = 4 + 2 * word.size
    values_at = at + layout.number.size + len(entries) * size + word.size
    table, values = bytearray(layout.number.pack(len(entries))), bytearray()
    for tag in sorted(entries):
        kind, count, value = entries[tag]
        table += struct.pack(layout.order + "HH", tag, kind) + word.pack(count)
        if len(value) <= word.size:
            table += value.ljust(word.size, b"\0")
        else:
            table += word.pack(values_at + len(values))
            values += value + b"\0" * (len(value) % 2)
    end = values_at + len(values)
    end += end % 2
    table += word.pack(0 if last else end)
    return bytes(table + values).ljust(end - at, b"\0")


def _copy_tiles(images: Sequence[Image], file: IO[bytes], tick: Callable[[], None]) -> None:
    size = struct.Struct("<I")
    for image in reversed(images):
        with image.path.open("rb") as source:
            for index in np.flatnonzero(image.counts):
                source.seek(int(image.offsets[index]))
                tile = source.read(int(image.counts[index]))
                if len(tile) != image.counts[index]:
                    raise OSError(f"{image.path} ends before its last tile")
                file.write(size.pack(len(tile)) + tile + tile[-_TRAILER:].rjust(_TRAILER, b"\0"))
                tick()
