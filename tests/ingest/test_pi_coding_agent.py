"""Pi coding agent sessions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracemill.ingest.pi_coding_agent import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import SELF, Message, ToolCall, Trace

EXAMPLES = Path(__file__).parents[2] / "examples" / "pi_coding_agent"
TREE = EXAMPLES / "--home-mira-tally--" / "2026-02-11T09-00-00-000Z_7c1f.jsonl"
LINEAR = EXAMPLES / "--home-mira-blog--" / "2025-11-30T16-00-00-000Z_19d2.jsonl"
FORK = EXAMPLES / "--home-mira-tally--" / "2026-02-12T10-00-00-000Z_e4b8.jsonl"
HEADER = {"type": "session", "version": 3, "id": "s1", "timestamp": "2026-01-01T00:00:00.000Z", "cwd": "/w"}


def read(path: Path) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=path.name)
    return list(SOURCE.read_file(path, log, ReadOptions())), log


def read_rows(folder: Path, *rows: Any) -> tuple[list[Trace], LossLog]:
    path = folder / "s.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return read(path)


def user(own_id: str, parent: str | None, text: str) -> dict[str, Any]:
    return {"type": "message", "id": own_id, "parentId": parent, "message": {"role": "user", "content": text}}


def turn(own_id: str, parent: str | None, *blocks: Any, **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    message = {"role": "assistant", "content": content, "model": "m1", **fields}
    return {"type": "message", "id": own_id, "parentId": parent, "message": message}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "toolCall", "id": call_id, "name": "bash", "arguments": {"command": "ls"}}


def result(own_id: str, parent: str | None, call_id: str, text: str) -> dict[str, Any]:
    message = {"role": "toolResult", "toolCallId": call_id, "content": text, "isError": False}
    return {"type": "message", "id": own_id, "parentId": parent, "message": message}


def compaction(own_id: str, parent: str, **fields: Any) -> dict[str, Any]:
    return {"type": "compaction", "id": own_id, "parentId": parent, "summary": "So far.", **fields}


def texts(trace: Trace) -> list[str]:
    return [message.text for message in trace.messages]


def test_small_tree() -> None:
    traces, log = read(TREE)
    model, usage = "claude-opus-4-6", [(1200, 80), (1500, 70), (700, 20)]
    counts = [{"input_tokens": given_, "output_tokens": made} for given_, made in usage]
    read_call = "toolu_1"
    assert traces == [
        Trace(
            trace_id="7c1f0a6e-4c0e-4f4e-9a53-0b2f6f1c2d10",
            source_kind="pi_coding_agent",
            source_path=str(TREE),
            root_session_id="7c1f0a6e-4c0e-4f4e-9a53-0b2f6f1c2d10",
            cwd="/home/mira/tally",
            started_at="2026-02-11T09:00:00.000Z",
            ended_at="2026-02-11T09:01:21.000Z",
            source_meta={"version": 3},
            model=model,
            input_tokens=3400,
            output_tokens=170,
            dropped={"abandoned_branch": 1},
            messages=(
                Message(
                    "user",
                    "Totals are off by one cent. Find out why.",
                    "human",
                    timestamp="2026-02-11T09:00:05.000Z",
                ),
                Message(
                    "assistant",
                    "I'll read the code that adds up.",
                    "model",
                    reasoning_content="Rounding, most likely.",
                    tool_calls=(
                        ToolCall(read_call, "read", '{"path": "tally/total.py"}'),
                        ToolCall("toolu_2", "read", '{"path": "tally/totals.py"}'),
                    ),
                    timestamp="2026-02-11T09:00:09.000Z",
                    model=model,
                    stop_reason="toolUse",
                    usage=counts[0],
                ),
                Message(
                    "tool",
                    "def total(rows):\n    return round(sum(float(r) for r in rows), 2)\n",
                    "tool",
                    tool_call_id=read_call,
                    is_error=False,
                    timestamp="2026-02-11T09:00:10.000Z",
                ),
                Message(
                    "tool",
                    "ENOENT: no such file or directory, access 'tally/totals.py'",
                    "tool",
                    tool_call_id="toolu_2",
                    is_error=True,
                    timestamp="2026-02-11T09:00:10.000Z",
                ),
                Message(
                    "user", "The branch proposed numpy for the sum.", "injected", timestamp="2026-02-11T09:01:00.000Z"
                ),
                Message("user", "No numpy. Use Decimal.", "human", timestamp="2026-02-11T09:01:02.000Z"),
                Message(
                    "assistant",
                    "",
                    "model",
                    tool_calls=(
                        ToolCall(
                            "toolu_3",
                            "edit",
                            '{"path": "tally/total.py", "oldText": "float(r)", "newText": "Decimal(r)"}',
                        ),
                    ),
                    timestamp="2026-02-11T09:01:10.000Z",
                    model=model,
                    stop_reason="toolUse",
                    usage=counts[1],
                ),
                Message(
                    "tool",
                    "Successfully replaced text in tally/total.py.",
                    "tool",
                    tool_call_id="toolu_3",
                    is_error=False,
                    timestamp="2026-02-11T09:01:11.000Z",
                ),
                Message(
                    "user",
                    "total() now adds Decimals; the import is still missing.",
                    "compaction",
                    timestamp="2026-02-11T09:01:15.000Z",
                    context=(SELF, 5, 6, 7),
                ),
                Message(
                    "assistant",
                    "Decimal is in; the import comes next.",
                    "model",
                    timestamp="2026-02-11T09:01:20.000Z",
                    model=model,
                    stop_reason="stop",
                    usage=counts[2],
                ),
            ),
        )
    ]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("abandoned_branch", 7)]


def test_small_linear() -> None:
    (trace,), log = read(LINEAR)
    assert [message.role for message in trace.messages] == ["user", "assistant", "tool", "user", "assistant"]
    assert trace.source_meta == {"version": 1, "provider": "anthropic", "aborted_requests": 1}
    assert (trace.model, trace.input_tokens, trace.output_tokens) == ("claude-sonnet-4-5", 1750, 70)
    assert (log.losses, log.notes) == ([], {})


def test_small_fork() -> None:
    (trace,), log = read(FORK)
    assert [(message.origin, message.text) for message in trace.messages[:3]] == [
        ("injected", "Branch decimal, 1 file changed."),
        ("injected", "Ran `pytest -q`\n```\n1 failed, 7 passed\n```\n\nCommand exited with code 1"),
        ("human", "Why does it fail?"),
    ]
    assert str(trace.source_meta["parent_session"]).endswith("_7c1f.jsonl")
    assert log.losses == []


@pytest.mark.parametrize("path", [TREE, LINEAR, FORK], ids=["tree", "linear", "fork"])
def test_head_agrees_with_body(path: Path) -> None:
    head = SOURCE.read_head(path)
    first = read(path)[0][0]
    assert head is not None
    assert (head.root_session_id, head.started_at) == (first.root_session_id, first.started_at)


def test_a_dangling_parent_follows_the_row_above(tmp_path: Path) -> None:
    """Where the file's head or a line in it is missing, all that is left is one conversation."""
    (trace,), log = read_rows(
        tmp_path,
        HEADER,
        user("b", "gone", "one"),
        turn("c", "b", "two"),
        "{lost line",
        turn("e", "d", "three"),
        user("f", "s1", "four"),
        user("g", "g", "five"),
    )
    assert texts(trace) == ["one", "two", "three", "four", "five"]
    assert log.count_losses() == {"bad_json": 1}


