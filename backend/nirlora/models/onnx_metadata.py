"""The metadata of an ONNX file, read without loading its graph, its weights or any library.

An ONNX file is one protocol-buffer message, a sequence of fields. The metadata are small fields beside the
graph, so the graph, which may have a gigabyte, is stepped over.
Source: onnx.proto, message ``ModelProto`` (field 14, ``metadata_props``), and the protocol-buffer encoding.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO

from nirlora.errors import ModelError
from nirlora.protocol.codec import from_dict, to_dict

CARD_KEY, EXPORT_KEY = "nirlora_card", "nirlora_export"
INPUT, OUTPUT = "image", "probabilities"
ONNX_FORMAT = 1

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2  # field numbers of onnx.proto
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5  # how a field's value is written
_MAX_ENTRY_BYTES = 16 * 2**20


@dataclass(frozen=True)
class OnnxInfo:
    """What an exported file says beside the model card.

    Attributes:
        tile_px: Side of its tiles in raster pixels; other sizes do not fit its graph.
        input_px: The same in model-input pixels.
        versions: Of the programs that exported it.
        format: Version of inputs, outputs and metadata.
    """

    tile_px: int
    input_px: int
    versions: dict[str, str] = field(default_factory=dict)
    format: int = ONNX_FORMAT


def is_onnx(path: str | Path) -> bool:
    """Whether a model file is an exported one, by its name."""
    return Path(path).suffix.lower() == ".onnx"


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of any ONNX file; of equal keys the last one counts.

    Raises:
        ModelError: There is no such file, or it is no ONNX file.
    """
    try:
        with Path(path).open("rb") as file:
            return dict(_entry(value) for number, value in _fields(file) if number == _METADATA_PROPS)
    except FileNotFoundError as error:
        raise ModelError(f"There is no model file {path}.", hint="Check the path after --model.") from error
    except (ValueError, OSError) as error:  # UnicodeDecodeError is a ValueError
        raise _refusal(path, f"it is no ONNX file, or only a part of one ({error})") from error


def read_onnx(path: str | Path) -> tuple[bytes, OnnxInfo]:
    """Card (JSON, not checked yet) and tile size of a file that this program exported.

    Raises:
        ModelError: It is damaged, of a newer version, or of another program.
    """
    metadata = read_metadata(path)
    if not {CARD_KEY, EXPORT_KEY} <= metadata.keys():
        raise ModelError(
            f"{path} is an ONNX file, but none that nirlora exported: it has no model card.",
            hint="Give a .nirlora file, or one made by nirlora export.",
        )
    try:
        data = json.loads(metadata[EXPORT_KEY])
        version = data.get("format") if isinstance(data, dict) else None
        if isinstance(version, int) and version > ONNX_FORMAT:
            raise ModelError(
                f"{path} has export format {version}, this program reads up to {ONNX_FORMAT}.",
                hint="Update nirlora: pip install --upgrade nirlora.",
            )
        info: OnnxInfo = from_dict(OnnxInfo, data, where=EXPORT_KEY)
    except (ValueError, RecursionError) as error:  # ProtocolError is a ValueError
        raise _refusal(path, f"its metadata cannot be read ({error})") from error
    if not (0 < info.tile_px < 2**20 and 0 < info.input_px < 2**20):
        raise _refusal(path, f"its tiles have {info.tile_px} and {info.input_px} px")
    return metadata[CARD_KEY].encode(), info


def info_json(info: OnnxInfo) -> str:
    """What :func:`read_onnx` gives back, as text."""
    return json.dumps(to_dict(info), sort_keys=True)


def _fields(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every counted field that is short; all others are stepped over."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    while file.tell() < size:
        number, kind = divmod(_varint(file), 8)
        if kind == _VARINT:
            _varint(file)
            continue
        if kind not in (_EIGHT_BYTES, _FOUR_BYTES, _COUNTED):
            raise ValueError(f"unknown kind of field {kind}")
        length = _varint(file) if kind == _COUNTED else 8 if kind == _EIGHT_BYTES else 4
        if file.tell() + length > size:
            raise ValueError(f"it ends {file.tell() + length - size} bytes too early")
        if kind == _COUNTED and number in (_KEY, _VALUE, _METADATA_PROPS):
            if length > _MAX_ENTRY_BYTES:
                raise ValueError(f"an entry of {length} bytes, more than {_MAX_ENTRY_BYTES}")
            yield number, file.read(length)
        else:
            file.seek(length, os.SEEK_CUR)


def _entry(raw: bytes) -> tuple[str, str]:
    """Key and value of a ``StringStringEntryProto``."""
    parts = dict(_fields(BytesIO(raw)))
    return parts.get(_KEY, b"").decode(), parts.get(_VALUE, b"").decode()


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends in the middle of a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number of more than 64 bits")


def _refusal(path: str | Path, reason: str) -> ModelError:
    return ModelError(f"{path} is refused: {reason}.", hint="Copy or download it again, or export it again.")
