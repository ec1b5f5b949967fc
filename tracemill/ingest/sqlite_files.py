"""SQLite databases of other programs, opened to be read, also while their program writes to them.

A database in use has an index of its write-ahead log beside it, ``-shm``, which its readers share. A log (``-wal``)
without one was left by a program that ended, or came from elsewhere. SQLite would write an index there, so both files
are read as a copy in a temporary folder. One copy is kept for the connections to come, until another database is copied
or the process ends.

Source: https://www.sqlite.org/wal.html, "Read-Only Databases", and https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any
from urllib.parse import quote

MAGIC = b"SQLite format 3\x00"
#: How long a file is waited for in all, in seconds, however many queries and connections find it locked.
PATIENCE_S = 10.0
#: After so many seconds without waiting, a file is waited for anew.
_FORGET_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05
_LOG_ENDING, _INDEX_ENDING = "-wal", "-shm"
#: How often a copy is begun anew that found its files changed.
_COPY_TRIES = 3
_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
#: What SQLite says where it may not create the index of the log; a locked database is another matter.
_NO_LOG_SIGNS = ("unable to open", "readonly")


class DatabaseDamagedError(OSError):
    """A file begins as a database does, and SQLite can make nothing of what follows."""


class DatabaseLockedError(OSError):
    """Another program kept a database locked for longer than it is waited for: it is there, and cannot be read."""


@dataclass(slots=True)
class _Patience:
    """How long one file was waited for, and when last, in seconds."""

    waited: float = 0.0
    last: float = 0.0


_patience: dict[str, _Patience] = {}


class _Copy:
    """A copy of a database and its log; the folder goes when nobody refers to it any more, and with its process."""

    def __init__(self, place: Path) -> None:
        """Raises: OSError: it cannot be read, or there is no room."""
        self.state = _look_at(place)
        folder = Path(tempfile.mkdtemp(prefix="tracemill-"))
        # runs in worker processes too, and never for a copy that another process made
        Finalize(self, shutil.rmtree, (folder, True), exitpriority=0)
        self.path = folder / place.name
        shutil.copyfile(place, self.path)
        shutil.copyfile(_name_beside(place, _LOG_ENDING), _name_beside(self.path, _LOG_ENDING))


_copies: dict[Path, _Copy] = {}


class PatientConnection(sqlite3.Connection):
    """A connection whose ``execute`` waits for a lock; SQLite's own wait has no bound over several queries."""

    address = ""
    copy: _Copy | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """As ``sqlite3`` does. Raises: DatabaseLockedError: the file stayed locked; sqlite3.Error: any other fault."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _LOCKED_CODES:
                    raise
                if not _wait(self.address, pause):
                    told = f"{error}: another program did not let go of it for {PATIENCE_S:g} s"
                    raise DatabaseLockedError(told) from error
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def open_read_only(path: Path, decode: Callable[[bytes], Any], *, begins: bool = False) -> sqlite3.Connection:
    """A read-only connection; where the log beside the file cannot be joined, to what stands in the file alone.

    ``decode``: makes values of the bytes of text cells. ``begins``: one read transaction is begun, so that all that is
    read is of one moment. A locked file is waited for, ``PATIENCE_S`` in all; after that each query is tried once.

    Raises:
        sqlite3.Error: the file is no readable database. DatabaseLockedError: another program keeps it locked.
        OSError: its log has no index, and there is no room for a copy of both.
    """
    place = path.resolve()
    copy = _find_copy(place)
    if copy is not None:
        try:
            database = _connect(f"file:{quote(str(copy.path))}?mode=ro", decode, begins)
        except BaseException:
            _copies.clear()
            raise
        database.copy = copy
        return database
    address = f"file:{quote(str(place))}?mode=ro"
    try:
        return _connect(address, decode, begins)
    except sqlite3.OperationalError as error:
        if not any(sign in str(error) for sign in _NO_LOG_SIGNS):
            raise
        return _connect(f"{address}&immutable=1", decode, begins)


def find_file(database: sqlite3.Connection) -> Path:
    """The file that a connection reads: the database's own, or its copy."""
    return Path(os.fsdecode(database.execute("PRAGMA database_list").fetchone()[2]))


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says of a database that it is damaged."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE_CODES


def describe_fault(error: BaseException) -> str:
    """Why a database cannot be read, in 300 characters at most."""
    return (f"the database is damaged or cut: {error}" if is_damage(error) else str(error))[:300]


def _find_copy(place: Path) -> _Copy | None:
    """A copy of a database that nobody has open and its log; None where there is no such log, or they change."""
    for _ in range(_COPY_TRIES):
        if not _name_beside(place, _LOG_ENDING).is_file() or _name_beside(place, _INDEX_ENDING).exists():
            return None
        copy = _copies.get(place)
        if copy is None or not copy.path.is_file() or copy.state != _look_at(place):
            _copies.clear()
            copy = _Copy(place)
        if copy.state == _look_at(place):
            _copies[place] = copy
            return copy
    return None


def _look_at(place: Path) -> tuple[tuple[int, int, int], ...]:
    """What tells that a database or its log was written to."""
    found = (path.stat() for path in (place, _name_beside(place, _LOG_ENDING)))
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)


def _name_beside(place: Path, ending: str) -> Path:
    return place.with_name(place.name + ending)


def _connect(address: str, decode: Callable[[bytes], Any], begins: bool) -> PatientConnection:
    database = sqlite3.connect(address, uri=True, timeout=0, isolation_level=None, factory=PatientConnection)
    try:
        database.address = address
        database.text_factory = decode
        if begins:
            database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _wait(address: str, pause: float) -> bool:
    """Wait for a moment; False where the file was waited for long enough."""
    patience = _patience.setdefault(address, _Patience())
    now = time.monotonic()
    if now - patience.last > _FORGET_S:
        patience.waited = 0.0
    if patience.waited >= PATIENCE_S:
        return False
    time.sleep(pause)
    patience.last = time.monotonic()
    patience.waited += patience.last - now
    return True
