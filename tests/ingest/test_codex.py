"""The reader of Codex rollouts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracemill.ingest.codex import SOURCE
from tracemill.ingest.source import Head, LossLog, ReadOptions
from tracemill.trace import SELF, Message, ToolCall, Trace

Row = dict[str, Any]
NO_CHECKS = [HealthCheck.function_scoped_fixture]
NAME = "rollout-2026-01-05T10-00-00-t1.jsonl"
META: Row = {"timestamp": "2026-01-05T10:00:00Z", "type": "session_meta", "payload": {"id": "t1", "cwd": "/repo"}}


def item(kind: str, second: int = 0, **fields: Any) -> Row:
    return wrap("response_item", {"type": kind, **fields}, second)


def event(kind: str, second: int = 0, **fields: Any) -> Row:
    return wrap("event_msg", {"type": kind, **fields}, second)


def wrap(record: str, payload: Any, second: int = 0) -> Row:
    return {"timestamp": f"2026-01-05T10:00:{second:02d}Z", "type": record, "payload": payload}


def say(role: str, *texts: str, second: int = 0) -> Row:
    kind = "output_text" if role == "assistant" else "input_text"
    return item("message", second, role=role, content=[{"type": kind, "text": text} for text in texts])


def call(call_id: str, second: int = 0, **fields: Any) -> Row:
    return item("function_call", second, name="shell", arguments='{"cmd": "ls"}', call_id=call_id, **fields)


def output(call_id: str, value: Any, second: int = 0) -> Row:
    return item("function_call_output", second, call_id=call_id, output=value)


def write_rows(path: Path, rows: Sequence[Row | str], newline: str = "\n") -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_bytes((newline.join(lines) + newline).encode())
    return path


def read(path: Path) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=str(path))
    return list(SOURCE.read_file(path, log, ReadOptions())), log


def read_rows(tmp_path: Path, rows: Sequence[Row | str]) -> tuple[Trace, LossLog]:
    traces, log = read(write_rows(tmp_path / NAME, rows))
    assert len(traces) == 1
    return traces[0], log


def list_losses(log: LossLog) -> list[tuple[str, int | None]]:
    return [(loss.reason, loss.line) for loss in log.losses]


def tell(trace: Trace) -> list[tuple[str, str]]:
    return [(message.origin, message.text) for message in trace.messages]


def test_small(tmp_path: Path) -> None:
    meta = {
        "id": "t1",
        "cwd": "/repo",
        "cli_version": "0.129.0",
        "originator": "codex_cli_rs",
        "model_provider": "openai",
        "source": "cli",
        "base_instructions": {"text": "You are Codex."},
        "git": {"branch": "main", "commit_hash": "abc", "repository_url": "https://example.com/r.git"},
        "dynamic_tools": [
            {"namespace": "mcp__web", "name": "get", "description": "Get", "inputSchema": {"type": "object"}}
        ],
    }
    usage = {"input_tokens": 100, "output_tokens": 9}
    rows = [
        wrap("session_meta", meta, 1),
        wrap("turn_context", {"model": "gpt-5.4"}, 2),
        say("developer", "Sandbox", second=3),
        say("user", "<environment_context>x</environment_context>", second=4),
        say("user", "Fix it", second=5),
        event("user_message", 5, message="Fix it"),
        event("agent_reasoning", 6, text="Look first."),
        item("reasoning", 6, summary=[{"type": "summary_text", "text": "Look first."}], encrypted_content="x"),
        say("assistant", "Reading.", second=7),
        call("c1", 8),
        item("custom_tool_call", 8, name="apply_patch", input="*** Begin Patch", call_id="c2"),
        output("c2", '{"output": "nope", "metadata": {"exit_code": 2}}', 9),
        output("c1", "Exit code: 0\nWall time: 1 seconds\nOutput:\na.py", 9),
        event("token_count", 9, info={"last_token_usage": usage, "total_token_usage": usage}),
        item("function_call", 10, name="get", namespace="mcp__web", arguments={"url": "u"}, call_id="c3"),
    ]
    trace, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert log.notes == {"unpaired_call": 1}
    stamp = "2026-01-05T10:00:{:02d}Z".format
    assert trace == Trace(
        trace_id="t1",
        source_kind="codex",
        source_path=str(tmp_path / NAME),
        root_session_id="t1",
        cwd="/repo",
        project_path="/repo",
        git_branch="main",
        git_commit="abc",
        repository_url="https://example.com/r.git",
        started_at=stamp(1),
        ended_at=stamp(10),
        model="gpt-5.4",
        input_tokens=100,
        output_tokens=9,
        tools=(
            {
                "type": "function",
                "function": {"name": "mcp__web__get", "description": "Get", "parameters": {"type": "object"}},
            },
        ),
        source_meta={
            "record_count": 15,
            "record_types": {
                "custom_tool_call": 1,
                "event:agent_reasoning": 1,
                "event:token_count": 1,
                "event:user_message": 1,
                "function_call": 2,
                "function_call_output": 2,
                "message": 4,
                "reasoning": 1,
                "session_meta": 1,
                "turn_context": 1,
            },
            "cli_version": "0.129.0",
            "originator": "codex_cli_rs",
            "model_provider": "openai",
            "source": "cli",
        },
        messages=(
            Message("system", "You are Codex.", "injected"),
            Message("system", "Sandbox", "injected", timestamp=stamp(3)),
            Message("user", "<environment_context>x</environment_context>", "injected", timestamp=stamp(4)),
            Message("user", "Fix it", "human", timestamp=stamp(5)),
            Message(
                "assistant",
                "Reading.",
                "model",
                reasoning_content="Look first.",
                tool_calls=(
                    ToolCall("c1", "shell", '{"cmd": "ls"}'),
                    ToolCall("c2", "apply_patch", '{"input": "*** Begin Patch"}'),
                ),
                timestamp=stamp(6),
                model="gpt-5.4",
                usage=usage,
            ),
            Message(
                "tool",
                "Exit code: 0\nWall time: 1 seconds\nOutput:\na.py",
                "tool",
                tool_call_id="c1",
                is_error=False,
                timestamp=stamp(9),
            ),
            Message("tool", "nope\n[exit code 2]", "tool", tool_call_id="c2", is_error=True, timestamp=stamp(9)),
            Message(
                "assistant",
                "",
                "model",
                tool_calls=(ToolCall("c3", "mcp__web__get", '{"url": "u"}'),),
                timestamp=stamp(10),
                model="gpt-5.4",
            ),
        ),
    )
    assert SOURCE.read_head(tmp_path / NAME) == Head("t1", stamp(1))


def test_schema_drift(tmp_path: Path) -> None:
    rows = [
        META,
        wrap("hologram", {"type": "x"}),
        item("hologram", words="lost"),
        event("hologram"),
        say("user", "Hello"),
        item("message", role="assistant", content=[{"type": "output_text", "text": "Hi"}, {"type": "hologram"}]),
        {"timestamp": "2026-01-05T10:00:09Z", "type": "tool_call", "function": {"name": "x"}},
    ]
    trace, log = read_rows(tmp_path, rows)
    assert tell(trace) == [("human", "Hello"), ("model", "Hi")]
    assert sorted(list_losses(log)) == [
        ("unknown_content_block", 6),
        ("unknown_record_type", 2),
        ("unknown_record_type", 3),
        ("unknown_record_type", 4),
        ("unknown_record_type", 7),
    ]
    assert trace.dropped == {"unknown_content_block": 1, "unknown_record_type": 4}


def test_malformed(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        META,
        say("user", "Hello"),
        {"type": "response_item"},
        wrap("response_item", "words"),
        item("message", role="alien", content="x"),
        item("message", role="user"),
        "not json",
        "[1]",
        output("nowhere", "x"),
        say("assistant", "Hi"),
    ]
    path = write_rows(tmp_path / NAME, rows)
    path.write_bytes(path.read_bytes() + b'{"timestamp": "2026')
    traces, log = read(path)
    assert tell(traces[0]) == [("human", "Hello"), ("model", "Hi")]
    assert sorted(list_losses(log)) == [
        ("bad_json", 7),
        ("cut_line", 11),
        ("malformed_record", 3),
        ("malformed_record", 4),
        ("malformed_record", 5),
        ("malformed_record", 6),
        ("not_an_object", 8),
        ("unpaired_result", 9),
    ]
    assert traces[0].is_partial


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([], "empty_file"), ([META], "no_messages"), ([{"a": 1}], "foreign_file")],
    ids=["empty", "meta alone", "foreign"],
)
def test_files_without_a_trace(tmp_path: Path, rows: list[Row], reason: str) -> None:
    path = tmp_path / NAME
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    traces, log = read(path)
    assert traces == []
    assert reason in log.count_losses()


def test_events_are_heard_only_where_no_item_says_the_same(tmp_path: Path) -> None:
    done = {"type": "AgentMessage", "content": [{"type": "Text", "text": "Only completed"}]}
    rows = [
        META,
        event("user_message", message="Only an event", images=["data:image/png;base64,QUJD"]),
        event("agent_reasoning", text="Only thought"),
        event("agent_message", message="Only told"),
        say("user", "Said twice"),
        event("user_message", message="Said  twice\n"),
        event("agent_message", message="An answer that is longer than forty characters"),
        say("assistant", "An answer that is longer than forty characters <oai-mem-citation>x</oai-mem-citation>"),
        event("item_completed", item=done),
    ]
    trace, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert tell(trace) == [
        ("human", "Only an event\n\n[image image/png 3 bytes]"),
        ("model", "Only told"),
        ("human", "Said twice"),
        (
            "model",
            "An answer that is longer than forty characters <oai-mem-citation>x</oai-mem-citation>\n\nOnly completed",
        ),
    ]
    assert trace.messages[1].reasoning_content == "Only thought"


@pytest.mark.parametrize(
    ("value", "text", "is_error"),
    [
        ("plain", "plain", None),
        ('{"output": "ok\\n", "metadata": {"exit_code": 0}}', "ok\n", False),
        ('{"output": "no", "metadata": {"exit_code": 1}}', "no\n[exit code 1]", True),
        ('{"output": "kept", "other": 1}', '{"output": "kept", "other": 1}', None),
        (
            "Wall time: 1 seconds\nProcess exited with code 7\nOutput:\nx",
            "Wall time: 1 seconds\nProcess exited with code 7\nOutput:\nx",
            True,
        ),
        ("Output:\nExit code: 7", "Output:\nExit code: 7", None),
        ("aborted by user after 2.0s", "aborted by user after 2.0s", True),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a\n\nb", None),
        ({"type": "input_text", "text": "a"}, "a", None),
        ({"content": "refused", "success": False}, "refused", True),
        (None, "", None),
        ([{"type": "input_image", "image_url": "data:image/jpeg;base64,QUJDRA=="}], "[image image/jpeg 4 bytes]", None),
    ],
    ids=[
        "plain",
        "wrapped",
        "wrapped failure",
        "other json",
        "header",
        "no header",
        "aborted",
        "blocks",
        "block",
        "object",
        "null",
        "image",
    ],
)
def test_outputs(tmp_path: Path, value: Any, text: str, is_error: bool | None) -> None:
    trace, log = read_rows(tmp_path, [META, call("c1"), output("c1", value)])
    assert log.losses == []
    assert (trace.messages[1].text, trace.messages[1].is_error) == (text, is_error)


def test_calls_of_every_kind(tmp_path: Path) -> None:
    rows = [
        META,
        item("local_shell_call", call_id="l1", action={"type": "exec", "command": ["ls"]}),
        output("l1", "a.py"),
        item("tool_search_call", call_id="s1", arguments={"query": "web"}),
        item("tool_search_output", call_id="s1", tools=[{"name": "get"}]),
        item("web_search_call", id="w1", status="completed", action={"type": "search", "query": "x"}),
        event("web_search_end", call_id="w1", results=[{"title": "X"}]),
        item("image_generation_call", id="i1", status="completed", revised_prompt="A cat", result="QUJD"),
        say("assistant", "Done"),
    ]
    trace, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert log.notes == {}
    told = [(c.name, c.arguments) for message in trace.messages for c in message.tool_calls]
    assert told == [
        ("local_shell", '{"type": "exec", "command": ["ls"]}'),
        ("tool_search", '{"query": "web"}'),
        ("web_search", '{"type": "search", "query": "x"}'),
        ("image_generation", '{"revised_prompt": "A cat"}'),
    ]
    assert [message.text for message in trace.messages if message.role == "tool"] == [
        "a.py",
        '[{"name": "get"}]',
        '[{"title": "X"}]',
        "[image image/png 3 bytes]",
    ]


def test_a_compaction_keeps_what_its_history_names(tmp_path: Path) -> None:
    history = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "A summary"}]},
        {"type": "function_call", "call_id": "c1"},
    ]
    rows = [
        wrap("session_meta", {"id": "t1", "base_instructions": {"text": "Base"}}),
        say("user", "One"),
        call("c1"),
        output("c1", "x"),
        say("user", "Two"),
        wrap("compacted", {"message": "", "replacement_history": history}),
        say("assistant", "Next"),
    ]
    trace, _ = read_rows(tmp_path, rows)
    assert trace.messages[5].origin == "compaction"
    assert trace.messages[5].text == "A summary"
    assert trace.messages[5].context == (0, 1, SELF, 2, 3)
    assert [message.text for message in list(trace.contexts())[-1][1]] == ["Base", "One", "A summary", "", "x"]


def test_a_sub_agent_and_the_meta_that_it_copies(tmp_path: Path) -> None:
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": "p1", "depth": 1}}}
    rows = [
        wrap("session_meta", {"id": "t9", "source": spawn, "forked_from_id": "p1"}),
        wrap("session_meta", {"id": "p1", "source": "cli", "cwd": "/parent"}),
        say("user", "Count the files"),
    ]
    trace, _ = read_rows(tmp_path, rows)
    assert (trace.trace_id, trace.parent_trace_id, trace.root_session_id) == ("t9", "p1", "p1")
    assert (trace.is_sidechain, trace.agent_id, trace.cwd) == (True, "t9", None)
    assert SOURCE.read_head(tmp_path / NAME) == Head("p1", "2026-01-05T10:00:00Z")


@pytest.mark.parametrize(
    "rows",
    [
        [event("turn_aborted", reason="interrupted")],
        [say("user", "<turn_aborted>\nx\n</turn_aborted>"), event("turn_aborted", reason="interrupted")],
        [event("turn_aborted", reason="interrupted"), say("user", "<turn_aborted>\nx\n</turn_aborted>")],
    ],
    ids=["event", "words then event", "event then words"],
)
def test_an_interrupt_stands_once(tmp_path: Path, rows: list[Row]) -> None:
    trace, _ = read_rows(tmp_path, [META, say("user", "Go"), call("c1"), *rows])
    assert [origin for origin, _ in tell(trace)] == ["human", "model", "injected"]
    assert trace.source_meta["is_interrupted"] is True
    trace, _ = read_rows(tmp_path, [META, say("user", "Go"), *rows, say("assistant", "Back")])
    assert "is_interrupted" not in trace.source_meta


def test_a_rollback_takes_the_last_turns_back(tmp_path: Path) -> None:
    rows = [
        META,
        say("user", "One"),
        say("assistant", "First"),
        say("user", "Two"),
        say("assistant", "Second"),
        event("thread_rolled_back", num_turns=1),
        say("user", "Three"),
    ]
    trace, log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(trace)] == ["One", "First", "Three"]
    assert list_losses(log) == [("abandoned_branch", 4), ("abandoned_branch", 5)]


def test_legacy_rows_have_no_payload(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": "old1", "timestamp": "2025-05-01T10:00:00Z", "instructions": "Be brief", "git": {"branch": "dev"}},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"created_at": "2025-05-01T10:00:02Z", "role": "user", "message": "Again", "model": "o4-mini"},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "x"},
        {"role": "assistant", "content": "Hi"},
    ]
    path = write_rows(tmp_path / NAME, rows, newline="\r\n")
    traces, log = read(path)
    assert log.losses == []
    trace = traces[0]
    assert tell(trace) == [
        ("injected", "Be brief"),
        ("human", "Hello"),
        ("human", "Again"),
        ("model", ""),
        ("tool", "x"),
        ("model", "Hi"),
    ]
    assert (trace.trace_id, trace.git_branch, trace.model) == ("old1", "dev", "o4-mini")
    assert (trace.started_at, trace.ended_at) == ("2025-05-01T10:00:00Z", "2025-05-01T10:00:02Z")
    assert SOURCE.read_head(path) == Head("old1", "2025-05-01T10:00:00Z")


@pytest.mark.parametrize(
    ("name", "is_session"),
    [("2026/01/05/rollout-a.jsonl", True), ("history.jsonl", False), ("rollout-a.json", False)],
    ids=str,
)
def test_is_session_file(name: str, is_session: bool) -> None:
    assert SOURCE.is_session_file(Path(name)) is is_session


def test_a_meta_beyond_the_head_is_found(tmp_path: Path) -> None:
    big = wrap("session_meta", {"id": "t1", "base_instructions": {"text": "x" * 300_000}})
    assert SOURCE.read_head(write_rows(tmp_path / NAME, [big])) == Head("t1", "2026-01-05T10:00:00Z")
    assert SOURCE.read_head(write_rows(tmp_path / NAME, [{"a": 1}])) is None


def test_the_example_files_read_without_a_surprise() -> None:
    root = Path(__file__).parents[2] / "examples" / "codex"
    losses: dict[str, int] = {}
    traces: list[Trace] = []
    for path in sorted(root.rglob("rollout-*.jsonl")):
        found, log = read(path)
        traces.extend(found)
        for reason, count in log.count_losses().items():
            losses[reason] = losses.get(reason, 0) + count
        head = SOURCE.read_head(path)
        assert head is not None
        assert head.root_session_id == found[0].root_session_id
    assert len(traces) == 7
    assert sum(trace.is_sidechain for trace in traces) == 1
    assert sum("is_interrupted" in trace.source_meta for trace in traces) == 1
    assert sum(trace.is_partial for trace in traces) == 1
    assert losses == {"cut_line": 1}


BASE_ROWS = [
    META,
    say("user", "word-1"),
    say("assistant", "word-2"),
    event("user_message", message="word-3"),
    say("user", "word-4"),
    event("agent_message", message="word-5"),
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELD_NAMES = "id type role content message text summary name arguments input call_id output status result tools item"
MORE_NAMES = (
    "action namespace function info source git base_instructions dynamic_tools images replacement_history model"
)
FIELDS = [*FIELD_NAMES.split(), *MORE_NAMES.split()]
RECORD_NAMES = "session_meta turn_context response_item event_msg compacted world_state x"
KIND_NAMES = """message reasoning function_call function_call_output custom_tool_call local_shell_call web_search_call
    tool_search_call tool_search_output image_generation_call agent_message user_message agent_reasoning item_completed
    token_count turn_aborted"""
PAYLOADS = st.fixed_dictionaries(
    {"type": st.sampled_from(KIND_NAMES.split())},
    optional={**dict.fromkeys(FIELDS[3:], JSON_VALUES), "role": st.sampled_from(["user", "assistant", "developer"])},
)
ODD_ROWS = st.dictionaries(st.sampled_from([*FIELDS, "payload"]), JSON_VALUES, max_size=8) | st.fixed_dictionaries(
    {"type": st.sampled_from(RECORD_NAMES.split()), "payload": PAYLOADS | JSON_VALUES}
)


def check_neighbours(path: Path, place: int, replacement: bytes) -> None:
    lines = [json.dumps(row).encode() for row in BASE_ROWS]
    lines[place] = replacement
    path.write_bytes(b"\n".join(lines))
    traces, _ = read(path)
    said = "\n".join(message.text for trace in traces for message in trace.messages)
    for kept in range(1, len(BASE_ROWS)):
        assert kept == place or f"word-{kept}" in said
    head = SOURCE.read_head(path)
    for trace in traces:
        list(trace.contexts())
        assert head is not None
        assert head.root_session_id == trace.root_session_id


@settings(max_examples=150, deadline=None, suppress_health_check=NO_CHECKS)
@given(place=st.integers(0, len(BASE_ROWS) - 1), replacement=st.binary(max_size=60))
def test_no_bytes_lose_a_neighbour(tmp_path: Path, place: int, replacement: bytes) -> None:
    # A byte-order mark of UTF-16 at the very start says that the whole file is UTF-16.
    check_neighbours(tmp_path / NAME, place, replacement if place else b" " + replacement)


@settings(max_examples=300, deadline=None, suppress_health_check=NO_CHECKS)
@given(place=st.integers(0, len(BASE_ROWS) - 1), row=ODD_ROWS)
def test_no_row_of_odd_shape_loses_a_neighbour(tmp_path: Path, place: int, row: Row) -> None:
    check_neighbours(tmp_path / NAME, place, json.dumps(row).encode())
