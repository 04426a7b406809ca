"""The records of all jobs on the disk, so that they outlive the process."""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import sqlite3
from pathlib import Path

from nirlora.jobs.locks import FileLock
from nirlora.protocol import JobRecord, ProtocolError, from_dict, to_dict

_log = logging.getLogger(__name__)
_FILE = "jobs-1.sqlite"  # the number is that of the tables
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT UNIQUE NOT NULL,
    owner TEXT NOT NULL,
    record TEXT NOT NULL
)"""


class JobStore:
    """Records by id. Several backends may share a folder: each sees its own jobs and those of dead ones.

    Whether a backend lives is told by a lock file that it holds. Used by one thread at a time.

    Args:
        folder: The state folder.

    Attributes:
        temporary: A folder that goes with this backend.
        damaged: Where a file that was no database was moved to; None: all was well.
    """

    def __init__(self, folder: Path) -> None:
        self._owners = folder / "owners"
        self._owners.mkdir(mode=0o700, exist_ok=True)
        self._owner = secrets.token_hex(8)
        self._lock = FileLock(self._lock_path(self._owner))
        self._lock.take()
        self.temporary = self._owners / self._owner
        self.temporary.mkdir(mode=0o700)
        self.damaged: Path | None = None
        path = folder / _FILE
        try:
            self._database = _open(path)
        except sqlite3.DatabaseError:
            self.damaged = path.with_suffix(".damaged")
            path.replace(self.damaged)
            _log.exception("%s was damaged and is now %s", path, self.damaged)
            self._database = _open(path)

    def adopt(self) -> list[JobRecord]:
        """Take over the jobs of backends that live no more; all records that are ours then, oldest first."""
        owners = {row[0] for row in self._database.execute("SELECT DISTINCT owner FROM jobs")}
        owners |= {path.stem for path in self._owners.glob("*.lock")}
        for owner in owners - {self._owner}:
            lock = FileLock(self._lock_path(owner))
            if lock.take():
                self._inherit(owner)
                lock.release()
                lock.path.unlink(missing_ok=True)
        rows = self._database.execute(
            "SELECT record FROM jobs WHERE owner = ? ORDER BY number", (self._owner,)
        )
        return [record for row in rows if (record := _parsed(row[0])) is not None]

    def save(self, record: JobRecord) -> None:
        """Write a new record, or a known one anew."""
        text = json.dumps(to_dict(record))
        with self._database:
            self._database.execute(
                "INSERT INTO jobs (id, owner, record) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                (record.id, self._owner, text),
            )

    def remove(self, job_id: str) -> None:
        """Forget a record."""
        with self._database:
            self._database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def close(self) -> None:
        """Close the file, and leave the jobs to the next backend."""
        self._database.close()
        shutil.rmtree(self.temporary, ignore_errors=True)
        self._lock.release()
        self._lock.path.unlink(missing_ok=True)

    def _inherit(self, owner: str) -> None:
        shutil.rmtree(self._owners / owner, ignore_errors=True)
        with self._database:
            self._database.execute("UPDATE jobs SET owner = ? WHERE owner = ?", (self._owner, owner))

    def _lock_path(self, owner: str) -> Path:
        return self._owners / f"{owner}.lock"


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_TABLES)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _parsed(text: str) -> JobRecord | None:
    try:
        return from_dict(JobRecord, json.loads(text))
    except (ProtocolError, json.JSONDecodeError) as error:
        _log.warning("a job of another version is left out: %s", error)
        return None
