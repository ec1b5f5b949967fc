"""Hermes Agent sessions → traces.

Files, under ``~/.hermes/sessions`` and beside it:

* CLI snapshot, ``session_<id>.json``: one object with ``messages``; one file, one trace.
* Gateway transcript, ``<id>.jsonl``: a message a row, the first row often of role ``session_meta``; the id is the stem.
* Export (``hermes sessions export``), ``*.jsonl``: a session a row, with its ``messages``.
* ``state.db``: SQLite, a session with messages a trace (see ``hermes_state``); the only store that 0.19 writes by
  default. It lies in ``~/.hermes``, one folder above: name that folder to read it.

``sessions.json`` (the gateway's index) and ``request_dump_*.json`` are no sessions. A session that two of these files
hold is read from the one that holds more of it.

Checked against Hermes Agent 0.19.0 (state.db schema 22) and exports of mid 2026; schema 31, which keeps system prompts
in a table of their own, against its sources. One literal row of a transcript::

    {"role": "user", "content": "List the directory.", "timestamp": "2026-11-21T07:24:40.674898"}

Kept: system prompt (a first system message), tool definitions, messages with reasoning, tool calls, results, finish
reasons and times; token counts of a session; ``parent_session_id`` as ``parent_trace_id``. A session is a side chain
where its record says that it was delegated. A context summary is a message of origin ``compaction``; notices that
Hermes puts into the user role are ``injected``. A result failed (``is_error``) where it is JSON with an ``exit_code``
other than 0, or without one with an ``error``; with ``exit_code`` 0 it did not; otherwise nobody says. Input tokens
count the whole prompt, what came from a cache or went into it too.
Dropped and counted: rewound messages (``abandoned_branch``), unknown roles (``unknown_record_type``), rows without a
role (``malformed_record``). Dropped: provider-specific copies of the reasoning, costs, chat ids of messengers.

``root_session_id`` is the parent's id where a record names one (before its ``messages``), else the session's own; in
``state.db`` the head of the chain of parents. Databases and exports are taken session by session.

Source: NousResearch/hermes-agent, ``hermes_state.py`` and ``gateway/session.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from tracemill.ingest.document_head import read_leading_fields, read_start
from tracemill.ingest.documents import read_document
from tracemill.ingest.hermes_agent.heads import (
    describe_head,
    find_root,
    get_id,
    index_sessions,
    is_session,
    peek_session,
    peek_snapshot,
    peek_transcript,
    read_first_line,
)
from tracemill.ingest.hermes_agent.session import SessionRow, build_trace, decode_session
from tracemill.ingest.hermes_agent.state import STATE_FILE, list_state, read_state, read_state_head, read_state_session
from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_text
from tracemill.ingest.lines import Row, read_line_at, read_rows
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions, Source
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Trace

_INDEX_FILE = "sessions.json"
_MAX_HEAD_ROWS = 40
_ALL_FIELDS = msgspec.json.Decoder(dict[str, Any])


def is_session_file(path: Path) -> bool:
    name = path.name
    if name == STATE_FILE:
        return True
    is_bookkeeping = name == _INDEX_FILE or name.startswith("request_dump_")
    return not is_bookkeeping and path.suffix in (".json", ".jsonl")


def read_head(path: Path) -> Head | None:
    if path.name == STATE_FILE:
        return read_state_head(path)
    if path.suffix == ".json":
        return peek_snapshot(path) or _read_snapshot_head(path)
    first = read_first_line(path)
    head = peek_session(first) or peek_transcript(first, path)
    if head is not None:
        return head
    for row in islice(read_rows(path, LossLog(path=str(path)), ReadOptions()), _MAX_HEAD_ROWS):
        if is_session(row.value):
            return describe_head(row.value)
        if isinstance(row.value.get("role"), str):
            return Head(path.stem, format_time(row.value.get("timestamp")))
    return None


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    if path.name == STATE_FILE:
        traces = read_state(path, log, SOURCE.name)
    elif path.suffix == ".json":
        traces = _read_snapshot(path, log)
    else:
        traces = _read_lines(path, log, options)
    found = [trace for trace in traces if trace is not None]
    return iter(finish_traces(found, log) if log.losses else found)


def list_entries(path: Path) -> tuple[Entry, ...] | None:
    """The sessions of a database, or of an export of two sessions or more; what is no session goes with the first."""
    if path.name == STATE_FILE:
        return list_state(path)
    if path.suffix == ".json":
        return None
    first = read_first_line(path)
    if len(first) == path.stat().st_size or peek_transcript(first, path) is not None:
        return None
    places: list[tuple[tuple[int, int], Head | None]] = []
    for place, head, rows in index_sessions(path, first):
        if len(rows) > 1 or (rows and isinstance(rows[0].value.get("role"), str)):
            return None  # a transcript, or glued sessions
        if rows and is_session(rows[0].value):
            head = describe_head(rows[0].value)
        if head is None and not places:
            return None
        places.append((place, head))
    heads = [head for _, head in places if head is not None]
    return tuple(Entry(key, head or heads[0]) for key, head in places) if len(heads) > 1 else None


def read_entry(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The session of one entry."""
    if path.name == STATE_FILE:
        traces = [read_state_session(path, entry, log, SOURCE.name)]
    else:
        rows = read_line_at(path, entry.key, log, options)
        ours = [row for row in rows if is_session(row.value)]
        traces = [_build_from_record(row.value, "export", path, log, row.line) for row in ours]
        _count_strangers([row for row in rows if not is_session(row.value)], log, is_ours=True)
    yield from finish_traces([trace for trace in traces if trace is not None], log)


