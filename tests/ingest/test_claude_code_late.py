"""What versions 2.1.260 and later of Claude Code write beside what earlier ones did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.claude_code_rows import list_losses, make_row, read, read_rows, result, tell, use, write_rows

#: Rows that keep books, as far as their shape is public.
BOOKS: list[dict[str, Any]] = [
    {"type": "cost-state", "sessionId": "s1", "totalCostUSD": 0.03, "modelUsage": {"m": {"inputTokens": 4}}},
    {"type": "continued-in", "sessionId": "s1", "continuedInSessionId": "s2", "timestamp": "2026-01-05T10:00:01Z"},
    {"type": "history-suppression", "sessionId": "s1", "cause": "fork_inherit"},
    {"type": "ended-by-model", "sessionId": "s1", "timestamp": "2026-01-05T10:00:01Z"},
    {"type": "artifact-comment-monitor", "sessionId": "s1", "title": "Plan"},
    {"type": "memory-mode", "sessionId": "s1"},
]
SENT = {"command": "cd /repo && ls", "description": "List"}


@pytest.mark.parametrize("book", BOOKS, ids=[book["type"] for book in BOOKS])
def test_what_keeps_books_is_no_loss(tmp_path: Path, book: dict[str, Any]) -> None:
    (trace,), log = read_rows(tmp_path, [make_row("user", "u1", None, "Hi"), book])
    assert (tell(trace), log.losses) == ([("human", "Hi")], [])


def test_an_unknown_type_is_still_a_loss(tmp_path: Path) -> None:
    _, log = read_rows(tmp_path, [make_row("user", "u1", None, "Hi"), {"type": "cost-states", "sessionId": "s1"}])
    assert list_losses(log) == [("unknown_record_type", 2)]


@pytest.mark.parametrize(
    ("kind", "origin"),
    [("human", "human"), ("auto-continuation", "injected"), ("peer", "injected"), ("cli", "human")],
)
def test_what_a_program_sent_is_not_the_person(tmp_path: Path, kind: str, origin: str) -> None:
    (trace,), _ = read_rows(tmp_path, [make_row("user", "u1", None, "Go on", origin={"kind": kind})])
    assert tell(trace) == [(origin, "Go on")]


@pytest.mark.parametrize(
    ("sent", "arguments"),
    [
        ({"c1": SENT}, ['{"command": "cd /repo && ls", "description": "List"}', '{"command": "c2"}']),
        ({"c2": {}}, ['{"command": "c1"}', "{}"]),
        ({}, ['{"command": "c1"}', '{"command": "c2"}']),
        ("odd", ['{"command": "c1"}', '{"command": "c2"}']),
    ],
    ids=["one of two", "without arguments", "none", "of another shape"],
)
@pytest.mark.parametrize("is_odd", [False, True], ids=["usual row", "row that the fast decoder refuses"])
def test_arguments_are_what_the_model_sent(tmp_path: Path, sent: Any, arguments: list[str], is_odd: bool) -> None:
    extra = {"wireToolInputs": sent, **({"gitBranch": 7} if is_odd else {})}
    rows = [
        make_row("user", "u1", None, "List"),
        make_row("assistant", "a1", "u1", [use("c1"), use("c2")], **extra),
        make_row("user", "u2", "a1", [result("c1"), result("c2")]),
    ]
    (trace,), log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert [call.arguments for call in trace.messages[1].tool_calls] == arguments


def test_a_forked_agent_is_a_sub_agent_of_its_session(tmp_path: Path) -> None:
    fork = {"type": "fork-context-ref", "agentId": "a9", "parentSessionId": "s1", "parentLastUuid": "x"}
    task = "<fork-boilerplate>You are a fork.</fork-boilerplate>\nCount the tests"
    rows = [
        fork,
        make_row("user", "u1", None, task, isSidechain=True, agentId="a9"),
        make_row("assistant", "a1", "u1", [{"type": "text", "text": "12"}], isSidechain=True, agentId="a9"),
    ]
    (trace,), log = read(write_rows(tmp_path / "s1" / "subagents" / "agent-a9.jsonl", rows))
    assert log.losses == []
    assert (trace.is_sidechain, trace.agent_id, trace.parent_trace_id) == (True, "a9", "s1")
    assert [origin for origin, _ in tell(trace)] == ["injected", "human", "model"]
