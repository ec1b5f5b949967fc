"""What a longer copy of a session takes over from a shorter one, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tracemill.ingest.copies import fill_from_copy
from tracemill.trace import Message, ToolCall, Trace

ASKED = Message("user", "one", "human")
CALLED = Message("assistant", "", tool_calls=(ToolCall("k1", "look", "{}"),))
GIVEN = Message("tool", "no", "tool", tool_call_id="k1")
SAID = Message("assistant", "two")
USAGE = {"input_tokens": 5, "output_tokens": 2}


def make(*messages: Message, **fields: Any) -> Trace:
    return Trace("s", "otel", "a.jsonl", "s", messages, **fields)


SHORT, LONG = (ASKED, CALLED, GIVEN), (ASKED, CALLED, GIVEN, SAID)


def test_where_a_copy_says_nothing_more_the_trace_stays_the_very_same() -> None:
    told = replace(CALLED, model="m", usage=USAGE, timestamp="2026-01-01T00:00:00Z")
    longer = make(ASKED, told, GIVEN, SAID, started_at="2026-01-01T00:00:00Z", source_meta={"a": [1], "b": 2})
    assert fill_from_copy(longer, make(*SHORT, source_meta={"a": [1], "b": 3})) is longer
    assert fill_from_copy(longer, make(ASKED, told, GIVEN, started_at="2026-01-01T00:00:00Z")) is longer


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("usage", USAGE),
        ("model", "m"),
        ("stop_reason", "stop"),
        ("reasoning_content", "hm"),
        ("timestamp", "2026-01-01T00:00:00Z"),
        ("is_error", False),
    ],
)
def test_what_is_unknown_in_a_message_is_filled_and_what_is_known_stays(field: str, value: Any) -> None:
    known = replace(CALLED, **{field: value})
    filled = fill_from_copy(make(*LONG), make(ASKED, known, GIVEN))
    assert filled.messages == (ASKED, known, GIVEN, SAID)
    other = {"usage": {"input_tokens": 9}, "is_error": True, "timestamp": "2025-01-01T00:00:00Z"}.get(field, "other")
    own = replace(CALLED, **{field: other})
    assert fill_from_copy(make(ASKED, own, GIVEN, SAID), make(ASKED, known, GIVEN)).messages[1] == own


def test_a_message_that_differs_is_left_alone() -> None:
    grown = Message("assistant", "two and more")
    longer = make(ASKED, grown, SAID)
    assert fill_from_copy(longer, make(ASKED, replace(SAID, usage=USAGE, model="m"))) is longer


def test_sums_of_tokens_follow_the_turns() -> None:
    known = make(ASKED, replace(CALLED, usage=USAGE), GIVEN, input_tokens=5, output_tokens=2)
    longer = make(ASKED, CALLED, GIVEN, replace(SAID, usage={"input_tokens": 7}), input_tokens=7)
    filled = fill_from_copy(longer, known)
    assert (filled.input_tokens, filled.output_tokens) == (12, 2)
    of_its_own = fill_from_copy(replace(longer, input_tokens=100), known)
    assert (of_its_own.input_tokens, of_its_own.output_tokens) == (100, 2)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ("2026-01-01T00:00:05Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:01Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:01.500Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:01Z", "2026-01-01T01:00:01+01:00", "2026-01-01T00:00:01Z"),
        (None, "2026-01-01T00:00:01Z", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:01Z", None, "2026-01-01T00:00:01Z"),
        ("soon", "later", "soon"),
    ],
    ids=["earlier", "later", "fraction", "zone", "unknown", "known", "no_time"],
)
def test_the_earlier_of_two_times_is_when_it_was(own: str | None, other: str | None, expected: str) -> None:
    longer = make(replace(ASKED, timestamp=own), SAID, started_at=own)
    filled = fill_from_copy(longer, make(replace(ASKED, timestamp=other), started_at=other))
    assert (filled.messages[0].timestamp, filled.started_at) == (expected, expected)


def test_tools_and_what_the_source_says_are_completed() -> None:
    tool = {"type": "function", "function": {"name": "look"}}
    known = make(ASKED, tools=(tool,), source_meta={"trace_ids": ["t1", "t2"], "agent": "a", "service": "old"})
    filled = fill_from_copy(make(ASKED, SAID, source_meta={"trace_ids": ["t2", "t3"], "service": "s"}), known)
    assert filled.tools == (tool,)
    assert filled.source_meta == {"trace_ids": ["t1", "t2", "t3"], "agent": "a", "service": "s"}
    own = {"type": "function", "function": {"name": "other"}}
    assert fill_from_copy(make(ASKED, SAID, tools=(own,)), known).tools == (own,)


def test_a_verdict_on_a_part_is_none_on_the_whole() -> None:
    filled = fill_from_copy(make(*LONG), make(*SHORT, success=False, reward=0.0, verdict_source="tests"))
    assert (filled.success, filled.reward, filled.verdict_source) == (None, None, None)
