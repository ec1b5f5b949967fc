"""Hermes Agent sessions: snapshots, transcripts, exports and the database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ingest.hermes_agent_rows import (
    EXPORT,
    MESSAGES,
    SESSIONS,
    SNAPSHOT,
    SNAPSHOT_TRACE,
    SUMMARY,
    TRANSCRIPT,
    insert,
    make_state,
    read,
    say,
    write_lines,
)
from tracemill.ingest.hermes_agent.reader import SOURCE
from tracemill.trace import SELF, Message, ToolCall


def test_small_snapshot() -> None:
    traces, log = read(SNAPSHOT)
    assert log.losses == []
    assert len(traces) == 1
    trace = traces[0]
    assert [tool["function"]["name"] for tool in trace.tools] == ["terminal", "read_file"]
    assert trace == replace(SNAPSHOT_TRACE, tools=trace.tools)


def test_small_transcript() -> None:
    (trace,), log = read(TRANSCRIPT)
    assert (trace.trace_id, trace.model, len(trace.tools)) == ("20260914_183011_7d20aa31", "claude-sonnet-4-6", 2)
    assert (trace.started_at, trace.ended_at) == ("2026-09-14T18:30:11.000000", "2026-09-14T18:41:05.250000")
    assert trace.source_meta == {"layout": "gateway", "platform": "telegram"}
    assert [(message.role, message.origin) for message in trace.messages] == [
        ("user", "human"),
        ("assistant", "model"),
        ("tool", "tool"),
        ("assistant", "model"),
        ("user", "injected"),
        ("assistant", "model"),
    ]
    assert log.losses == []


def test_small_export() -> None:
    (parent, child), log = read(EXPORT)
    assert (parent.input_tokens, parent.output_tokens, parent.cwd) == (5210, 388, "/home/mira/atlas")
    assert (parent.git_branch, parent.project_path, parent.is_sidechain) == ("trails", "/home/mira/atlas", False)
    assert parent.started_at == "2026-08-20T07:00:00.500000Z"
    assert child.is_sidechain
    assert child.parent_trace_id == child.root_session_id == parent.trace_id == parent.root_session_id
    assert log.losses == []


@pytest.mark.parametrize("path", [SNAPSHOT, TRANSCRIPT, EXPORT], ids=["snapshot", "transcript", "export"])
def test_head_agrees_with_body(path: Path) -> None:
    head = SOURCE.read_head(path)
    first = read(path)[0][0]
    assert head is not None
    assert (head.root_session_id, head.started_at) == (first.root_session_id, first.started_at)


def test_head_of_a_long_snapshot_is_read_from_its_first_bytes(tmp_path: Path) -> None:
    document = {"session_id": "s1", "parent_session_id": "s0", "messages": [say("user", "x" * 1000)] * 400}
    path = tmp_path / "session_s1.json"
    path.write_text(json.dumps(document)[:-20], encoding="utf-8")
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == "s0"


@pytest.mark.parametrize(
    ("name", "is_session"),
    [
        ("state.db", True),
        ("session_1.json", True),
        ("1.jsonl", True),
        ("sessions.json", False),
        ("request_dump_1_2.json", False),
        ("state.db-wal", False),
        ("other.db", False),
    ],
)
def test_session_files_by_name(name: str, is_session: bool) -> None:
    assert SOURCE.is_session_file(Path("/h/sessions") / name) is is_session


def test_small_state(tmp_path: Path) -> None:
    path = make_state(tmp_path, SESSIONS, MESSAGES)
    traces, log = read(path)
    assert [(trace.trace_id, trace.root_session_id, trace.parent_trace_id, trace.is_sidechain) for trace in traces] == [
        ("a", "a", None, False),
        ("b", "b", None, False),
        ("c", "b", "b", True),
        ("d", "b", "c", False),
    ]
    assert traces[0].goal == "Look"
    assert traces[1].messages == (
        Message("system", "Be brief.", "injected"),
        Message("user", "List it", "human", timestamp="1970-01-01T00:03:21.500000Z"),
        Message("assistant", "", "model", tool_calls=(ToolCall("k1", "terminal", "{}"),)),
        Message("tool", "notes.txt", "tool", tool_call_id="k1"),
    )
    assert (traces[1].model, traces[1].input_tokens, traces[1].output_tokens) == ("m1", 7, 0)
    assert (traces[0].ended_at, traces[0].input_tokens) == ("1970-01-01T00:02:30.500000Z", None)
    assert log.count_losses() == {"abandoned_branch": 1, "no_messages": 1} == traces[0].dropped
    assert traces[1].dropped == {}
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == "hermes-state:state.db"


def test_state_is_read_while_hermes_writes(tmp_path: Path) -> None:
    path = make_state(tmp_path, SESSIONS[:1], MESSAGES[:1])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        insert(writer, "messages", {"session_id": "b", "role": "assistant", "content": "committed"})
        writer.execute("BEGIN IMMEDIATE")
        insert(writer, "messages", {"session_id": "b", "role": "user", "content": "not yet"})
        traces, log = read(path)
        writer.execute("ROLLBACK")
    assert [message.text for message in traces[0].messages] == ["Be brief.", "List it", "committed"]
    assert log.losses == []


def test_state_is_read_where_its_log_cannot_be_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_state(tmp_path, SESSIONS[:1], MESSAGES[:1])
    connect = sqlite3.connect

    def refuse(address: str, **options: Any) -> sqlite3.Connection:
        if "immutable=1" not in address:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(address, **options)

    monkeypatch.setattr(sqlite3, "connect", refuse)
    traces, log = read(path)
    assert (len(traces), log.losses) == (1, [])


def compacted(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"session_id": "b", "role": role, "content": content, "active": 0, "compacted": 1, **fields}


def live(role: str, content: str) -> dict[str, Any]:
    return {"session_id": "b", "role": role, "content": content}


def test_compaction_in_place_keeps_what_was_said_once(tmp_path: Path) -> None:
    """Old rows, then copies of the first, the summary, copies of the last, and what came after; twice."""
    old = [("user", "Task"), ("assistant", "One"), ("user", "Go on"), ("assistant", "Two")]
    rows = [
        *(compacted(role, text) for role, text in old),
        *(compacted(*old[0]), compacted("user", f"{SUMMARY} 1"), compacted(*old[3])),
        *(compacted("user", "More"), compacted("assistant", "Three")),
        *(
            live(*old[0]),
            live("user", f"{SUMMARY} 2"),
            live("assistant", "Three"),
            live("user", "Last"),
            live("assistant", "Four"),
        ),
    ]
    trace = read(make_state(tmp_path, SESSIONS[:1], rows))[0][0]
    texts = [
        "Be brief.",
        "Task",
        "One",
        "Go on",
        "Two",
        f"{SUMMARY} 1",
        "More",
        "Three",
        f"{SUMMARY} 2",
        "Last",
        "Four",
    ]
    assert [message.text for message in trace.messages] == texts
    assert [message.context for message in trace.messages if message.origin == "compaction"] == [
        (0, 1, SELF, 4),
        (0, 1, SELF, 7),
    ]
    _, seen = list(trace.contexts())[-1]
    assert [message.text for message in seen] == ["Be brief.", "Task", f"{SUMMARY} 2", "Three", "Last"]


def test_a_summary_without_old_rows_joins_what_stands_before_it(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "s.jsonl", say("user", "Task"), say("assistant", SUMMARY), say("assistant", "Next"))
    trace = read(path)[0][0]
    assert trace.messages[1] == Message("user", SUMMARY, "compaction", context=(0, SELF))
    assert next(iter(trace.contexts())) == (2, trace.messages[:2])


@pytest.mark.parametrize(
    ("mark", "origin"),
    [(1, "compaction"), (True, "compaction"), (0, "human"), (None, "human"), ("1", "human")],
    ids=repr,
)
def test_a_summary_is_known_by_its_mark_too(tmp_path: Path, mark: Any, origin: str) -> None:
    """Whatever its text is; the mark is a field of messages in memory and in snapshots, no column of the database."""
    summary = say("user", "What was done so far", _compressed_summary=mark)
    path = write_lines(tmp_path / "s.jsonl", say("user", "Task"), summary, say("assistant", "Next"))
    (trace,), log = read(path)
    assert [message.origin for message in trace.messages] == ["human", origin, "model"]
    assert trace.messages[1].context == ((0, SELF) if origin == "compaction" else None)
    assert log.losses == []


@pytest.mark.parametrize("text", ["Wrong turn.", f" {SUMMARY}"], ids=["words", "summary"])
def test_rewound_rows_are_lost_and_in_no_context(tmp_path: Path, text: str) -> None:
    """Inactive and not compacted: the person took it back, be it a summary."""
    rows = [
        live("user", "Task"),
        {**live("assistant", text), "active": 0},
        {**live("user", "Not so"), "active": 0},
        live("assistant", "Right turn."),
    ]
    (trace,), log = read(make_state(tmp_path, SESSIONS[:1], rows))
    assert [message.text for message in trace.messages] == ["Be brief.", "Task", "Right turn."]
    assert list(trace.contexts()) == [(2, trace.messages[:2])]
    assert [(loss.reason, loss.detail) for loss in log.losses] == [
        ("abandoned_branch", "message 2"), ("abandoned_branch", "message 3"),
    ]  # fmt: skip
    assert json.loads(log.losses[0].content)["content"] == text


@pytest.mark.parametrize(
    ("fields", "kept"),
    [({"active": 0}, False), ({"active": 0, "compacted": 1}, True), ({"active": 1}, True), ({"active": None}, True)],
    ids=["rewound", "compacted", "active", "unknown"],
)
def test_rewound_rows_of_a_transcript(tmp_path: Path, fields: dict[str, Any], kept: bool) -> None:
    path = write_lines(tmp_path / "s.jsonl", say("user", "Task"), say("assistant", "One", **fields), say("user", "Two"))
    (trace,), log = read(path)
    assert [message.text for message in trace.messages] == ["Task", *(["One"] if kept else []), "Two"]
    assert [(loss.reason, loss.line) for loss in log.losses] == ([] if kept else [("abandoned_branch", 2)])


@pytest.mark.parametrize(
    ("content", "is_error"),
    [
        ('{"output": "", "exit_code": 2, "error": null}', True),
        ('{"output": "x", "exit_code": 0, "error": null}', False),
        ('{"error": "no such tool"}', True),
        ('{"output": "x", "error": null}', None),
        ('{"exit_code": broken', None),
        ("exit_code 1", None),
    ],
)
def test_a_result_failed_where_it_says_so(tmp_path: Path, content: str, is_error: bool | None) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "terminal", "arguments": "{}"}}
    rows = [say("user", "Go"), say("assistant", "", tool_calls=[call]), say("tool", content, tool_call_id="c1")]
    (trace,), _ = read(write_lines(tmp_path / "t.jsonl", *rows))
    assert [message.is_error for message in trace.messages] == [None, None, is_error]
