"""AgentScope Studio's database → spans of a run, whatever generation wrote them.

Up to Studio 1.0.8 ``span_table`` has the columns ``spanKind`` and ``run_id``, from 1.0.9 ``operationName`` and
``conversationId`` (``runId`` between the two); an upgrade moves the old rows into the new table. A run is read with
many short queries and no transaction: no lock is held between them, so a Studio that writes at the same time is not
kept waiting; spans are only ever added. The attributes of a span, which repeat the whole prompt, are fetched one span
at a time.
Where SQLite cannot join the log of another process, as in a folder that cannot be written to, the file alone is read,
and that is counted as ``log_not_joined``.

Source: agentscope-ai/agentscope-studio, ``packages/server/src/models/Trace.ts`` and ``packages/server/src/migrations``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tracemill.ingest.agentscope_studio.write_ahead import find_unread
from tracemill.ingest.json_decode import decode_json
from tracemill.ingest.json_fields import as_record, format_time, get_text, parse_record
from tracemill.ingest.source import LossLog
from tracemill.ingest.sqlite_files import find_file, open_read_only

READ_ERRORS = (sqlite3.Error, UnicodeError, OverflowError, ValueError)
#: The second is there while an upgrade is under way, or after one that failed.
_TABLES = ("span_table", "span_table_old_backup")
_HEAVY_COLUMNS = ("attributes", "events", "links", "resource", "scope")
_CHUNK_ROWS = 500
#: What stands for the run where there is none: nothing, Studio's word, AgentScope 2's.
_NO_RUNS = "('', 'unknown', '[no_session_id]')"
_KINDS = {
    **{"LLM": "model", "chat": "model", "text_completion": "model", "generate_content": "model"},
    **{"AGENT": "agent", "invoke_agent": "agent"},
    **{"TOOL": "tool", "execute_tool": "tool"},
    **{"FORMATTER": "formatter", "format": "formatter"},
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of spans: its name, its columns, and the expressions that give the run and the start of a row."""

    name: str
    columns: frozenset[str]
    run: str
    start: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``places`` are the row ids of its spans by table, so that no table is searched again."""

    id: str
    started_at: str | None
    places: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(slots=True)
class Span:
    """One span without its attributes. ``start`` is in nanoseconds since 1970, 0 where unknown."""

    table: str
    row_id: int
    id: str
    trace_id: str
    parent_id: str
    name: str
    kind: str
    start: int
    started_at: str | None
    ended_at: str | None
    is_failed: bool
    message: str
    row: Mapping[str, Any]


@contextmanager
def open_database(path: Path, log: LossLog | None = None) -> Generator[sqlite3.Connection]:
    """A read-only connection; what stands in the write-ahead log alone and is not read is told to ``log``.

    Raises:
        sqlite3.Error: the file is no readable database. DatabaseLockedError: another program keeps it locked.
    """
    with closing(open_read_only(path, bytes)) as database:
        file = find_file(database)
        before = find_unread(database, file) if log is not None else None
        yield database
        # a commit that is under way looks unread for a moment
        after = find_unread(database, file) if before is not None else None
        if log is not None and before is not None and after is not None and after[0] == before[0]:
            log.drop("log_not_joined", detail=f"{path.name}-wal: {after[1]}"[:300])


def find_tables(database: sqlite3.Connection) -> list[Table]:
    """The tables of spans that the reader knows; empty where the database is another program's."""
    tables: list[Table] = []
    for name in _TABLES:
        columns = frozenset(decode_text(row[1]) for row in database.execute(f"PRAGMA table_info({name})").fetchall())
        if not {"id", "traceId", "parentSpanId", "name", "attributes"} <= columns:
            continue
        named = next((column for column in ("conversationId", "runId") if column in columns), None)
        if named is not None and "startTimeUnixNano" in columns:
            run = f"CASE WHEN coalesce({named}, '') IN {_NO_RUNS} THEN traceId ELSE {named} END"
            tables.append(Table(name, columns, run, "startTimeUnixNano"))
        elif {"run_id", "spanKind", "startTime"} <= columns:
            tables.append(Table(name, columns, "coalesce(run_id, traceId)", "startTime"))
    return tables