def test_the_path_ends_in_the_last_message(tmp_path: Path) -> None:
    (trace,), log = read_rows(
        tmp_path,
        HEADER,
        user("a", None, "task"),
        turn("b", "a", "left"),
        turn("c", "a", "right"),
        {"type": "label", "id": "d", "parentId": "b", "targetId": "b", "label": "x"},
        {"type": "leaf", "id": "e", "parentId": "d", "targetId": "b"},
        {"type": "branch_summary", "id": "f", "parentId": "a", "summary": "gone back, nothing said since"},
        {"type": "custom_message", "id": "g", "parentId": "c", "content": "hook ran", "customType": "hook"},
    )
    assert texts(trace) == ["task", "right", "hook ran"]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("abandoned_branch", 3), ("abandoned_branch", 7)]


@pytest.mark.parametrize(
    ("fields", "context"),
    [
        ({"firstKeptEntryId": "c"}, (SELF, 1, 2)),
        ({"firstKeptEntryId": "a"}, (SELF, 0, 1, 2)),
        ({"firstKeptEntryId": "z"}, (SELF,)),
        ({"firstKeptEntryIndex": 2}, (SELF, 1, 2)),
        ({}, (SELF,)),
    ],
    ids=["a_turn", "bookkeeping_above", "unknown", "version_1", "none"],
)
def test_context_of_a_compaction(tmp_path: Path, fields: dict[str, Any], context: tuple[int, ...]) -> None:
    rows = [user("b", "a", "task"), turn("c", "b", call("k1")), result("d", "c", "k1", "files")]
    change = {"type": "model_change", "id": "a", "parentId": None, "modelId": "m1"}
    later = [compaction("e", "d", **fields), turn("f", "e", "done")]
    listed = [HEADER, *rows, *later] if "firstKeptEntryIndex" in fields else [HEADER, change, *rows, *later]
    (trace,), _ = read_rows(tmp_path, *listed)
    assert trace.messages[3].context == context
    assert trace.messages[3].text == "So far."
    if "firstKeptEntryId" in fields and fields["firstKeptEntryId"] == "c":
        _, seen = list(trace.contexts())[-1]
        assert [message.role for message in seen] == ["user", "assistant", "tool"]