def _read_snapshot_head(path: Path) -> Head | None:
    fields, _ = read_leading_fields(path)
    own_id = fields.get("session_id", fields.get("id"))
    if "messages" in fields and fields["messages"] is None and isinstance(own_id, str) and own_id.strip():
        return describe_head(fields)
    document = as_record(read_document(path, LossLog(path=str(path)), takes_first=True))
    return describe_head(document) if is_session(document) else None


def _read_snapshot(path: Path, log: LossLog) -> list[Trace | None]:
    raw = read_start(path, sys.maxsize)
    document = decode_session(raw)
    if document is None:
        document = read_document(path, log, takes_first=True)
    else:
        log.lines_read += 1
    if document is None:
        return []
    if is_session(document):
        return [_build_from_record(document, "cli_snapshot", path, log, None)]
    log.drop("foreign_file", detail="no object with a session id and messages that have content")
    return []


def _read_lines(path: Path, log: LossLog, options: ReadOptions) -> list[Trace | None]:
    traces: list[Trace | None] = []
    transcript: list[SessionRow] = []
    strangers: list[Row] = []
    place = 0
    for row in read_rows(path, log, options, _ALL_FIELDS):
        if is_session(row.value):
            traces.append(_build_from_record(row.value, "export", path, log, row.line))
        elif isinstance(row.value.get("role"), str):
            place = place if transcript else len(traces)
            transcript.append(SessionRow(row.value, row.line))
        else:
            strangers.append(row)
    if transcript:
        traces.insert(place, _build_transcript(path, transcript, log))
    _count_strangers(strangers, log, is_ours=bool(traces))
    return traces


def _build_transcript(path: Path, rows: Sequence[SessionRow], log: LossLog) -> Trace | None:
    session: dict[str, Any] = {}
    for row in rows:
        if row.value.get("role") == "session_meta":
            session = {**row.value, **session}
    # a gateway's session_meta row has only a time stamp: that of the session's start
    session["started_at"] = session.get("timestamp")
    trace = build_trace(session, rows, path.stem, path.stem, "gateway", path, log, SOURCE.name)
    is_cut = any(loss.reason == "cut_line" for loss in log.losses)
    return replace(trace, is_partial=is_cut) if trace else None


def _build_from_record(
    record: Mapping[str, Any], layout: str, path: Path, log: LossLog, line: int | None
) -> Trace | None:
    own_id = get_id(record) or path.stem
    rows: list[SessionRow] = []
    for number, message in enumerate(as_list(record.get("messages"))):
        if isinstance(message, dict):
            rows.append(SessionRow(message, line))  # pyright: ignore[reportUnknownArgumentType]
        else:
            log.drop("malformed_record", line, f"messages[{number}] is no object", dump_json(message))
    return build_trace(record, rows, own_id, find_root(record, own_id), layout, path, log, SOURCE.name)


def _count_strangers(rows: Sequence[Row], log: LossLog, *, is_ours: bool) -> None:
    """Count rows that are neither session nor message; if the file has nothing else, it is another format's."""
    if not is_ours:
        if rows:
            log.drop("foreign_file", rows[0].line, "no row with a role or a session", dump_json(rows[0].value))
        elif not log.losses:
            log.drop("empty_file")
        return
    for row in rows:
        is_typed = get_text(row.value, "type", "kind", "event") is not None
        reason = "unknown_record_type" if is_typed else "malformed_record"
        log.drop(reason, row.line, "a row without a role", dump_json(row.value))


SOURCE = Source(
    name="hermes_agent",
    title="Hermes Agent",
    default_dir="~/.hermes/sessions",
    file_pattern="*",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
    default_files=("~/.hermes/state.db",),
    list_entries=list_entries,
    read_entry=read_entry,
)
