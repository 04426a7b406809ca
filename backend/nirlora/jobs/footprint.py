"""What a job leaves on the disk, so that one that ends early can be undone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nirlora.raster.outputs import remove_temporary

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outputs:
    """The files of one job.

    Attributes:
        results: Each gets its name once, when it is whole.
        checkpoint: What a training resumes from; None: no training.
        resumed: The checkpoint is that of an earlier run, which goes on.
    """

    results: tuple[Path, ...] = ()
    checkpoint: Path | None = None
    resumed: bool = False


class Footprint:
    """Remembers what was there before a job, and removes what the job made. Make it before the job starts."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._before = {path: _identity(path) for path in outputs.results}
        checkpoint = outputs.checkpoint
        self._keep_checkpoint = outputs.resumed and checkpoint is not None and checkpoint.exists()

    def remove_unfinished(self) -> None:
        """Remove what has no final name yet; results and the checkpoint stay."""
        checkpoint = self._outputs.checkpoint
        for path in (*self._outputs.results, *filter(None, [checkpoint])):
            _try(remove_temporary, path)

    def remove_made(self) -> None:
        """Remove everything that is the job's."""
        self.remove_unfinished()
        for path, before in self._before.items():
            # Results are renamed into place: a file with the identity of before is the one of before.
            if _identity(path) not in (None, before):
                _try(Path.unlink, path)
        checkpoint = self._outputs.checkpoint
        if checkpoint is not None and checkpoint.exists() and not self._keep_checkpoint:
            _try(Path.unlink, checkpoint)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _try(remove: Callable[[Path], None], path: Path) -> None:
    try:
        remove(path)
    except OSError:  # another program has it open, on Windows
        _log.exception("%s could not be removed", path)
