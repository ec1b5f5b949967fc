"""What Hermes writes in the user role, apart from the person's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tracemill.ingest.hermes_agent.notices import split_notices
from tracemill.ingest.hermes_agent.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import Trace

SKILL = '[IMPORTANT: The user has invoked the "tidy" skill. It is loaded below.]\n\n# Tidy\nSort [all] of it.'
REQUEST = "\n\nThe user has provided the following instruction alongside the skill invocation: "


def read(tmp_path: Path, rows: list[dict[str, Any]]) -> tuple[Trace, LossLog]:
    path = tmp_path / "20260914_183011_7d20aa31.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    log = LossLog(path=str(path))
    (trace,) = SOURCE.read_file(path, log, ReadOptions())
    return trace, log


@pytest.mark.parametrize(
    ("text", "notice", "words"),
    [
        ("Fix it [soon]", "", "Fix it [soon]"),
        (SKILL, SKILL, ""),
        (SKILL + REQUEST + "my desk", SKILL, "my desk"),
        (SKILL + REQUEST + "my desk\n\n[Runtime note: dry]", SKILL + "\n\n[Runtime note: dry]", "my desk"),
        (
            "[Note: model was just switched from a to b.]\n\nGo on",
            "[Note: model was just switched from a to b.]",
            "Go on",
        ),
        ("[System note: you were stopped] go on", "[System note: you were stopped]", "go on"),
        ("[System: Continue now. Execute it.]", "[System: Continue now. Execute it.]", ""),
        (
            "[IMPORTANT: You are running as a scheduled cron job. Say [SILENT] or not.]\n\n" + SKILL + REQUEST + "all",
            "[IMPORTANT: You are running as a scheduled cron job. Say [SILENT] or not.]\n\n" + SKILL,
            "all",
        ),
        ("You just executed tool calls but returned an empty response. Go.", None, ""),
        ("[1, 2] is a list", "", "[1, 2] is a list"),
    ],
    ids=["words", "skill", "request", "runtime note", "switch", "one line", "whole", "cron", "nudge", "brackets"],
)
def test_notices_are_split_from_words(text: str, notice: str | None, words: str) -> None:
    assert split_notices(text) == (text if notice is None else notice, words)


def test_both_parts_are_messages_and_both_are_in_the_context_of_a_compaction(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"role": "user", "content": SKILL + REQUEST + "my desk"},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "[CONTEXT COMPACTION] A desk was tidied."},
        {"role": "assistant", "content": "Next?"},
    ]
    trace, log = read(tmp_path, rows)
    told = [(message.origin, message.text) for message in trace.messages]
    assert told[:2] == [("injected", SKILL), ("human", "my desk")]
    assert trace.goal == "my desk"
    assert trace.messages[3].context == (0, 1, 2, -1)
    assert log.losses == []


def test_what_hermes_wrote_for_the_model_is_not_the_models(tmp_path: Path) -> None:
    own = {"_hermes_message_class": "internal_scaffold"}
    rows: list[dict[str, Any]] = [
        {"role": "user", "content": "Count the files"},
        {"role": "assistant", "content": "(empty)", **own},
        {"role": "user", "content": "Please go on.", **own},
        {"role": "assistant", "content": "Three."},
    ]
    trace, log = read(tmp_path, rows)
    assert [(message.origin, message.text) for message in trace.messages] == [
        ("human", "Count the files"),
        ("injected", "Please go on."),
        ("model", "Three."),
    ]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("synthetic_message", 2)]
