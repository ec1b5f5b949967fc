"""The reader of Claude Code transcripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracemill.ingest.claude_code import SOURCE
from tracemill.ingest.source import Head, LossLog, ReadOptions
from tracemill.trace import Message, ToolCall, Trace

Row = dict[str, Any]
NO_CHECKS = [HealthCheck.function_scoped_fixture]


def make_row(kind: str, uuid: str, parent: str | None, content: Any, second: int = 0, **extra: Any) -> Row:
    message = extra.pop("message", {})
    row = {
        "type": kind,
        "uuid": uuid,
        "parentUuid": parent,
        "sessionId": "s1",
        "isSidechain": False,
        "cwd": "/repo",
        "gitBranch": "main",
        "version": "2.1.0",
        "timestamp": f"2026-01-05T10:00:{second:02d}.000Z",
        "message": {"role": kind, "content": content, **message},
    }
    return {**row, **extra}


def write_rows(path: Path, rows: Sequence[Row | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=str(path))
    return list(SOURCE.read_file(path, log, ReadOptions())), log


def read_rows(tmp_path: Path, rows: Sequence[Row | str]) -> tuple[list[Trace], LossLog]:
    return read(write_rows(tmp_path / "s1.jsonl", rows))


def list_losses(log: LossLog) -> list[tuple[str, int | None]]:
    return [(loss.reason, loss.line) for loss in log.losses]


def tell(trace: Trace) -> list[tuple[str, str]]:
    """Origin and text of each message."""
    return [(message.origin, message.text) for message in trace.messages]


def use(call_id: str, name: str = "Bash") -> Row:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {"command": call_id}}


def result(call_id: str, text: str = "done", **extra: Any) -> Row:
    return {"type": "tool_result", "tool_use_id": call_id, "content": text, **extra}


def test_small(tmp_path: Path) -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 5, "output_tokens": 7}
    answer = {"id": "m1", "model": "claude-sonnet-4-5", "usage": usage}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJDRA=="}}
    rows: list[Row] = [
        {"type": "custom-title", "customTitle": "Parser", "sessionId": "s1"},
        make_row("user", "u1", None, "<system-reminder>x</system-reminder>\nFix the parser", 1),
        make_row("assistant", "a1", "u1", [{"type": "thinking", "thinking": "Look first."}], 2, message=answer),
        make_row("assistant", "a2", "a1", [{"type": "text", "text": "Reading."}, use("t1")], 3, message=answer),
        make_row("user", "r1", "a2", [result("t1", "boom", is_error=True)], 4),
        make_row("assistant", "a3", "a2", [use("t2")], 5, message={**answer, "stop_reason": "tool_use"}),
        make_row("user", "r2", "a3", [{**result("t2"), "content": [image]}], 6),
        {"type": "system", "uuid": "y1", "parentUuid": "r2", "sessionId": "s1", "timestamp": "2026-01-05T10:00:09Z"},
    ]
    traces, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert traces == [
        Trace(
            trace_id="s1",
            source_kind="claude_code",
            source_path=str(tmp_path / "s1.jsonl"),
            root_session_id="s1",
            cwd="/repo",
            project_path="/repo",
            git_branch="main",
            started_at="2026-01-05T10:00:01.000Z",
            ended_at="2026-01-05T10:00:09Z",
            model="claude-sonnet-4-5",
            input_tokens=100,
            output_tokens=7,
            source_meta={
                "record_count": 8,
                "record_types": {"assistant": 3, "custom-title": 1, "system": 1, "user": 3},
                "versions": ["2.1.0"],
                "title": "Parser",
            },
            messages=(
                Message(
                    "user",
                    "<system-reminder>x</system-reminder>",
                    "injected",
                    timestamp="2026-01-05T10:00:01.000Z",
                ),
                Message("user", "Fix the parser", "human", timestamp="2026-01-05T10:00:01.000Z"),
                Message(
                    "assistant",
                    "Reading.",
                    "model",
                    reasoning_content="Look first.",
                    tool_calls=(
                        ToolCall("t1", "Bash", '{"command": "t1"}'),
                        ToolCall("t2", "Bash", '{"command": "t2"}'),
                    ),
                    timestamp="2026-01-05T10:00:02.000Z",
                    model="claude-sonnet-4-5",
                    stop_reason="tool_use",
                    usage={"input_tokens": 100, "output_tokens": 7},
                ),
                Message("tool", "boom", "tool", tool_call_id="t1", is_error=True, timestamp="2026-01-05T10:00:04.000Z"),
                Message(
                    "tool",
                    ({"type": "image", "media_type": "image/png", "size_bytes": 4},),
                    "tool",
                    tool_call_id="t2",
                    is_error=False,
                    timestamp="2026-01-05T10:00:06.000Z",
                ),
            ),
        )
    ]
    assert SOURCE.read_head(tmp_path / "s1.jsonl") == Head("s1", "2026-01-05T10:00:01.000Z")


def test_schema_drift(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"type": "hologram", "sessionId": "s1", "payload": [1]},
        make_row("user", "u1", None, "Hello", future={"a": 1}),
        make_row("assistant", "a1", "u1", [{"type": "text", "text": "Hi"}, {"type": "hologram"}]),
        {"no": "type"},
    ]
    traces, log = read_rows(tmp_path, rows)
    assert tell(traces[0]) == [("human", "Hello"), ("model", "Hi")]
    assert sorted(list_losses(log)) == [
        ("unknown_content_block", 3),
        ("unknown_record_type", 1),
        ("unknown_record_type", 4),
    ]
    assert traces[0].dropped == {"unknown_content_block": 1, "unknown_record_type": 2}


def test_malformed(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        make_row("user", "u1", None, "Hello"),
        {**make_row("user", "u2", "u1", ""), "message": "error"},
        make_row("user", "u3", "u1", ["words"]),
        "not json",
        "42",
        make_row("user", "r1", "u1", [result("nowhere")]),
        make_row("assistant", "a1", "u1", "Hi"),
        make_row("assistant", "a1", "u1", "Hi"),
        make_row("assistant", "x1", "a1", "Overloaded", isApiErrorMessage=True, message={"model": "<synthetic>"}),
        make_row("assistant", "x2", "x1", "No response requested.", message={"model": "<synthetic>"}),
        make_row("user", "u4", "x2", "Go on"),
    ]
    path = write_rows(tmp_path / "s1.jsonl", rows)
    path.write_bytes(path.read_bytes() + b'{"type": "user", "uu')
    traces, log = read(path)
    assert [text for _, text in tell(traces[0])] == ["Hello", "Hi", "Go on"]
    assert sorted(list_losses(log)) == [
        ("api_error_message", 9),
        ("bad_json", 4),
        ("cut_line", 12),
        ("duplicate_row", 8),
        ("malformed_record", 2),
        ("malformed_record", 3),
        ("not_an_object", 5),
        ("synthetic_message", 10),
        ("unpaired_result", 6),
    ]
    assert traces[0].is_partial


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "empty_file"), ('{"type": "summary", "summary": "x"}\n', "no_messages"), ('{"a": 1}\n', "foreign_file")],
    ids=["empty", "bookkeeping alone", "foreign"],
)
def test_files_without_a_trace(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content, encoding="utf-8")
    traces, log = read(path)
    assert traces == []
    assert reason in log.count_losses()


def test_a_rewind_leaves_the_old_continuation(tmp_path: Path) -> None:
    rows = [
        make_row("user", "u1", None, "Read it"),
        make_row("assistant", "a1", "u1", "It retries."),
        make_row("user", "u2", "a1", "Use asyncio"),
        make_row("assistant", "a2", "u2", "Hm."),
        make_row("user", "u3", "a1", "Raise the error"),
        make_row("assistant", "a3", "u3", "Done."),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(traces[0])] == ["Read it", "It retries.", "Raise the error", "Done."]
    assert list_losses(log) == [("abandoned_branch", 3), ("abandoned_branch", 4)]


def test_forks_that_are_no_rewinds_lose_nothing(tmp_path: Path) -> None:
    answer = {"id": "m1"}
    books = {"type": "progress", "uuid": "p1", "parentUuid": "a2", "sessionId": "s1"}
    rows = [
        make_row("user", "u1", "missing", "Go"),
        make_row("assistant", "a1", "u1", [use("t1")], message=answer),
        make_row("assistant", "a2", "a1", [use("t2")], message=answer),
        books,
        make_row("user", "r1", "a1", [result("t1", "one")]),
        make_row("user", "r2", "p1", [result("t2", "two")]),
        make_row("assistant", "a3", "r1", "First try"),
        make_row("assistant", "a4", "r1", "Second try"),
        make_row("user", "u2", None, "A prompt without a parent"),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert [text for _, text in tell(traces[0])] == [
        "Go",
        "",
        "one",
        "two",
        "First try",
        "Second try",
        "A prompt without a parent",
    ]


def test_a_first_prompt_sent_again(tmp_path: Path) -> None:
    rows = [
        make_row("user", "u1", None, "Port the importer to Rust"),
        make_row("assistant", "a1", "u1", "Which one?"),
        make_row("user", "u2", None, "Port the importer to Rust, src/load.py"),
        make_row("assistant", "a2", "u2", "Done."),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(traces[0])] == ["Port the importer to Rust, src/load.py", "Done."]
    assert log.count_losses() == {"abandoned_branch": 2}


def test_a_replaced_answer_is_abandoned(tmp_path: Path) -> None:
    rows = [
        make_row("user", "u1", None, "Go"),
        make_row("assistant", "a1", "u1", "Half an ans"),
        make_row("assistant", "a2", "u1", "Half an answer", supersedesUuids=["a1"]),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(traces[0])] == ["Go", "Half an answer"]
    assert list_losses(log) == [("abandoned_branch", 2)]


def test_a_compaction_starts_a_new_context(tmp_path: Path) -> None:
    segment = {"preservedSegment": {"headUuid": "u2", "tailUuid": "a2"}}
    rows = [
        make_row("user", "u1", None, "One"),
        make_row("assistant", "a1", "u1", "First"),
        make_row("user", "u2", "a1", "Two"),
        make_row("assistant", "a2", "u2", "Second"),
        {
            "type": "system",
            "subtype": "compact_boundary",
            "uuid": "c1",
            "parentUuid": None,
            "logicalParentUuid": "a2",
            "sessionId": "s1",
            "compactMetadata": segment,
        },
        make_row("user", "u3", "c1", "Summary of it all", isCompactSummary=True),
        make_row("assistant", "a3", "u3", "Third"),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert tell(traces[0])[4] == ("compaction", "Summary of it all")
    steps = list(traces[0].contexts())
    assert [message.text for message in steps[-1][1]] == ["Summary of it all", "Two", "Second"]


def test_sidechains_are_traces_of_their_own(tmp_path: Path) -> None:
    side = {"isSidechain": True}
    rows = [
        make_row("user", "u1", None, "Delegate"),
        make_row("assistant", "a1", "u1", [use("t1", "Task")]),
        make_row("user", "k1", None, "Count the files", **side),
        make_row("assistant", "k2", "k1", "There are 3", **side),
        make_row("user", "v1", None, "Count the lines", isMeta=True, agentId="ag7", **side),
        make_row("assistant", "v2", "v1", "There are 90", agentId="ag7", **side),
        make_row("user", "r1", "a1", [result("t1", "3 files")]),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert [trace.trace_id for trace in traces] == ["s1", "s1:k1", "s1:ag7"]
    assert [trace.parent_trace_id for trace in traces] == [None, "s1", "s1"]
    assert [trace.is_sidechain for trace in traces] == [False, True, True]
    assert {trace.root_session_id for trace in traces} == {"s1"}
    assert [trace.goal for trace in traces] == ["Delegate", "Count the files", "Count the lines"]


def test_several_sessions_in_one_file(tmp_path: Path) -> None:
    rows = [
        make_row("user", "u1", None, "Second", sessionId="s2"),
        make_row("user", "u1", None, "First"),
        make_row("assistant", "a1", "u1", "Yes", sessionId="s2"),
    ]
    traces, _ = read_rows(tmp_path, rows)
    assert [(trace.trace_id, len(trace.messages)) for trace in traces] == [("s2", 2), ("s1", 1)]
    assert SOURCE.read_head(tmp_path / "s1.jsonl") == Head("s2", "2026-01-05T10:00:00.000Z")


def test_what_no_person_wrote_is_injected(tmp_path: Path) -> None:
    queued = {"type": "queued_command", "prompt": "Also the docs", "commandMode": "prompt"}
    notice = {"type": "queued_command", "prompt": "<task-notification>b</task-notification>", "commandMode": "x"}
    rows = [
        make_row("user", "u1", None, "Caveat", isMeta=True),
        make_row("user", "u2", "u1", "<command-name>/model</command-name>"),
        make_row("user", "u3", "u2", "Job 7 ended", origin={"kind": "task-notification"}),
        make_row("user", "u4", "u3", "Go", origin={"kind": "human"}),
        {**make_row("attachment", "q1", "u4", None), "attachment": queued},
        {**make_row("attachment", "q2", "q1", None), "attachment": notice},
        make_row("user", "u5", "q2", [{"type": "text", "text": "[Request interrupted by user]"}]),
    ]
    traces, _ = read_rows(tmp_path, rows)
    assert [origin for origin, _ in tell(traces[0])] == [
        *["injected"] * 3,
        "human",
        "human",
        "injected",
        "injected",
    ]
    assert traces[0].goal == "Go"
    assert traces[0].source_meta["is_interrupted"] is True


def test_calls_without_ids_pair_in_order(tmp_path: Path) -> None:
    call = {"type": "tool_use", "name": "Bash", "input": {}}
    rows = [
        make_row("assistant", "a1", None, [call, call]),
        make_row("user", "r1", "a1", [{"type": "tool_result", "content": "one"}]),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert [message.text for message in traces[0].messages] == ["", "one"]
    assert log.notes == {"unpaired_call": 1}


def test_the_system_prompt_and_tools_of_an_attachment(tmp_path: Path) -> None:
    tool = {"name": "Bash", "description": "Run", "input_schema": {"type": "object", "properties": {}}}
    attachment = {"type": "session_context", "systemPrompt": [{"type": "text", "text": "You are"}], "tools": [tool]}
    rows = [
        {"type": "attachment", "attachment": attachment, "sessionId": "s1", "uuid": "t1", "parentUuid": None},
        make_row("user", "u1", "t1", "Hello"),
    ]
    traces, _ = read_rows(tmp_path, rows)
    assert traces[0].messages[0] == Message("system", "You are", "injected")
    assert traces[0].tools == (
        {
            "type": "function",
            "function": {"name": "Bash", "description": "Run", "parameters": {"type": "object", "properties": {}}},
        },
    )


@pytest.mark.parametrize(
    ("index", "project"),
    [
        ('{"version": 1, "entries": [{"sessionId": "s1", "projectPath": "/work/app"}]}', "/work/app"),
        ("[1, 2]", "/repo"),
        ('{"entries": {"s1": 3}}', "/repo"),
        ("\x00{", "/repo"),
    ],
    ids=["entry", "list", "other shape", "no json"],
)
def test_project_path_from_the_index(tmp_path: Path, index: str, project: str) -> None:
    (tmp_path / "sessions-index.json").write_text(index, encoding="utf-8")
    traces, log = read_rows(tmp_path, [make_row("user", "u1", None, "Hello")])
    assert traces[0].project_path == project
    assert log.losses == []


@pytest.mark.parametrize(
    ("name", "is_session"),
    [
        ("p/0a.jsonl", True),
        ("p/0a/subagents/agent-1.jsonl", True),
        ("p/sessions-index.json", False),
        ("history.jsonl", False),
        ("p/0a/tool-results/x.jsonl", False),
    ],
    ids=str,
)
def test_is_session_file(name: str, is_session: bool) -> None:
    assert SOURCE.is_session_file(Path(name)) is is_session


def test_the_head_lies_beyond_the_first_rows(tmp_path: Path) -> None:
    books = [{"type": "summary", "summary": "x", "leafUuid": "y"}] * 60
    path = write_rows(tmp_path / "stem.jsonl", [*books, make_row("user", "u1", None, "Hello")])
    assert SOURCE.read_head(path) == Head("s1", "2026-01-05T10:00:00.000Z")
    assert SOURCE.read_head(write_rows(tmp_path / "foreign.jsonl", [{"a": 1}])) is None


def test_the_example_files_read_without_a_surprise() -> None:
    root = Path(__file__).parents[2] / "examples" / "claude_code"
    losses: dict[str, int] = {}
    traces: list[Trace] = []
    for path in sorted(root.rglob("*.jsonl")):
        found, log = read(path)
        traces.extend(found)
        for reason, count in log.count_losses().items():
            losses[reason] = losses.get(reason, 0) + count
        head = SOURCE.read_head(path)
        assert head is not None
        assert head.root_session_id == found[0].root_session_id
    assert len(traces) == 6
    assert sum(trace.is_sidechain for trace in traces) == 1
    assert losses == {"abandoned_branch": 2, "api_error_message": 1}


BASE_ROWS = [
    make_row("user", "u1", None, "word-0"),
    make_row("assistant", "a1", "u1", [{"type": "text", "text": "word-1"}], message={"id": "m1"}),
    make_row("user", "u2", "a1", [{"type": "text", "text": "word-2"}]),
    make_row("assistant", "a2", "u2", "word-3", message={"id": "m2"}),
    make_row("user", "u3", "a2", "word-4"),
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELD_NAMES = "type message uuid parentUuid sessionId isSidechain agentId timestamp isMeta origin attachment content"
FIELDS = FIELD_NAMES.split()
TYPES = st.sampled_from(["user", "assistant", "attachment", "system", "summary", "progress"])
BLOCK_TYPES = st.sampled_from(["text", "thinking", "tool_use", "tool_result", "image", "document", "x_tool_result"])
BLOCKS = st.fixed_dictionaries(
    {"type": BLOCK_TYPES},
    optional=dict.fromkeys(("text", "id", "name", "input", "content", "tool_use_id", "source"), JSON_VALUES),
)
ODD_ROWS = st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=8) | st.fixed_dictionaries(
    {"type": TYPES, "message": st.fixed_dictionaries({"content": st.lists(BLOCKS, max_size=3)})},
    optional=dict.fromkeys(FIELDS[2:], JSON_VALUES),
)


def check_neighbours(path: Path, place: int, replacement: bytes) -> None:
    lines = [json.dumps(row).encode() for row in BASE_ROWS]
    lines[place] = replacement
    path.write_bytes(b"\n".join(lines))
    traces, _ = read(path)
    said = "\n".join(message.text for trace in traces for message in trace.messages)
    for kept in range(len(BASE_ROWS)):
        assert kept == place or f"word-{kept}" in said
    SOURCE.read_head(path)
    for trace in traces:
        list(trace.contexts())


@settings(max_examples=150, deadline=None, suppress_health_check=NO_CHECKS)
@given(place=st.integers(0, len(BASE_ROWS) - 1), replacement=st.binary(max_size=60))
def test_no_bytes_lose_a_neighbour(tmp_path: Path, place: int, replacement: bytes) -> None:
    # A byte-order mark of UTF-16 at the very start says that the whole file is UTF-16.
    check_neighbours(tmp_path / "s1.jsonl", place, replacement if place else b" " + replacement)


@settings(max_examples=250, deadline=None, suppress_health_check=NO_CHECKS)
@given(place=st.integers(0, len(BASE_ROWS) - 1), row=ODD_ROWS)
def test_no_row_of_odd_shape_loses_a_neighbour(tmp_path: Path, place: int, row: Row) -> None:
    check_neighbours(tmp_path / "s1.jsonl", place, json.dumps(row).encode())