def find_first_run(database: sqlite3.Connection) -> Run | None:
    """The run of the first row, without its places; None where there is no span."""
    for table in find_tables(database):
        for key, start in database.execute(f"SELECT {table.run}, {table.start} FROM {table.name} LIMIT 1").fetchall():
            return Run(decode_text(key) or "unknown", _read_time(start)[1])
    return None


def list_runs(database: sqlite3.Connection, log: LossLog) -> list[Run]:
    """The runs in order of their first span, with those that have none yet."""
    places: dict[str, dict[str, list[int]]] = {}
    starts: dict[str, tuple[int, str | None]] = {}
    for table in find_tables(database):
        try:
            for row_id, key, start in database.execute(f"SELECT rowid, {table.run}, {table.start} FROM {table.name}"):
                run_id = decode_text(key) or "unknown"
                places.setdefault(run_id, {}).setdefault(table.name, []).append(row_id)
                time = _read_time(start)
                starts[run_id] = min(starts.get(run_id, time), time, key=_get_first)
        except READ_ERRORS as error:
            log.drop("unreadable_file", detail=f"{table.name}: {error}"[:300])
    for run_id, row in _read_run_rows(database, log, None).items():
        if run_id not in starts:
            starts[run_id] = _read_time(row.get("timestamp"))
    return [
        Run(run_id, shown, tuple((name, tuple(rows)) for name, rows in places.get(run_id, {}).items()))
        for run_id, (_, shown) in sorted(starts.items(), key=lambda item: (item[1][0], item[0]))
    ]


def read_run_row(database: sqlite3.Connection, run_id: str, log: LossLog) -> dict[str, Any]:
    """What ``run_table`` says of a run; empty where it says nothing."""
    return _read_run_rows(database, log, run_id).get(run_id, {})


def list_spans(database: sqlite3.Connection, run: Run, log: LossLog) -> list[Span]:
    """The spans of a run in order of their start, each once."""
    tables = {table.name: table for table in find_tables(database)}
    spans: dict[str, Span] = {}
    for name, row_ids in run.places:
        if name not in tables:
            continue
        for first in range(0, len(row_ids), _CHUNK_ROWS):
            for row in _fetch_rows(database, tables[name], row_ids[first : first + _CHUNK_ROWS], log):
                span = _build_span(tables[name], row)
                spans.setdefault(span.id, span)
    log.lines_read += len(spans)
    return sorted(spans.values(), key=lambda span: (span.start, span.row_id))


def read_attributes(database: sqlite3.Connection, span: Span, log: LossLog) -> dict[str, Any] | None:
    """The attributes of a span, nested; None where they cannot be read (logged)."""
    raw: Any = b""
    try:
        query = f"SELECT attributes FROM {span.table} WHERE rowid = ?"
        rows = database.execute(query, (span.row_id,)).fetchall()
        raw = rows[0][0] if rows else b""
        value = decode_json(raw if isinstance(raw, bytes) else decode_text(raw).encode(), log)
    except sqlite3.Error as error:
        log.drop("unreadable_file", detail=f"attributes of span {span.id}: {error}"[:300])
        return None
    except (ValueError, RecursionError) as error:
        log.drop("bad_json", detail=f"attributes of span {span.id}: {error}"[:300], content=decode_text(raw)[:2000])
        return None
    if not isinstance(value, dict):
        log.drop("not_an_object", detail=f"attributes of span {span.id}"[:200], content=decode_text(raw)[:2000])
        return None
    return _nest(as_record(value))


