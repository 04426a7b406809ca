"""Where results may be written, checked before any work is done, and the temporary names they grow under."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nirlora.errors import OutputError, OutputPathError

# All that this package or GDAL creates beside a result before it is whole.
_OVERVIEWS = 24  # halvings, more than any raster has
_TEMPORARY = (
    ".part",
    ".part.aux.xml",
    *(".part" + ".ovr" * level for level in range(1, _OVERVIEWS)),
    ".part.cog",
    ".part.cog.aux.xml",
)
# Of an SQLite file (GeoPackage): edits that are not in it yet, which would spoil a new file of the name.
_IN_USE = ("-wal", "-journal")
# What an older result of the same name may have left, and would now be wrong.
_SIDECARS = (".aux.xml", ".ovr", ".msk", "-wal", "-shm", "-journal")


def check_output(path: Path, *, overwrite: bool = True, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse a path that cannot or must not be written.

    Args:
        path: The file to be.
        overwrite: Whether an existing file may be replaced.
        inputs: Files that are read by the job; the output must be none of them.

    Raises:
        OutputPathError: The folder is missing or not writable, the path is a folder or an input, or it
            exists and must stay.
    """
    folder = path.parent
    if not folder.is_dir():
        raise OutputPathError(
            f"There is no folder {folder}.", hint="Create it, or choose another output path."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputPathError(f"The folder {folder} is not writable.", hint="Choose another output path.")
    if path.is_dir():
        raise OutputPathError(
            f"{path} is a folder, expected a file name.", hint="Add a name such as map.tif."
        )
    for source in map(Path, inputs):
        if path.resolve() == source.resolve() or (
            path.exists() and source.exists() and path.samefile(source)
        ):
            raise OutputPathError(f"{path} is the input itself.", hint="Choose another output path.")
    if path.exists() and not overwrite:
        raise OutputPathError(f"{path} exists already.", hint="Choose another name, or allow overwriting.")
    companions = [with_suffix(path, suffix) for suffix in _IN_USE]
    if used := [c.name for c in companions if c.exists() and c.stat().st_size]:
        raise OutputPathError(
            f"{path} is open in another program, or was when that ended: there is {used[0]} beside it.",
            hint="Close the program (in QGIS, remove the layer); if none has it open, remove both files.",
        )
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputPathError(f"{path} is write-protected.", hint="Choose another output path.")


def named(path: str | Path) -> Path:
    """An input by whose name a result is called: ``.`` and ``..`` are the folders that they stand for.

    Raises:
        OutputPathError: It is the root of the file system, which has no name.
    """
    given = Path(path)
    found = given if given.name not in ("", "..") else given.resolve()
    if not found.name:
        raise OutputPathError(f"{path} gives a result no name.", hint="Name the result with --out.")
    return found


def wished(out: str) -> Path:
    """The path of a result as a person gave it.

    Raises:
        OutputPathError: It is a folder's: ``.``, ``..`` or the root.
    """
    path = Path(out)
    if path.name in ("", ".."):
        raise OutputPathError(f"{path} is a folder, expected a file name.", hint="Add a file name to it.")
    return path


def with_suffix(path: Path, suffix: str) -> Path:
    """``path`` with ``suffix`` after its whole name."""
    return path.with_name(path.name + suffix)


def remove_temporary(path: Path) -> None:
    """Remove everything unfinished of the result ``path``, of a run that was killed too."""
    for suffix in _TEMPORARY:
        part = with_suffix(path, suffix)
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` to make it in, gone afterwards; what a killed run left goes first."""
    folder = with_suffix(path, ".part")
    remove_temporary(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        remove_temporary(path)


def publish(path: Path, whole: Path) -> None:
    """Give the finished file ``whole`` its name ``path`` in one step, and drop what described its precursor.

    Raises:
        OutputError: The system refuses, as Windows does while another program has the file open.
    """
    try:
        for suffix in _SIDECARS:
            with_suffix(path, suffix).unlink(missing_ok=True)
        os.replace(whole, path)  # noqa: PTH105 - one system call, atomic
    except OSError as error:
        raise OutputError(
            f"{path} could not be replaced: {error}.",
            hint="Close programs that have the old file open, or choose another output path.",
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a small text file in one step."""
    part = with_suffix(path, ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)  # noqa: PTH105
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path} could not be written: {error}.") from error
