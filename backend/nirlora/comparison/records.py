"""The records of a comparison: JSON lines, one for each finished run, kept when it is interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nirlora.comparison.stamps import stamp_files
from nirlora.comparison.variants import Variant
from nirlora.errors import InputError, OutputError
from nirlora.models.archive import strict_json
from nirlora.protocol import EvaluateRequest, TrainRequest, to_dict
from nirlora.versions import versions

_PACKAGE = Path(__file__).resolve().parents[1]


def run_key(train: TrainRequest, tests: Iterable[EvaluateRequest]) -> str:
    """Hash of everything that a run's outcome depends on: settings and, by size and date, the files."""
    tests = tuple(tests)
    content = {
        "train": to_dict(replace(train, out="", resume=False)),
        "tests": [to_dict(replace(test, model="")) for test in tests],
        "files": stamp_files(train, tests),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_records(path: Path) -> list[dict[str, Any]]:
    """Records of ``path``; a last line that a kill cut short counts as not written.

    Raises:
        InputError: The file is none of ours.
    """
    if not path.exists():
        return []
    records = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        try:
            record = json.loads(line)
            records.append({**record, "key": record["key"]})
        except (ValueError, KeyError, TypeError) as error:
            if number < len(lines) - 1:
                raise InputError(
                    f"Line {number + 1} of {path} is no record of a comparison.",
                    hint="Choose another folder with --out, or move the file away.",
                ) from error
    return records


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Add one line, on the disk when this returns; what a kill left of a line is put away first.

    Raises:
        OutputError: It cannot be written.
    """
    line = strict_json(record).replace("\n", "")
    try:
        with path.open("a+b") as file:
            _drop_broken_tail(file)
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}.",
            hint="Free some space, then give the command again.",
        ) from error


def make_record(
    key: str,
    variant: Variant,
    train: TrainRequest,
    tests: Iterable[EvaluateRequest],
    result: dict[str, Any],
) -> dict[str, Any]:
    """What is kept of a run: where it came from, its settings, what it was scored on, scores and costs."""
    return {
        "key": key,
        "adapter": variant.label,
        "seed": train.seed,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "revision": revision(),
        "versions": versions(),
        "config": to_dict(train),
        "tests": [to_dict(test) for test in tests],
        **result,
    }


def revision(package: Path = _PACKAGE) -> str:
    """Commit of the checkout that this package is a part of, ``+`` where files differ from it; else ``""``.

    An installed copy that only lies in a checkout, as in its ``.venv``, is of no commit.
    """
    if not _git(package, "ls-files", "--error-unmatch", "__init__.py"):
        return ""
    commit = _git(package, "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+")
    new = _git(package, "ls-files", "--others", "--exclude-standard")
    return commit.removesuffix("+") + "+" if commit and new else commit


def _git(folder: Path, *words: str) -> str:
    """What git says of a folder; ``""`` without git, or where it refuses."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "-C", str(folder), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _drop_broken_tail(file: Any) -> None:
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(0)
    content = file.read()
    if not content.endswith(b"\n"):
        file.truncate(content.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)