def decode_text(value: Any) -> str:
    """A value of any column as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def _read_run_rows(database: sqlite3.Connection, log: LossLog, run_id: str | None) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    try:
        if not database.execute("PRAGMA table_info(run_table)").fetchall():
            return rows
        query = "SELECT * FROM run_table" + (" WHERE id = ?" if run_id is not None else "")
        cursor = database.execute(query, (run_id,) if run_id is not None else ())
        names = [column[0] for column in cursor.description]
        for values in cursor.fetchall():
            row = {name: decode_text(value) for name, value in zip(names, values, strict=True)}
            if row.get("id"):
                rows[row["id"]] = row
    except READ_ERRORS as error:
        log.drop("unreadable_file", detail=f"run_table: {error}"[:300])
    return rows


def _fetch_rows(
    database: sqlite3.Connection, table: Table, row_ids: Sequence[int], log: LossLog
) -> list[dict[str, Any]]:
    """Rows without their heavy columns; where a page is damaged, one after the other."""
    light = ", ".join(f'"{column}"' for column in sorted(table.columns.difference(_HEAVY_COLUMNS)))
    marks = ", ".join("?" * len(row_ids))
    query = f'SELECT rowid AS "rowid", {light} FROM {table.name} WHERE rowid IN ({marks})'
    try:
        cursor = database.execute(query, tuple(row_ids))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except READ_ERRORS as error:
        if len(row_ids) > 1:
            return [row for row_id in row_ids for row in _fetch_rows(database, table, [row_id], log)]
        log.drop("unreadable_file", detail=f"row {row_ids[0]} of {table.name}: {error}"[:300])
        return []


def _build_span(table: Table, row: Mapping[str, Any]) -> Span:
    def get(*columns: str) -> str:
        return next((text for column in columns if (text := decode_text(row.get(column)))), "")

    start, started_at = _read_time(row.get("startTimeUnixNano", row.get("startTime")))
    return Span(
        table=table.name,
        row_id=row["rowid"],
        id=get("spanId", "id") or f"{table.name}:{row['rowid']}",
        trace_id=get("traceId"),
        parent_id=get("parentSpanId"),
        name=get("name"),
        kind=_find_kind(get("spanKind", "operationName"), get("name")),
        start=start,
        started_at=started_at,
        ended_at=_read_time(row.get("endTimeUnixNano", row.get("endTime")))[1],
        is_failed=get("statusCode") == "2" or get("status") == "ERROR" or _read_status(get("status")).get("code") == 2,
        message=get("statusMessage") or get_text(_read_status(get("status")), "message") or "",
        row=row,
    )


def _find_kind(named: str, span_name: str) -> str:
    """What a span is; rows without an operation are told by their name."""
    if named in _KINDS:
        return _KINDS[named]
    return _KINDS.get(span_name.partition(" ")[0], "other") if named in ("", "unknown") else "other"


def _read_status(status: str) -> dict[str, Any]:
    """The status of the new generation: ``{"code": 2, "message": "..."}``."""
    return parse_record(status) if status.startswith("{") else {}


def _read_time(value: Any) -> tuple[int, str | None]:
    """Nanoseconds for ordering, and the time as ISO 8601, from either of these."""
    text = decode_text(value).strip()
    if text.isdecimal() and text.isascii() and len(text) < 30:
        nanoseconds = int(text)
        return nanoseconds, format_time(nanoseconds / 1e9) if nanoseconds else None
    shown = format_time(text)
    if shown is None:
        return 0, None
    try:
        moment = datetime.fromisoformat(shown)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000) * 1000, shown
    except (ValueError, OverflowError):
        return 0, shown


def _get_first(pair: tuple[int, str | None]) -> int:
    return pair[0]


def _nest(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with dots in their names as nested objects: later versions of Studio store them flat."""
    nested: dict[str, Any] = {}
    for name, value in attributes.items():
        *path, last = name.split(".")
        place = nested
        for part in path:
            inner = place.setdefault(part, {})
            place = inner if isinstance(inner, dict) else {}
        old = place.get(last)
        place[last] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return nested
