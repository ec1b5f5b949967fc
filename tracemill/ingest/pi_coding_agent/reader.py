"""Pi coding agent sessions → traces.

Files: ``~/.pi/agent/sessions/--<cwd>--/<time>_<id>.jsonl``; OpenClaw writes the same format.

Checked against versions 1 (linear: rows without ids) and 3 (a tree of ``id`` and ``parentId``) of pi-mono up to early
2026, and OpenClaw of February 2026. Version 2 differs from 3 in one name (role ``hookMessage`` for ``custom``).

A row is the header or an entry; a file is one session, or several where a second header stands in it. One literal row::

    {"type": "message", "id": "22222222", "parentId": "11111111", "timestamp": "2026-03-31T10:00:02.000Z",
     "message": {"role": "user", "content": "Please update src/main.rs"}}

Kept: the messages on the path to the last message entry, with thinking, tool calls, results and their ``isError``,
model, usage (``input_tokens`` is the whole prompt, with what a cache held or took) and stop reason; what a person ran
with ``!`` (``bashExecution``), branch summaries and extensions' messages as injected user messages; ``compaction`` as a
message of that origin, its context being the summary and the entries from ``firstKeptEntryId`` on; what late versions
keep of the system prompt and of the tools (role ``system``); the file that the
session was forked from, in ``source_meta["parent_session"]``. An entry whose parent is not above it in the file,
because a line or the file's head is missing, follows the entry above it.
With ``ReadOptions.branches`` each abandoned branch on which the model spoke is a trace of its own, from the root to its
last entry: ``<trace id>~<entry id>``, with ``source_meta["branch_of"]``.
Dropped and counted: other entries off the path (``abandoned_branch``), unknown types and roles
(``unknown_record_type``), repeated ids (``duplicate_row``), API errors without a word of the model
(``api_error_message``). Bookkeeping, not counted: changes of model and thinking level, labels, leaves, names,
extensions' state, usage of other requests, later edits of the context (their number is in
``source_meta["context_edits"]``), details of tool results, and requests that were aborted before the model said
anything (their number is in ``source_meta["aborted_requests"]``).

Source: badlogic/pi-mono, ``packages/coding-agent/docs/session.md`` and ``src/core/session-manager.ts``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.json_fields import dump_json, format_time, get_int, get_text
from tracemill.ingest.lines import read_head_rows
from tracemill.ingest.pi_coding_agent.messages import EntryReader
from tracemill.ingest.pi_coding_agent.rows import Entry, load_header, load_row, read_entries, soften
from tracemill.ingest.pi_coding_agent.tree import find_branches, find_path, grow_tree
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Message, Trace


@dataclass(slots=True)
class _Session:
    """The rows of one session; ``rows`` holds all of them, the header too, as version 1 counts its entries so."""

    header: Entry | None = None
    rows: list[Entry] = field(default_factory=list[Entry])


def is_session_file(path: Path) -> bool:
    return path.suffix == ".jsonl"


def read_head(path: Path) -> Head | None:
    started: str | None = None
    is_ours = False
    for row in read_head_rows(path):
        if _is_header(entry := soften(row)):
            return Head(str(row.value["id"]), format_time(row.value.get("timestamp")))
        is_ours = is_ours or _is_message(entry)
        started = started or format_time(row.value.get("timestamp"))
    return Head(path.stem, started) if is_ours else None


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    rows = read_entries(path, log, options)
    if not any(_is_header(row) or _is_message(row) for row in rows):
        if rows:
            first = rows[0]
            log.drop("foreign_file", first.line, "no session header and no message entry", dump_json(load_row(first)))
        elif not log.losses:
            log.drop("empty_file")
        return
    traces: list[Trace] = []
    latest: int | None = None
    for session in _split_sessions(rows, log):
        live, *branches = _read_session(session, path, log, options)
        if live is not None:
            latest = len(traces)
        traces += [trace for trace in (live, *branches) if trace is not None]
    if latest is not None and any(loss.reason == "cut_line" for loss in log.losses):
        traces[latest] = replace(traces[latest], is_partial=True)
    yield from finish_traces(traces, log)


def _is_header(row: Entry) -> bool:
    return row.type == "session" and bool(row.id and not row.id.isspace())


def _is_message(row: Entry) -> bool:
    if row.type != "message":
        return False
    return row.message is not None or isinstance(load_row(row).get("message"), dict)


def _split_sessions(rows: Sequence[Entry], log: LossLog) -> list[_Session]:
    """A second header begins a second session; rows before the first header belong to it."""
    sessions = [_Session()]
    for row in rows:
        if row.type == "session" and _is_header(row):
            header = sessions[-1].header
            if header is None:
                sessions[-1].header = row
            elif row.id == load_row(header)["id"]:
                log.drop("duplicate_row", row.line, "a second header of the same session", dump_json(load_row(row)))
                continue
            else:
                sessions.append(_Session(row))
        sessions[-1].rows.append(row)
    return sessions


def _read_session(session: _Session, path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace | None]:
    """The live conversation first, then, where they are asked for, the abandoned branches."""
    header = load_header(session.header) if session.header is not None else {}
    own_id = get_text(header, "id") or path.stem
    entries = grow_tree(session.rows, session.header, log)
    live = find_path(entries)
    branches: list[Trace] = []
    if len(live) < len([entry for entry in entries if entry.is_told]):
        told = {entry.number for entry in live}
        for branch in find_branches(entries, live) if options.branches else ():
            trace = _read_branch(branch, told, header, own_id, path, log)
            if trace is not None:
                branches.append(trace)
                told.update(entry.number for entry in branch)
        for entry in entries:
            if entry.is_told and entry.number not in told:
                log.drop("abandoned_branch", entry.line, entry.type, dump_json(load_row(entry)))
    reader = EntryReader(log)
    messages = reader.read(live)
    if messages:
        yield _build_trace(own_id, messages, header, entries, path, reader)
    else:
        log.drop("no_messages", session.rows[0].line if session.rows else None, f"session {own_id}"[:200])
        yield None
    yield from branches


def _read_branch(
    branch: Sequence[Entry], told: set[int], header: Mapping[str, Any], live_id: str, path: Path, log: LossLog
) -> Trace | None:
    """The trace of an abandoned branch, or None where no model spoke on it; what others tell too is not lost twice."""
    own = [entry for entry in branch if entry.number not in told]
    scratch = LossLog(log.path)
    if not any(message.role == "assistant" for message in EntryReader(scratch).read(own)):
        return None
    scratch = LossLog(log.path)
    reader = EntryReader(scratch)
    messages = reader.read(branch)
    lines = {entry.line for entry in own}
    log.losses += [loss for loss in scratch.losses if loss.line in lines]
    for reason, count in scratch.notes.items():
        log.note(reason, count)
    tip = branch[-1]
    trace = _build_trace(f"{live_id}~{tip.id or tip.line}", messages, header, branch, path, reader)
    meta = {**trace.source_meta, "branch_of": live_id}
    return replace(trace, root_session_id=live_id, parent_trace_id=live_id, source_meta=meta)


def _build_trace(
    own_id: str,
    messages: tuple[Message, ...],
    header: Mapping[str, Any],
    entries: Sequence[Entry],
    path: Path,
    reader: EntryReader,
) -> Trace:
    first, last = (_find_time(listed) for listed in (entries, reversed(entries)))
    return Trace(
        trace_id=own_id,
        source_kind=SOURCE.name,
        source_path=str(path),
        root_session_id=own_id,
        messages=messages,
        cwd=get_text(header, "cwd"),
        started_at=format_time(header.get("timestamp")) or first,
        ended_at=last,
        source_meta={**_describe_source(header, entries), **reader.describe()},
        model=_find_model(messages, entries) or get_text(header, "modelId"),
        tools=reader.tools,
        input_tokens=reader.input_tokens,
        output_tokens=reader.output_tokens,
    )


def _find_time(entries: Iterable[Entry]) -> str | None:
    return next((time for entry in entries if (time := format_time(entry.timestamp))), None)


def _find_model(messages: Sequence[Message], entries: Sequence[Entry]) -> str | None:
    """The model of the last turn that names one, else of the last change of model."""
    named = next((message.model for message in reversed(messages) if message.model), None)
    changes = (entry.modelId for entry in reversed(entries))
    return named or next((model for model in changes if isinstance(model, str) and model.strip()), None)


def _describe_source(header: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, Any]:
    infos = (load_row(entry) for entry in reversed(entries) if entry.type == "session_info")
    meta: dict[str, Any] = {
        "version": get_int(header, "version") or 1,
        "provider": get_text(header, "provider"),
        "parent_session": get_text(header, "parentSession"),
        "session_name": next((name for info in infos if (name := get_text(info, "name"))), None),
        "context_edits": sum(entry.type == "context_edit" for entry in entries) or None,
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
