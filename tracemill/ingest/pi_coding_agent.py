"""Pi coding agent sessions → traces.

Files: ``~/.pi/agent/sessions/--<cwd>--/<time>_<id>.jsonl``; OpenClaw writes the same format.

Checked against versions 1 (linear: rows without ids) and 3 (a tree of ``id`` and ``parentId``) of pi-mono up to early
2026, and OpenClaw of February 2026. Version 2 differs from 3 in one name (role ``hookMessage`` for ``custom``).

A row is the header or an entry; a file is one session, or several where a second header stands in it. One literal row::

    {"type": "message", "id": "22222222", "parentId": "11111111", "timestamp": "2026-03-31T10:00:02.000Z",
     "message": {"role": "user", "content": "Please update src/main.rs"}}

Kept: the messages on the path to the last message entry, with thinking, tool calls, results and their ``isError``,
model, usage (``input`` and ``output``, without what came from a cache) and stop reason; what a person ran with ``!``
(``bashExecution``), branch summaries and extensions' messages as injected user messages; ``compaction`` as a message of
that origin, its context being the summary and the entries from ``firstKeptEntryId`` on; the file that the session was
forked from, in ``source_meta["parent_session"]``. An entry whose parent is not above it in the file, because a line or
the file's head is missing, follows the entry above it.
Dropped and counted: entries off the path (``abandoned_branch``), unknown types and roles (``unknown_record_type``),
repeated ids (``duplicate_row``), API errors without a word of the model (``api_error_message``). Bookkeeping, not
counted: changes of model and thinking level, labels, leaves, names, extensions' state, details of tool results, and
requests that were aborted before the model said anything (their number is in ``source_meta["aborted_requests"]``).

Source: badlogic/pi-mono, ``packages/coding-agent/docs/session.md`` and ``src/core/session-manager.ts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.json_fields import dump_json, format_time, get_int, get_text
from tracemill.ingest.lines import Row, read_head_rows, read_rows
from tracemill.ingest.pi_messages import EntryReader
from tracemill.ingest.pi_tree import Entry, find_path, grow_tree
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.ingest.transcript import finish_traces, sum_tokens
from tracemill.trace import Message, Trace


@dataclass(slots=True)
class _Session:
    """The rows of one session; ``rows`` holds all of them, the header too, as version 1 counts its entries so."""

    header: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rows: list[Row] = field(default_factory=list[Row])


def is_session_file(path: Path) -> bool:
    return path.suffix == ".jsonl"


def read_head(path: Path) -> Head | None:
    started: str | None = None
    is_ours = False
    for row in read_head_rows(path):
        if _is_header(row.value):
            return Head(str(row.value["id"]), format_time(row.value.get("timestamp")))
        is_ours = is_ours or _is_message(row.value)
        started = started or format_time(row.value.get("timestamp"))
    return Head(path.stem, started) if is_ours else None


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    rows = list(read_rows(path, log, options))
    if not any(_is_header(row.value) or _is_message(row.value) for row in rows):
        if rows:
            log.drop("foreign_file", rows[0].line, "no session header and no message entry", dump_json(rows[0].value))
        elif not log.losses:
            log.drop("empty_file")
        return
    traces = [
        trace for session in _split_sessions(rows, log) if (trace := _build_trace(session, path, log)) is not None
    ]
    if traces and any(loss.reason == "cut_line" for loss in log.losses):
        traces[-1] = replace(traces[-1], is_partial=True)
    yield from finish_traces(traces, log)


def _is_header(record: Mapping[str, Any]) -> bool:
    return record.get("type") == "session" and get_text(record, "id") is not None


def _is_message(record: Mapping[str, Any]) -> bool:
    return record.get("type") == "message" and isinstance(record.get("message"), dict)


def _split_sessions(rows: Sequence[Row], log: LossLog) -> list[_Session]:
    """One session a header; rows above the first header belong to it."""
    sessions = [_Session()]
    for row in rows:
        if _is_header(row.value):
            if not sessions[-1].header:
                sessions[-1].header = row.value
            elif row.value["id"] == sessions[-1].header["id"]:
                log.drop("duplicate_row", row.line, "a second header of the same session", dump_json(row.value))
                continue
            else:
                sessions.append(_Session(row.value))
        sessions[-1].rows.append(row)
    return sessions


def _build_trace(session: _Session, path: Path, log: LossLog) -> Trace | None:
    header = session.header
    own_id = get_text(header, "id") or path.stem
    entries = grow_tree(session.rows, header, log)
    told = find_path(entries, log)
    reader = EntryReader(log)
    messages = reader.read(told)
    if not messages:
        log.drop("no_messages", session.rows[0].line if session.rows else None, f"session {own_id}"[:200])
        return None
    times = [time for entry in entries if (time := format_time(entry.row.value.get("timestamp")))]
    return Trace(
        trace_id=own_id,
        source_kind=SOURCE.name,
        source_path=str(path),
        root_session_id=own_id,
        messages=messages,
        cwd=get_text(header, "cwd"),
        started_at=format_time(header.get("timestamp")) or (times[0] if times else None),
        ended_at=times[-1] if times else None,
        source_meta={**_describe_source(header, entries), **reader.describe()},
        model=_find_model(messages, entries) or get_text(header, "modelId"),
        input_tokens=sum_tokens(messages, "input_tokens"),
        output_tokens=sum_tokens(messages, "output_tokens"),
    )


def _find_model(messages: Sequence[Message], entries: Sequence[Entry]) -> str | None:
    """The model of the last turn that names one, else of the last change of model."""
    named = [message.model for message in messages if message.model]
    changed = [model for entry in entries if (model := get_text(entry.row.value, "modelId"))]
    return (named or changed or [None])[-1]


def _describe_source(header: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, Any]:
    names = [name for entry in entries if entry.kind == "session_info" and (name := get_text(entry.row.value, "name"))]
    meta: dict[str, Any] = {
        "version": get_int(header, "version") or 1,
        "provider": get_text(header, "provider"),
        "parent_session": get_text(header, "parentSession"),
        "session_name": names[-1] if names else None,
    }
    return {key: value for key, value in meta.items() if value is not None}


SOURCE = Source(
    name="pi_coding_agent",
    title="Pi coding agent",
    default_dir="~/.pi/agent/sessions",
    file_pattern="*.jsonl",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
