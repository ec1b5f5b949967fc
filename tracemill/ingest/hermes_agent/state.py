"""Hermes Agent's ``state.db`` → traces.

The database is opened read-only, while Hermes may be writing (it uses a write-ahead log), and read in one transaction,
so that a session is never seen half. Where the folder cannot be written to, SQLite cannot join the log of another
process; then the file alone is read, as it was at the last checkpoint.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tracemill.ingest.hermes_agent.session import SessionRow, build_trace
from tracemill.ingest.json_fields import format_time, get_text
from tracemill.ingest.source import Entry, Head, LossLog
from tracemill.ingest.sqlite_files import MAGIC, open_read_only
from tracemill.trace import Trace

STATE_FILE = "state.db"
#: Stands for all sessions of one database: which roots it holds is known only after reading it.
STATE_ROOT = f"hermes-state:{STATE_FILE}"
_READ_ERRORS = (sqlite3.Error, UnicodeDecodeError, OverflowError)


def read_state_head(path: Path) -> Head | None:
    """Raises: OSError: the file cannot be opened or read."""
    with path.open("rb") as file:
        return Head(STATE_ROOT) if file.read(len(MAGIC)) == MAGIC else None


def read_state(path: Path, log: LossLog, source_kind: str) -> Iterator[Trace | None]:
    """Yield the sessions in order of their start; what cannot be read is logged.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC:
        log.drop("foreign_file" if start else "empty_file", detail="no SQLite database")
        return
    try:
        with closing(_open_database(path)) as database:
            yield from _read_sessions(database, path, log, source_kind)
    except _READ_ERRORS as error:
        log.drop("unreadable_file", detail=str(error)[:300])


def list_state(path: Path) -> tuple[Entry, ...] | None:
    """The sessions of a database in order of their start; None where it cannot be read in full."""
    log = LossLog(path=str(path))
    try:
        with closing(_open_database(path)) as database:
            sessions = _list_sessions(database, log)
    except (*_READ_ERRORS, OSError):
        return None
    parents = {str(session.get("id")): get_text(session, "parent_session_id") for session in sessions}
    return None if log.losses else tuple(Entry(session.get("id"), _describe(session, parents)) for session in sessions)


def read_state_session(path: Path, entry: Entry, log: LossLog, source_kind: str) -> Trace | None:
    """One session of a database; what cannot be read is logged."""
    try:
        with closing(_open_database(path)) as database:
            found = database.execute("SELECT * FROM sessions WHERE id IS ?", (entry.key,)).fetchone()
            session = {"id": entry.key} if found is None else _Prompts(database).fill(_to_record(found))
            rows = _list_messages(database, entry.key, log)
    except _READ_ERRORS as error:
        log.drop("unreadable_file", detail=str(error)[:300])
        return None
    log.lines_read += len(rows)
    root = entry.head.root_session_id
    return build_trace(session, rows, str(entry.key), root, "state_db", path, log, source_kind)


def _describe(session: Mapping[str, Any], parents: Mapping[str, str | None]) -> Head:
    return Head(_find_root(str(session.get("id")), parents), format_time(session.get("started_at")))


def _open_database(path: Path) -> sqlite3.Connection:
    """A connection with a read transaction begun. Raises: sqlite3.Error: the file is no readable database."""
    database = open_read_only(path, _decode_text, begins=True)
    database.row_factory = sqlite3.Row
    return database


def _read_sessions(database: sqlite3.Connection, path: Path, log: LossLog, source_kind: str) -> Iterator[Trace | None]:
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    if not {"sessions", "messages"} <= tables:
        log.drop("foreign_file", detail="a SQLite database without the tables sessions and messages")
        return
    sessions = _list_sessions(database, log)
    prompts = _Prompts(database)
    parents = {str(session.get("id")): get_text(session, "parent_session_id") for session in sessions}
    for session in map(prompts.fill, sessions):
        own_id = str(session.get("id"))
        rows = _list_messages(database, session.get("id"), log)
        log.lines_read += len(rows)
        yield build_trace(session, rows, own_id, _find_root(own_id, parents), "state_db", path, log, source_kind)


def _list_sessions(database: sqlite3.Connection, log: LossLog) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = []
    try:
        for row in database.execute("SELECT * FROM sessions"):
            sessions.append(_to_record(row))
    except _READ_ERRORS as error:
        log.drop("unreadable_file", detail=f"sessions after the first {len(sessions)}: {error}"[:300])
    return sorted(sessions, key=_make_order)


def _list_messages(database: sqlite3.Connection, session_id: Any, log: LossLog) -> list[SessionRow]:
    """The rows of a session in the order of their ids, which is Hermes's own order of a conversation."""
    rows: list[SessionRow] = []
    try:
        for row in database.execute("SELECT * FROM messages WHERE session_id = ? ORDER BY rowid", (session_id,)):
            rows.append(SessionRow(_to_record(row)))
    except _READ_ERRORS as error:
        log.drop("malformed_record", detail=f"session {session_id!r} after {len(rows)} messages: {error}"[:300])
    return rows


class _Prompts:
    """The system prompts of late versions, which stand in a table of their own, once each."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        tables = database.execute("SELECT name FROM sqlite_master WHERE name = 'system_prompts'")
        self._is_there = tables.fetchone() is not None

    def fill(self, session: dict[str, Any]) -> dict[str, Any]:
        """The session with its system prompt, where it only names it by its hash."""
        name = session.get("system_prompt_hash")
        if not self._is_there or name is None or get_text(session, "system_prompt") is not None:
            return session
        try:
            found = self._database.execute("SELECT prompt FROM system_prompts WHERE hash = ?", (name,)).fetchone()
        except _READ_ERRORS:
            return session
        return session if found is None else {**session, "system_prompt": _to_record(found)["prompt"]}


def _to_record(row: sqlite3.Row) -> dict[str, Any]:
    named = zip(row.keys(), row, strict=True)
    return {key: _decode_text(value) if isinstance(value, bytes) else value for key, value in named}


def _make_order(session: Mapping[str, Any]) -> tuple[float, str]:
    started = session.get("started_at")
    return (float(started) if isinstance(started, int | float) else 0.0, str(session.get("id")))


def _find_root(own_id: str, parents: Mapping[str, str | None]) -> str:
    """The first of the chain of parents; a parent that the database no longer holds still gives its id."""
    seen = {own_id}
    root = own_id
    while (parent := parents.get(root)) is not None and parent not in seen:
        seen.add(parent)
        root = parent
    return root


def _decode_text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