def test_an_older_summary_is_not_kept_by_a_newer_one(tmp_path: Path) -> None:
    (trace,), _ = read_rows(
        tmp_path,
        HEADER,
        user("a", None, "task"),
        compaction("b", "a", firstKeptEntryId="a"),
        turn("c", "b", "one"),
        compaction("d", "c", firstKeptEntryId="a"),
    )
    assert trace.messages[3].context == (SELF, 0, 2)


def test_turns_that_failed(tmp_path: Path) -> None:
    (trace,), log = read_rows(
        tmp_path,
        HEADER,
        user("a", None, "task"),
        turn("b", "a", stopReason="aborted"),
        turn("c", "b", stopReason="error", errorMessage="529 overloaded"),
        turn("d", "c", "half a sent", call("k1"), stopReason="aborted"),
    )
    assert [(message.text, message.stop_reason) for message in trace.messages] == [
        ("task", None),
        ("half a sent", "aborted"),
    ]
    assert [(loss.reason, loss.line, loss.detail) for loss in log.losses] == [
        ("api_error_message", 4, "529 overloaded")
    ]
    assert (trace.source_meta["aborted_requests"], log.notes) == (1, {"unpaired_call": 1})


def test_images_become_placeholders(tmp_path: Path) -> None:
    blocks = [{"type": "text", "text": "See"}, {"type": "image", "data": "AAAA" * 25 + "AAA=", "mimeType": "image/png"}]
    (trace,), _ = read_rows(tmp_path, HEADER, {**user("a", None, ""), "message": {"role": "user", "content": blocks}})
    assert trace.messages[0].content == (
        {"type": "text", "text": "See"},
        {"type": "image", "media_type": "image/png", "size_bytes": 77},
    )


def test_two_sessions_in_one_file(tmp_path: Path) -> None:
    second = {**HEADER, "id": "s2"}
    traces, log = read_rows(tmp_path, HEADER, user("a", None, "one"), HEADER, second, user("a", None, "two"))
    assert [(trace.trace_id, texts(trace)) for trace in traces] == [("s1", ["one"]), ("s2", ["two"])]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("duplicate_row", 3)]


def test_a_file_without_header_takes_its_name(tmp_path: Path) -> None:
    (trace,), _ = read_rows(tmp_path, user("b", "a", "left over"))
    head = SOURCE.read_head(tmp_path / "s.jsonl")
    assert head is not None
    assert head.root_session_id == trace.trace_id == "s"


