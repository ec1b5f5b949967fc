"""Claude Code transcripts: what becomes of single rows, their lines, their ids and their calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ingest.claude_code_rows import Row, list_losses, make_row, read, read_rows, result, tell, use, write_rows
from tracemill.ingest.claude_code.reader import SOURCE


def test_what_is_lost_is_logged_in_the_order_of_the_lines(tmp_path: Path) -> None:
    again = make_row("assistant", "a1", "u1", "Hi")
    rows: list[Row | str] = [make_row("user", "u1", None, "Hello"), again, again, "not json", again, {"type": "new"}]
    traces, log = read_rows(tmp_path, rows)
    assert tell(traces[0]) == [("human", "Hello"), ("model", "Hi")]
    assert list_losses(log) == [
        ("duplicate_row", 3),
        ("bad_json", 4),
        ("duplicate_row", 5),
        ("unknown_record_type", 6),
    ]
    assert log.lines_read == 6


@pytest.mark.parametrize(("ending", "reason"), [("\n", "bad_json"), ("", "cut_line")], ids=["ended", "unended"])
def test_only_a_last_line_without_an_end_is_cut(tmp_path: Path, ending: str, reason: str) -> None:
    path = write_rows(tmp_path / "s1.jsonl", [make_row("user", "u1", None, "Hello")])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type": "user", "uu' + ending)
    traces, log = read(path)
    assert list_losses(log) == [(reason, 2)]
    assert traces[0].is_partial == (reason == "cut_line")


def test_bad_bytes_in_the_arguments_of_a_call_are_replaced(tmp_path: Path) -> None:
    rows = [make_row("user", "u1", None, "Hello"), make_row("assistant", "a1", "u1", [use("t1")])]
    path = write_rows(tmp_path / "s1.jsonl", rows)
    path.write_bytes(path.read_bytes().replace(b'{"command": "t1"}', b'{"command": "\xff"}'))
    traces, log = read(path)
    assert traces[0].messages[1].tool_calls[0].arguments == '{"command": "\ufffd"}'
    assert (log.losses, log.notes) == ([], {"bad_bytes": 1, "unpaired_call": 1})


def test_a_number_that_is_too_long_is_noted_in_a_field_that_is_not_read(tmp_path: Path) -> None:
    row = json.dumps(make_row("user", "u1", None, "Hello", toolUseResult={"n": 0}))
    traces, log = read_rows(tmp_path, [row.replace('"n": 0', '"n": ' + "7" * 6000)])
    assert tell(traces[0]) == [("human", "Hello")]
    assert log.notes == {"huge_integer": 1}


@pytest.mark.parametrize("parent", ["", " ", "an id"], ids=["empty", "blank", "of words"])
def test_what_is_no_id_of_a_parent_counts_as_none(tmp_path: Path, parent: str) -> None:
    opening = "Fix the parser of dates"
    rows = [
        make_row("user", "u1", parent, opening, 1),
        make_row("assistant", "a1", "u1", "Fixed.", 2),
        make_row("user", "u2", parent, opening, 3),
        make_row("assistant", "a2", "u2", "Mended.", 4),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert tell(traces[0]) == [("human", opening), ("model", "Mended.")]
    assert list_losses(log) == [("abandoned_branch", 1), ("abandoned_branch", 2)]


def test_a_rewind_is_found_across_a_row_that_names_its_logical_parent_alone(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        make_row("user", "u1", None, "Hello", 1),
        make_row("assistant", "a1", "u1", "Hi", 2),
        make_row("user", "u2", "a1", "Fix it", 3),
        make_row("assistant", "a2", "u2", "Fixed.", 4),
        {"type": "system", "uuid": "y1", "parentUuid": None, "logicalParentUuid": "a1", "sessionId": "s1"},
        make_row("user", "u3", "y1", "Undo it", 5),
        make_row("assistant", "a3", "u3", "Undone.", 6),
    ]
    traces, log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(traces[0])] == ["Hello", "Hi", "Undo it", "Undone."]
    assert list_losses(log) == [("abandoned_branch", 3), ("abandoned_branch", 4)]


def test_a_repeated_row_is_told_from_bookkeeping_with_its_id(tmp_path: Path) -> None:
    again = make_row("assistant", "a1", "u1", "Hi")
    book = {"type": "system", "uuid": "a1", "sessionId": "s1"}
    traces, log = read_rows(tmp_path, [book, make_row("user", "u1", None, "Hello"), again, again])
    assert tell(traces[0]) == [("human", "Hello"), ("model", "Hi")]
    assert list_losses(log) == [("duplicate_row", 4)]


def test_a_blank_session_is_none(tmp_path: Path) -> None:
    book: Row = {"type": "system", "sessionId": " "}
    rows: list[Row | str] = [
        book,
        make_row("user", "u1", None, "Hello", sessionId="", session_id="s9"),
        make_row("assistant", "a1", "u1", "Hi", sessionId=" "),
    ]
    path = write_rows(tmp_path / "other.jsonl", rows)
    (trace,), log = read(path)
    head = SOURCE.read_head(path)
    assert (trace.trace_id, trace.message_count, log.losses) == ("s9", 2, [])
    assert trace.source_meta["record_count"] == 2
    assert head is not None
    assert head.root_session_id == "s9"


def test_bookkeeping_without_a_session_names_none(tmp_path: Path) -> None:
    rows: list[Row | str] = [{"type": "system", "sessionId": " "}, make_row("user", "u1", None, "Hi", sessionId=None)]
    traces, _ = read(write_rows(tmp_path / "other.jsonl", rows))
    assert traces[0].trace_id == "other"


@pytest.mark.parametrize("blank", ["", " "], ids=["empty", "blank"])
def test_a_head_is_not_named_by_a_blank_session(tmp_path: Path, blank: str) -> None:
    rows = [make_row("user", "u1", None, "Hello", sessionId=blank), make_row("assistant", "a1", "u1", "Hi")]
    head = SOURCE.read_head(write_rows(tmp_path / "other.jsonl", rows))
    assert head is not None
    assert head.root_session_id == "s1"


@pytest.mark.parametrize("first", ["x" * 9000, "x" * 90_000], ids=["over its first bytes", "over a block"])
def test_a_head_in_a_long_line_is_found(tmp_path: Path, first: str) -> None:
    rows = [make_row("user", "u1", None, first, 1), make_row("assistant", "a1", "u1", "Hi", 2)]
    head = SOURCE.read_head(write_rows(tmp_path / "s1.jsonl", rows))
    assert head is not None
    assert (head.root_session_id, head.started_at) == ("s1", "2026-01-05T10:00:01.000Z")


def test_only_what_lies_in_the_folder_of_sub_agents_itself_belongs_to_the_folder_above(tmp_path: Path) -> None:
    rows = [make_row("user", "u1", None, "Hello", sessionId="agent-1")]
    within = write_rows(tmp_path / "root" / "subagents" / "agent-1.jsonl", rows)
    below = write_rows(tmp_path / "root" / "subagents" / "more" / "agent-1.jsonl", rows)
    for path, root in ((within, "root"), (below, "agent-1")):
        head = SOURCE.read_head(path)
        assert head is not None
        assert (head.root_session_id, read(path)[0][0].root_session_id) == (root, root)


def test_the_first_folder_and_branch_that_a_row_names_are_taken(tmp_path: Path) -> None:
    rows = [
        make_row("user", "u1", None, "Hello", cwd="", gitBranch=None),
        make_row("assistant", "a1", "u1", "Hi", cwd="/later", gitBranch="topic"),
    ]
    (trace,), _ = read_rows(tmp_path, rows)
    assert (trace.cwd, trace.git_branch) == ("/later", "topic")


def test_a_call_that_lacks_something_is_read_with_what_it_has(tmp_path: Path) -> None:
    calls: list[Row] = [
        {"type": "tool_use", "id": "t1", "name": "Stop"},
        {"type": "tool_use", "id": " ", "name": " ", "input": {"a": [1, "\u00e9"]}},
        {"type": "tool_use", "id": "t3", "name": "Say", "input": "words"},
    ]
    rows = [make_row("user", "u1", None, "Hello"), make_row("assistant", "a1", "u1", calls)]
    rows.append(make_row("user", "r1", "a1", [result(" "), result("t3")]))
    (trace,), log = read_rows(tmp_path, rows)
    told = [(call.id, call.name, call.arguments) for call in trace.messages[1].tool_calls]
    assert told == [("t1", "Stop", "{}"), ("a1:1", "unknown", '{"a": [1, "\u00e9"]}'), ("t3", "Say", "words")]
    answered = [message.tool_call_id for message in trace.messages if message.role == "tool"]
    assert (answered, log.notes) == (["t1", "t3"], {"unpaired_call": 1})
