"""What a request tells beside its messages: token counts of exported observations of Langfuse, reasons of an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_otel import call, chat, read_rows, reply
from tests.ingest.test_otel import say as say_parts
from tests.ingest.test_otel_openinference import read_one, say

ROW = {
    **{"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-01-01T00:00:01.000Z", "model": "m1"},
    **{"input": [say("user", "one")], "output": say("assistant", "two")},
}
NO_COUNTS = {"promptTokens": 0, "completionTokens": 0, "totalTokens": 0}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"usageDetails": {"input": 10, "output": 4, "total": 14}, "usage": {"input": 1, "output": 1}}, (10, 4)),
        ({"usage_details": '{"input": "10", "output": "4"}'}, (10, 4)),
        ({"usage": {"input": 20, "output": 5, "total": 25, "unit": "TOKENS"}}, (20, 5)),
        ({"usage": {"promptTokens": 7, "completionTokens": 2, "totalTokens": 9}}, (7, 2)),
        ({"usageDetails": {}, "usage": '{"input": 20, "output": 5}'}, (20, 5)),
        ({"usageDetails": {"total": 9}, "promptTokens": 7, "completionTokens": 2}, (7, 2)),
        ({"usage": {"total": 9}, "prompt_tokens": 7, "completion_tokens": 2}, (7, 2)),
        ({"usage": {"input": 0, "output": 0}, "promptTokens": 7, "completionTokens": 0}, (7, 0)),
        ({"usage": {"input": 0, "output": 0}, **NO_COUNTS}, (None, None)),
        ({"usage": {"input": 900, "output": 80, "unit": "CHARACTERS"}}, (None, None)),
        ({"unit": "SECONDS", "promptTokens": 7, "completionTokens": 2}, (None, None)),
        ({"usage": "many", "promptTokens": None}, (None, None)),
    ],
    ids=[
        *("details", "text", "usage", "camel", "empty_details", "row", "snake", "zero", "unknown", "characters"),
        *("seconds", "malformed"),
    ],
)
def test_usage_of_an_exported_observation(tmp_path: Path, fields: dict[str, Any], expected: tuple[Any, Any]) -> None:
    trace = read_one(tmp_path, {**ROW, **fields})
    assert (trace.input_tokens, trace.output_tokens) == expected


ASKS = say_parts("assistant", call("k1"), finish_reason="old_call")
ENDS = say_parts("assistant", "done", finish_reason="old_stop")
BARE = say_parts("assistant", "done")


@pytest.mark.parametrize(
    ("output", "reasons", "choices", "expected"),
    [
        ([ENDS], ["stop"], None, ["stop"]),
        ([ENDS], '["stop"]', None, ["stop"]),
        ([ENDS], "stop", None, ["stop"]),
        ([ENDS], [], None, ["old_stop"]),
        ([ENDS], [7, ""], None, ["old_stop"]),
        ([ENDS], None, None, ["old_stop"]),
        ([ENDS], ["stop", "length"], None, ["stop"]),
        ([ASKS, reply("k1", "x"), ENDS], ["tool_calls", "stop"], None, ["tool_calls", "stop"]),
        ([ASKS, reply("k1", "x"), BARE], ["stop"], None, ["old_call", "stop"]),
        ([ASKS, reply("k1", "x")], ["stop"], None, ["stop"]),
        ([BARE, ENDS], ["stop"], 2, ["stop"]),
        ([BARE, ENDS], ["length", "stop"], 2, ["length"]),
    ],
    ids=[
        *("span", "text", "single", "empty", "malformed", "message", "more", "each", "last", "call", "choices"),
        "choice",
    ],
)
def test_why_a_turn_ended_is_told_by_the_span_first(
    tmp_path: Path, output: list[Any], reasons: Any, choices: int | None, expected: list[str]
) -> None:
    more = {"response.finish_reasons": reasons, "request.choice.count": choices}
    (trace,), _ = read_rows(tmp_path, chat(1, 0, [say_parts("user", "go")], output, more))
    assert [message.stop_reason for message in trace.messages if message.role == "assistant"] == expected
