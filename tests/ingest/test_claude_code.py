"""The reader of Claude Code transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ingest.claude_code_rows import (
    SMALL_ROWS,
    SMALL_TRACE,
    list_losses,
    make_row,
    read,
    read_rows,
    result,
    tell,
    use,
    write_rows,
)
from tracemill.ingest.claude_code.reader import SOURCE
from tracemill.ingest.source import Head
from tracemill.trace import Message, Trace


def test_small(tmp_path: Path) -> None:
    traces, log = read_rows(tmp_path, SMALL_ROWS)
    assert log.losses == []
    assert traces == [replace(SMALL_TRACE, source_path=str(tmp_path / "s1.jsonl"))]
    assert SOURCE.read_head(tmp_path / "s1.jsonl") == Head("s1", "2026-01-05T10:00:01.000Z")


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
        ('{"version": 1, "entries": [{"sessionId": "s1", "projectPath": "/srv/app"}]}', "/srv/app"),
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
