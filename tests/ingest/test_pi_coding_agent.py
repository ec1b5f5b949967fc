"""Pi coding agent sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.pi_coding_agent_rows import (
    FORK,
    HEADER,
    LINEAR,
    TREE,
    TREE_TRACE,
    call,
    compaction,
    read,
    read_rows,
    result,
    texts,
    turn,
    user,
)
from tracemill.ingest.pi_coding_agent.reader import SOURCE
from tracemill.trace import SELF


def test_small_tree() -> None:
    traces, log = read(TREE)
    assert traces == [TREE_TRACE]
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


LABEL = {"type": "label", "targetId": "a", "label": "start"}


def without_ids(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows as version 1 writes them."""
    return [{key: value for key, value in row.items() if key not in ("id", "parentId")} for row in rows]


@pytest.mark.parametrize(
    ("rows", "tail"),
    [
        (without_ids(user("a", None, "one"), turn("b", "a", "two")), [LABEL]),
        (without_ids(user("a", None, "one"), turn("b", "a", "two")), [LABEL, LABEL]),
        ([user("a", None, "one"), turn("b", "a", "two")], [{**LABEL, "id": "c", "parentId": "gone"}]),
        ([user("a", "gone", "one"), turn("b", "lost", "two")], [{**LABEL, "id": "c", "parentId": "b"}]),
        ([user("a", "gone", "one"), turn("b", "lost", "two")], [{**LABEL, "id": "c", "parentId": "a"}]),
        ([user("a", "gone", "one"), turn("b", "lost", "two")], [{**LABEL, "id": "c", "parentId": None}]),
    ],
    ids=["linear", "linear_twice", "dangling_label", "on_the_last", "on_the_first", "without_parent"],
)
def test_a_label_at_the_end_changes_nothing(tmp_path: Path, rows: list[Any], tail: list[Any]) -> None:
    (bare,), _ = read_rows(tmp_path, HEADER, *rows)
    (trace,), log = read_rows(tmp_path, HEADER, *rows, *tail)
    assert trace == bare
    assert texts(trace) == ["one", "two"]
    assert (log.losses, trace.is_partial) == ([], False)


def test_what_follows_a_label_at_the_end_follows_the_row_above(tmp_path: Path) -> None:
    label = {**LABEL, "id": "c", "parentId": "gone"}
    (trace,), log = read_rows(tmp_path, HEADER, user("a", "gone", "one"), label, turn("d", "lost", "two"))
    assert texts(trace) == ["one", "two"]
    assert log.losses == []


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


@pytest.mark.parametrize(
    ("blocks", "reason", "aborted", "lost"),
    [
        ([], "aborted", 1, {}),
        ([{"type": "thinking", "thinking": " "}], "aborted", 1, {}),
        (["half"], "aborted", None, {}),
        ([], "error", None, {"api_error_message": 1}),
        ([], "stop", None, {}),
    ],
    ids=["nothing", "blank_thought", "a_word", "error", "stopped"],
)
def test_a_request_that_was_aborted_before_a_word_is_counted(
    tmp_path: Path, blocks: list[Any], reason: str, aborted: int | None, lost: dict[str, int]
) -> None:
    (trace,), log = read_rows(tmp_path, HEADER, user("a", None, "one"), turn("b", "a", *blocks, stopReason=reason))
    assert trace.source_meta.get("aborted_requests") == aborted
    assert log.count_losses() == lost
    assert len(trace.messages) == (1 if aborted or lost else 2)


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


def test_a_command_that_the_person_ran_is_no_words_of_theirs(tmp_path: Path) -> None:
    run = {"role": "bashExecution", "command": "make test", "output": "2 passed", "exitCode": 0}
    row = {"type": "message", "id": "b", "parentId": "a", "message": run}
    (trace,), log = read_rows(tmp_path, HEADER, user("a", None, "task"), row, turn("c", "b", "done"))
    assert [(message.role, message.origin) for message in trace.messages] == [
        ("user", "human"), ("user", "injected"), ("assistant", "model"),
    ]  # fmt: skip
    assert "make test" in trace.messages[1].text
    assert "2 passed" in trace.messages[1].text
    assert log.losses == []


def test_what_late_versions_keep_is_no_loss(tmp_path: Path) -> None:
    """A system prompt with its tools, the usage of other requests, edits of the context."""
    tool = {"name": "read", "description": "Read a file", "parameters": {"type": "object"}}
    system = {"role": "system", "content": "You are pi.", "toolsAdded": [tool], "timestamp": 1}
    rows = [
        {"type": "message", "id": "a", "parentId": None, "timestamp": "2026-10-01T09:00:00.000Z", "message": system},
        user("b", "a", "task"),
        {"type": "usage", "id": "c", "parentId": "b", "kind": "cache_warm", "usage": {"input": 5}},
        turn("d", "c", "done"),
        {"type": "context_edit", "id": "e", "parentId": "d", "targetId": "d", "replacement": None},
        user("f", "e", "more"),
    ]
    (trace,), log = read_rows(tmp_path, HEADER, *rows)
    assert log.losses == []
    assert [(message.role, message.origin, message.text) for message in trace.messages] == [
        ("system", "injected", "You are pi."),
        ("user", "human", "task"),
        ("assistant", "model", "done"),
        ("user", "human", "more"),
    ]
    assert [tool["function"]["name"] for tool in trace.tools] == ["read"]
    assert trace.source_meta["context_edits"] == 1