def test_schema_drift(tmp_path: Path) -> None:
    """Unknown entry types, roles and content blocks are counted; their children stay on the path."""
    (trace,), log = read_rows(
        tmp_path,
        {**HEADER, "version": 4, "theme": "dark"},
        user("a", None, "task"),
        {"type": "telemetry", "id": "b", "parentId": "a", "data": {}},
        turn("c", "b", "done", {"type": "citation", "url": "x"}, {"type": "thinking", "thinking": "hm"}),
        {"type": "message", "id": "d", "parentId": "c", "message": {"role": "oracle", "content": "?"}},
        {"type": "message", "id": "e", "parentId": "d", "message": {"role": "hookMessage", "content": "old name"}},
    )
    assert [(message.origin, message.text) for message in trace.messages] == [
        ("human", "task"),
        ("model", "done"),
        ("injected", "old name"),
    ]
    assert trace.messages[1].reasoning_content == "hm"
    assert sorted((loss.reason, loss.line) for loss in log.losses) == [
        ("unknown_content_block", 4),
        ("unknown_record_type", 3),
        ("unknown_record_type", 5),
    ]
    assert trace.dropped == log.count_losses()


def test_malformed_rows(tmp_path: Path) -> None:
    (trace,), log = read_rows(
        tmp_path,
        HEADER,
        user("a", None, "task"),
        "{broken",
        {"id": "b", "parentId": "a"},
        {"type": "message", "id": "c", "parentId": "b", "message": "no object"},
        compaction("d", "c", summary=None),
        turn("e", "d", {"type": "toolCall", "id": "k1"}, "still here"),
        result("f", "e", "k1", "stray"),
        user("a", "f", "same id"),
        "[1]",
        '{"type": "message", "id": "g", "mess',
    )
    assert texts(trace) == ["task", "still here"]
    assert trace.is_partial
    assert sorted((loss.reason, loss.line) for loss in log.losses) == [
        ("bad_json", 3),
        ("cut_line", 11),
        ("duplicate_row", 9),
        ("malformed_record", 4),
        ("malformed_record", 5),
        ("malformed_record", 6),
        ("malformed_record", 7),
        ("not_an_object", 10),
        ("unpaired_result", 8),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_file"),
        ('{"type": "user", "uuid": "u1", "message": {"role": "user", "content": "Claude Code"}}', "foreign_file"),
        (json.dumps(HEADER), "no_messages"),
        ("{broken\n", "bad_json"),
    ],
    ids=["empty", "other_format", "header_alone", "broken"],
)
def test_malformed_files(tmp_path: Path, text: str, reason: str) -> None:
    traces, log = read_rows(tmp_path, text)
    assert traces == []
    assert [loss.reason for loss in log.losses] == [reason]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_can_crash_it(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_bytes(raw)
        SOURCE.read_head(path)
        read(path)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 4), st.sampled_from([b"\n", b"\r\n"]))
def test_no_line_can_take_its_neighbours_along(raw: bytes, place: int, newline: bytes) -> None:
    rows = [HEADER, user("a", None, "one"), turn("b", "a", "two"), user("c", "b", "three"), turn("d", "c", "four")]
    lines = [json.dumps(row).encode() for row in rows]
    lines.insert(place + 1, raw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_bytes(newline.join(lines) + newline)
        traces, log = read(path)
        head = SOURCE.read_head(path)
    assert texts(traces[0]) == ["one", "two", "three", "four"]
    assert traces[0].dropped == log.count_losses()
    assert head is not None
    assert head.root_session_id == traces[0].root_session_id == "s1"


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 3), st.data())
def test_a_lost_line_costs_that_line(place: int, data: st.DataObject) -> None:
    rows = [HEADER, user("a", None, "one"), turn("b", "a", "two"), user("c", "b", "three"), turn("d", "c", "four")]
    lines = [json.dumps(row) for row in rows]
    lines[place] = lines[place][: data.draw(st.integers(1, len(lines[place]) - 1))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        traces, log = read(path)
    kept = [text for number, text in enumerate(("one", "two", "three", "four"), start=1) if number != place]
    assert texts(traces[0]) == kept
    assert [(loss.reason, loss.line) for loss in log.losses] == [("bad_json", place + 1)]
