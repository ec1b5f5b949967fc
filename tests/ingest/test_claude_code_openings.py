"""Claude Code sessions rewound to their first prompt, and titles that are another session's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingest.claude_code_rows import Row, list_losses, make_row, read_rows, tell
from tracemill.ingest.claude_code.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions

HOOK: Row = {"type": "attachment", "uuid": "h1", "parentUuid": None, "sessionId": "s1", "attachment": {"type": "hook"}}
NEW = [("human", "Write the docs instead"), ("model", "Written.")]


def make_talk(parent: str | None, name: str, ask: str, answer: str, second: int) -> list[Row]:
    return [
        make_row("user", f"u{name}", parent, ask, second),
        make_row("assistant", f"a{name}", f"u{name}", [{"type": "text", "text": answer}], second + 1),
    ]


@pytest.mark.parametrize("parent", ["h1", None], ids=["behind a hook", "at the root"])
def test_a_rewind_to_the_first_prompt_leaves_all_before_it(tmp_path: Path, parent: str | None) -> None:
    first = make_talk(parent, "1", "Build the parser", "Built.", 1)
    rows = [HOOK, *first, *make_talk(parent, "2", "Write the docs instead", "Written.", 3)]
    (trace,), log = read_rows(tmp_path, rows)
    assert tell(trace) == NEW
    assert list_losses(log) == [("abandoned_branch", 2), ("abandoned_branch", 3)]
    log = LossLog(path="")
    traces = list(SOURCE.read_file(tmp_path / "s1.jsonl", log, ReadOptions(branches=True)))
    assert [tell(trace) for trace in traces] == [NEW, [("human", "Build the parser"), ("model", "Built.")]]
    assert log.losses == []


def test_a_prompt_without_a_parent_and_without_an_answer_stays(tmp_path: Path) -> None:
    rows = [
        *make_talk(None, "1", "Build the parser", "Built.", 1),
        make_row("user", "u2", None, "A note to myself", 3),
        *make_talk("a1", "3", "Test it", "Tested.", 4),
    ]
    (trace,), log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(trace)] == ["Build the parser", "Built.", "A note to myself", "Test it", "Tested."]
    assert log.losses == []


def test_rows_without_any_parents_are_one_conversation(tmp_path: Path) -> None:
    talks = [("1", "Build the parser", "Built."), ("2", "Test it", "Tested.")]
    rows = [{**row, "parentUuid": None} for name, ask, answer in talks for row in make_talk(None, name, ask, answer, 1)]
    (trace,), log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(trace)] == ["Build the parser", "Built.", "Test it", "Tested."]
    assert log.losses == []


def test_what_follows_a_summary_without_a_parent_goes_on(tmp_path: Path) -> None:
    rows = [
        *make_talk(None, "1", "Build the parser", "Built.", 1),
        make_row("user", "c1", None, "So far a parser was built.", 3, isCompactSummary=True),
        *make_talk("c1", "2", "Test it", "Tested.", 4),
    ]
    (trace,), log = read_rows(tmp_path, rows)
    assert len(trace.messages) == 5
    assert log.losses == []


@pytest.mark.parametrize(
    ("books", "title"),
    [
        ([("summary", {"summary": "Ours", "leafUuid": "a1"})], "Ours"),
        ([("summary", {"summary": "Theirs", "leafUuid": "elsewhere"})], None),
        ([("summary", {"summary": "Ours"})], "Ours"),
        ([("custom-title", {"customTitle": "Named"}), ("ai-title", {"aiTitle": "Guessed"})], "Named"),
        ([("ai-title", {"aiTitle": "Guessed"}), ("summary", {"summary": "Ours", "leafUuid": "a1"})], "Guessed"),
        ([("custom-title", {"customTitle": "Old"}), ("custom-title", {"customTitle": "New"})], "New"),
    ],
    ids=["own", "foreign", "no leaf", "person first", "program second", "latest"],
)
def test_the_title_is_the_sessions_own(tmp_path: Path, books: list[tuple[str, Row]], title: str | None) -> None:
    rows: list[Row] = [{"type": kind, "sessionId": "s1", **fields} for kind, fields in books]
    (trace,), log = read_rows(tmp_path, [*rows, *make_talk(None, "1", "Build the parser", "Built.", 1)])
    assert trace.source_meta.get("title") == title
    assert log.losses == []


@pytest.mark.parametrize("tag", ["bash-notification", "agent-notification", "task-notification"])
def test_notifications_are_no_words_of_the_person(tmp_path: Path, tag: str) -> None:
    rows = make_talk(None, "1", f"<{tag}>\n<status>failed</status>\n</{tag}>", "It failed.", 1)
    (trace,), _ = read_rows(tmp_path, rows)
    assert trace.messages[0].origin == "injected"
