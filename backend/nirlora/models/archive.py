"""A zip of exactly ``card.json`` and ``weights.safetensors``: how models and backbones are kept. No torch.

Files come from strangers, so reading trusts nothing: members, sizes and compression are checked before
anything is unpacked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nirlora.errors import ModelError, OutputError

CARD, WEIGHTS = "card.json", "weights.safetensors"
_MAX_CARD_BYTES = 16 * 2**20
_MAX_WEIGHTS_BYTES = 8 * 2**30
_MAX_RATIO = 200.0  # of unpacked to packed card; the weights are stored as they are
_DATE = (1980, 1, 1, 0, 0, 0)  # so that equal models are equal files


@contextlib.contextmanager
def open_archive(path: Path, what: str = "model", option: str = "--model") -> Iterator[zipfile.ZipFile]:
    """The zip at ``path``, its members checked.

    Args:
        path: Where it is.
        what: What it should be, for messages.
        option: Where the user gave it, for messages.

    Raises:
        ModelError: There is no such file, or it is damaged or hostile.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            yield archive
    except FileNotFoundError as error:
        raise ModelError(
            f"There is no {what} file {path}.", hint=f"Check the path after {option}."
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise refusal(path, f"it is no {what} file, or only a part of one ({error})") from error


def read_weights(path: Path, archive: zipfile.ZipFile, sha256: str) -> bytes:
    """The safetensors bytes.

    Raises:
        ModelError: Their hash is not that of the card.
    """
    weights = archive.read(WEIGHTS)
    got = hashlib.sha256(weights).hexdigest()
    if got != sha256:
        raise refusal(path, f"its weights have the SHA-256 {got}, its card says {sha256}")
    return weights


def write_archive(path: Path, card: str, weights: bytes) -> None:
    """Write beside ``path``, flush to the disk, then rename; equal parts give equal bytes.

    Raises:
        OutputError: The file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(_member(CARD), card.encode(), zipfile.ZIP_DEFLATED, 9)
                archive.writestr(_member(WEIGHTS), weights, zipfile.ZIP_STORED)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        reason = error.strerror or error
        raise OutputError(
            f"Cannot write {path}: {reason}.", hint="Choose another place with --out, or free some space."
        ) from error


def refusal(path: Path, reason: str) -> ModelError:
    """The error for a file that is not used, and why."""
    return ModelError(f"{path} is refused: {reason}.", hint="Copy or download it again, or train it again.")


def strict_json(value: Any) -> str:
    """JSON with sorted keys; NaN and infinity, which it has no word for, become null."""
    return json.dumps(_finite(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = sorted(m.filename for m in members)
    if names != [CARD, WEIGHTS]:
        shown = ", ".join(repr(n) for n in names[:5]) or "nothing"
        raise refusal(path, f"it should hold {CARD} and {WEIGHTS} alone, but holds {shown}")
    for member in members:
        limit = _MAX_CARD_BYTES if member.filename == CARD else _MAX_WEIGHTS_BYTES
        mode = member.external_attr >> 16
        if member.flag_bits & 0x1:
            raise refusal(path, f"{member.filename} is encrypted")
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise refusal(path, f"{member.filename} is no plain file")
        if member.file_size > limit:
            raise refusal(path, f"{member.filename} has {member.file_size} bytes, more than {limit}")
        if member.file_size > _MAX_RATIO * max(member.compress_size, 1):
            raise refusal(path, f"{member.filename} is a zip bomb")


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.create_system = 3  # the same bytes on Windows
    return info


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
