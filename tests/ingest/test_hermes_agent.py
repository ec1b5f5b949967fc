"""Hermes Agent sessions: snapshots, transcripts, exports and the database."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracemill.ingest.hermes_agent import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import SELF, Message, ToolCall, Trace

EXAMPLES = Path(__file__).parents[2] / "examples" / "hermes_agent"
SNAPSHOT = EXAMPLES / "session_20260914_101502_4be1c9.json"
TRANSCRIPT = EXAMPLES / "20260914_183011_7d20aa31.jsonl"
EXPORT = EXAMPLES / "export.jsonl"
SUMMARY = "[CONTEXT COMPACTION - REFERENCE ONLY] Earlier turns: two files were read."


def read(path: Path) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=path.name)
    return list(SOURCE.read_file(path, log, ReadOptions())), log


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def say(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **fields}


def make_call(call_id: str, name: str = "terminal", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def make_state(folder: Path, sessions: list[dict[str, Any]], messages: list[dict[str, Any]]) -> Path:
    """A database with the columns of Hermes 0.19 that are read."""
    path = folder / "state.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT, model TEXT, model_config TEXT,"
            " system_prompt TEXT, parent_session_id TEXT, started_at REAL, ended_at REAL, cwd TEXT, title TEXT,"
            " input_tokens INTEGER DEFAULT 0, output_tokens INTEGER DEFAULT 0)"
        )
        database.execute(
            "CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, role TEXT, content TEXT,"
            " tool_call_id TEXT, tool_calls TEXT, tool_name TEXT, timestamp REAL, finish_reason TEXT, reasoning TEXT,"
            " active INTEGER DEFAULT 1, compacted INTEGER DEFAULT 0)"
        )
        for table, rows in (("sessions", sessions), ("messages", messages)):
            for row in rows:
                insert(database, table, row)
    return path


def insert(database: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" for _ in row)
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def test_small_snapshot() -> None:
    traces, log = read(SNAPSHOT)
    assert log.losses == []
    assert len(traces) == 1
    trace = traces[0]
    assert [tool["function"]["name"] for tool in trace.tools] == ["terminal", "read_file"]
    assert trace == Trace(
        trace_id="20260914_101502_4be1c9",
        source_kind="hermes_agent",
        source_path=str(SNAPSHOT),
        root_session_id="20260914_101502_4be1c9",
        started_at="2026-09-14T10:15:02.118342",
        ended_at="2026-09-14T10:15:41.902210",
        model="moonshotai/Kimi-K2.6",
        tools=trace.tools,
        source_meta={"layout": "cli_snapshot", "platform": "cli"},
        messages=(
            Message("system", "You are Hermes Agent. You help with tasks on this machine.", "injected"),
            Message("user", "The disk of this box fills up every night. Which cron job is it?", "human"),
            Message(
                "assistant",
                "",
                "model",
                reasoning_content="Look at the crontab and at the log sizes together.",
                tool_calls=(
                    ToolCall("call_01", "terminal", '{"command": "crontab -l"}'),
                    ToolCall("call_02", "terminal", '{"command": "du -sh /var/log/*"}'),
                ),
                stop_reason="tool_calls",
            ),
            Message(
                "tool",
                '{"output": "15 2 * * * /opt/backup/run.sh", "exit_code": 0, "error": null}',
                "tool",
                tool_call_id="call_01",
            ),
            Message(
                "tool",
                '{"output": "41G\\t/var/log/backup\\n12M\\t/var/log/syslog", "exit_code": 0, "error": null}',
                "tool",
                tool_call_id="call_02",
            ),
            Message(
                "assistant",
                "The backup at 02:15 (/opt/backup/run.sh) does: /var/log/backup holds 41 GB.",
                "model",
                stop_reason="stop",
            ),
            Message("user", "Thanks, I will rotate those.", "human"),
        ),
    )


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


SESSIONS = [
    {"id": "b", "source": "cli", "model": "m1", "system_prompt": "Be brief.", "started_at": 200.0, "input_tokens": 7},
    {"id": "a", "source": "telegram", "started_at": 100.0, "ended_at": 150.5},
    {"id": "c", "source": "subagent", "parent_session_id": "b", "started_at": 300.0},
    {"id": "d", "source": "cli", "parent_session_id": "c", "started_at": 400.0},
    {"id": "empty", "source": "cli", "started_at": 500.0},
]
MESSAGES = [
    {"session_id": "b", "role": "user", "content": "List it", "timestamp": 201.5},
    {"session_id": "a", "role": "user", "content": "\x00json:" + json.dumps([{"type": "text", "text": "Look"}])},
    {"session_id": "b", "role": "assistant", "content": None, "tool_calls": json.dumps([make_call("k1")])},
    {"session_id": "b", "role": "tool", "content": "notes.txt", "tool_call_id": "k1"},
    {"session_id": "b", "role": "assistant", "content": "Wrong turn.", "active": 0},
    {"session_id": "c", "role": "user", "content": "Help"},
    {"session_id": "d", "role": "user", "content": "Help more"},
]


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


def test_schema_drift(tmp_path: Path) -> None:
    """Unknown roles, rows, fields and content blocks are counted; what is around them stays."""
    path = write_lines(
        tmp_path / "s.jsonl",
        say("session_meta", None, model="m1"),
        say("user", [{"type": "text", "text": "Look"}, {"type": "hologram"}], client={"a": 1}),
        say("narrator", "meanwhile"),
        {"type": "heartbeat", "at": 3},
        {"note": "nothing known"},
        say("assistant", "Seen.", tool_calls=[{"id": "k1", "function": {"name": "look", "arguments": {"x": 1}}}]),
        say("tool", "a wall", tool_call_id="k1", is_error=True),
    )
    (trace,), log = read(path)
    assert [message.text for message in trace.messages] == ["Look", "Seen.", "a wall"]
    assert trace.messages[1].tool_calls == (ToolCall("k1", "look", '{"x": 1}'),)
    assert sorted((loss.reason, loss.line) for loss in log.losses) == [
        ("malformed_record", 5),
        ("unknown_content_block", 2),
        ("unknown_record_type", 3),
        ("unknown_record_type", 4),
    ]
    assert trace.dropped == log.count_losses()


def test_malformed_rows(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    lines = [
        json.dumps(say("user", "Go")),
        "{broken",
        json.dumps(say("tool", "stray", tool_call_id="k9")),
        "[1]",
        json.dumps(say("assistant", "", tool_calls=[{"id": "k1"}, make_call("k2")])),
        json.dumps(say("tool", "ok")),
        '{"role": "user", "content": "cut',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    (trace,), log = read(path)
    assert sorted((loss.reason, loss.line) for loss in log.losses) == [
        ("bad_json", 2),
        ("cut_line", 7),
        ("malformed_record", 5),
        ("not_an_object", 4),
        ("unpaired_result", 3),
    ]
    assert [(message.role, message.tool_call_id) for message in trace.messages] == [
        ("user", None),
        ("assistant", None),
        ("tool", "k2"),
    ]
    assert trace.is_partial


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", "", "empty_file"),
        ("a.json", "", "empty_file"),
        ("state.db", "", "empty_file"),
        ("state.db", "SQLite format 3\x00 but no more", "unreadable_file"),
        ("state.db", "hello", "foreign_file"),
        ("a.json", '{"messages": [{"role": "user", "content": "no id"}]}', "foreign_file"),
        ("a.json", '{"session_id": "s", "messages": [{"role": "user", "text": "other schema"}]}', "foreign_file"),
        ("a.json", '{"session_id": "s", "messages": []}', "no_messages"),
        ("a.json", '{"session_id": "s", "messages": [', "bad_json"),
        ("a.jsonl", '{"kind": "scope"}\n{"kind": "mark"}\n', "foreign_file"),
        ("a.jsonl", '{"id": "s", "messages": []}\n', "no_messages"),
    ],
)
def test_malformed_files(tmp_path: Path, name: str, content: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    traces, log = read(path)
    assert traces == []
    assert [loss.reason for loss in log.losses] == [reason]
    if reason == "foreign_file":
        assert SOURCE.read_head(path) is None


def test_a_database_of_another_program_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE sessions (id TEXT)")
    assert read(path)[1].count_losses() == {"foreign_file": 1}


def test_parents_in_a_circle_end(tmp_path: Path) -> None:
    sessions = [{"id": "a", "parent_session_id": "b"}, {"id": "b", "parent_session_id": "a"}]
    path = make_state(tmp_path, sessions, [{"session_id": key, "role": "user", "content": key} for key in "ab"])
    assert [trace.root_session_id for trace in read(path)[0]] == ["b", "a"]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["a.json", "a.jsonl", "state.db"]), st.binary(max_size=300))
def test_no_bytes_can_crash_it(name: str, raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        SOURCE.read_head(path)
        read(path)


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=80), st.integers(1, 3))
def test_no_line_can_take_its_neighbours_along(raw: bytes, place: int) -> None:
    lines = [json.dumps(say("user", f"words {n}")).encode() for n in range(4)]
    lines.insert(place, raw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        traces, log = read(path)
        head = SOURCE.read_head(path)
    told = [message.text for message in traces[0].messages]
    assert [text for text in told if text.startswith("words ")] == [f"words {n}" for n in range(4)]
    assert traces[0].dropped == log.count_losses()
    assert head is not None
    assert head.root_session_id == traces[0].root_session_id


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(100, 12_287), st.binary(min_size=1, max_size=40)), max_size=4))
def test_no_damage_to_the_database_can_crash_it(patches: list[tuple[int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = make_state(Path(folder), SESSIONS, MESSAGES)
        raw = bytearray(path.read_bytes())
        for start, patch in patches:
            raw[start : start + len(patch)] = patch
        shutil.rmtree(folder)
        Path(folder).mkdir()
        path.write_bytes(raw)
        SOURCE.read_head(path)
        read(path)
