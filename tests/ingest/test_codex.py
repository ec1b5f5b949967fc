"""The reader of Codex rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ingest.codex_rows import (
    META,
    NAME,
    SMALL_ROWS,
    SMALL_TRACE,
    Row,
    call,
    event,
    item,
    output,
    read,
    read_rows,
    say,
    tell,
    wrap,
    write_rows,
)
from tracemill.ingest.codex.reader import SOURCE
from tracemill.ingest.source import Head
from tracemill.trace import Trace

CODE_0 = '"metadata":{"exit_code":0,"duration_seconds":0.1}}'


def test_small(tmp_path: Path) -> None:
    trace, log = read_rows(tmp_path, SMALL_ROWS)
    assert log.losses == []
    assert log.notes == {"unpaired_call": 1}
    assert trace == replace(SMALL_TRACE, source_path=str(tmp_path / NAME))
    assert SOURCE.read_head(tmp_path / NAME) == Head("t1", "2026-01-05T10:00:01Z")


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
        (f'{{"output":"ok\\n",{CODE_0}', f'{{"output":"ok\\n",{CODE_0}', False),
        ('{"output": "no", "metadata": {"exit_code": 1}}', '{"output": "no", "metadata": {"exit_code": 1}}', True),
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
        ({"content": "Exit code: 2\nOutput:\n"}, "Exit code: 2\nOutput:\n", True),
        ({"output": "x", "metadata": {"exit_code": 3}}, '{"output": "x", "metadata": {"exit_code": 3}}', True),
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
        "object with a code",
        "unwritten object",
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


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        ("Be brief", False),
        ("# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nBe  brief\n</INSTRUCTIONS>", False),
        ("<user_instructions>\n\nBe brief\n\n</user_instructions>", False),
        ("Be brief, please", True),
    ],
    ids=["same", "guide", "tag", "other words"],
)
def test_instructions_that_an_item_repeats_are_told_once(tmp_path: Path, words: str, is_told: bool) -> None:
    meta = {"id": "old1", "timestamp": "2025-05-01T10:00:00Z", "instructions": "Be brief"}
    trace, _ = read_rows(tmp_path, [meta, say("user", words), say("assistant", "Hi")])
    assert [message.role for message in trace.messages] == [*(["system"] if is_told else []), "user", "assistant"]


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


@pytest.mark.parametrize("stamp", [{}, {"timestamp": " "}, {"timestamp": None}, {"created_at": "2025-05-01T10:00:03Z"}])
def test_a_head_without_a_time_of_its_own_has_that_of_the_session(tmp_path: Path, stamp: Row) -> None:
    meta = {"type": "session_meta", "payload": {"id": "t1", "timestamp": "2025-05-01T10:00:00Z"}} | stamp
    (trace,), _ = read(path := write_rows(tmp_path / NAME, [meta, say("user", "Hi")]))
    assert SOURCE.read_head(path) == Head("t1", "2025-05-01T10:00:00Z")
    bare = {"type": "session_meta", "payload": {"id": "t1"}} | stamp
    head = SOURCE.read_head(write_rows(tmp_path / NAME, [bare]))
    assert head == Head("t1", stamp.get("created_at"))
    assert trace.root_session_id == "t1"


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
    assert len(traces) == 8
    assert sum(trace.is_sidechain for trace in traces) == 1
    assert sum("is_interrupted" in trace.source_meta for trace in traces) == 1
    assert sum(trace.is_partial for trace in traces) == 1
    assert losses == {"cut_line": 1}
