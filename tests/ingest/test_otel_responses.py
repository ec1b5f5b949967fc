"""Items of OpenAI's Responses API without a role, as Langfuse and others capture them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_otel import read_rows, span, tell
from tests.ingest.test_otel_dialects import observe
from tests.ingest.test_otel_openinference import read_one
from tracemill.ingest.otel.responses import give_roles
from tracemill.trace import ToolCall

ASKED = {"role": "user", "content": [{"type": "input_text", "text": "Is it far?"}]}
THOUGHT = {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": "Measure it."}]}
CALL = {"type": "function_call", "id": "f1", "call_id": "k1", "name": "measure", "arguments": '{"to": "Olm"}'}
RESULT = {"type": "function_call_output", "call_id": "k1", "output": "12 km"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "12 km."}]}


@pytest.mark.parametrize("shape", ["items", "response"])
def test_a_conversation_of_the_responses_api(tmp_path: Path, shape: str) -> None:
    def answer(*items: Any) -> Any:
        return list(items) if shape == "items" else {"object": "response", "id": "x", "output": list(items)}

    rules = {"instructions": "Be brief.", "tools": [{"type": "function", "name": "measure", "parameters": {}}]}
    rows = [
        observe(1, 0, "generation", {"input": [ASKED], **rules}, answer(THOUGHT, CALL)),
        observe(2, 2, "generation", {"input": [ASKED, THOUGHT, CALL, RESULT], **rules}, answer(SAID)),
    ]
    trace = read_one(tmp_path, *rows)
    told = [("system", "Be brief."), ("user", "Is it far?"), ("assistant", ""), ("tool", "12 km")]
    assert tell(trace) == [*told, ("assistant", "12 km.")]
    turn, result = trace.messages[2:4]
    assert (turn.reasoning_content, turn.tool_calls) == ("Measure it.", (ToolCall("k1", "measure", '{"to": "Olm"}'),))
    assert result.tool_call_id == "k1"
    assert [tool["function"]["name"] for tool in trace.tools] == ["measure"]
    assert not any(message.origin == "compaction" for message in trace.messages)


def test_a_single_item_is_an_answer(tmp_path: Path) -> None:
    (trace,), log = read_rows(tmp_path, observe(1, 0, "generation", "Is it far?", CALL))
    assert [message.tool_calls for message in trace.messages] == [(), (ToolCall("k1", "measure", '{"to": "Olm"}'),)]
    assert log.losses == []


def test_items_in_the_attributes_of_the_conventions(tmp_path: Path) -> None:
    told = {"input.messages": json.dumps([ASKED, CALL, RESULT]), "output.messages": json.dumps([SAID])}
    trace = read_one(tmp_path, span(1, 0, a={"operation.name": "chat", **told}))
    assert [text for _, text in tell(trace)] == ["Is it far?", "", "12 km", "12 km."]


def test_what_is_said_beside_calls_is_one_turn_and_the_next_words_begin_another() -> None:
    custom = {"type": "custom_tool_call", "call_id": "k2", "name": "run", "input": "ls"}
    output = {"type": "custom_tool_call_output", "call_id": "k2", "output": "a"}
    plain = {"role": "assistant", "content": "Wait."}
    roles = give_roles([ASKED, plain, CALL, custom, RESULT, output, SAID, THOUGHT, ASKED, SAID])
    assert [item["role"] for item in roles] == ["user", "assistant", "tool", "tool", "assistant", "user", "assistant"]
    calls = [(part["id"], part["arguments"]) for part in roles[1]["parts"][1:]]
    assert (roles[1]["parts"][0], calls) == ("Wait.", [("k1", '{"to": "Olm"}'), ("k2", "ls")])
    assert [part["type"] for part in roles[4]["parts"]] == ["output_text", "reasoning"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"output": "12 km"}, [("tool", "12 km", False)]),
        ({"output": None, "error": "lost"}, [("tool", "lost", True)]),
        ({}, []),
    ],
    ids=["output", "error", "unfinished"],
)
def test_a_call_that_the_provider_made_itself(tmp_path: Path, fields: dict[str, Any], expected: list[Any]) -> None:
    called = {"type": "mcp_call", "id": "m1", "name": "measure", "arguments": "{}", **fields}
    (trace,), log = read_rows(tmp_path, observe(1, 0, "generation", "Is it far?", [called, SAID]))
    assert [(m.role, m.text, m.is_error) for m in trace.messages if m.role == "tool"] == expected
    assert (trace.final_assistant_message, log.losses) == ("12 km.", [])


def test_items_of_other_types_are_counted_and_messages_are_left_alone(tmp_path: Path) -> None:
    searched = {"type": "web_search_call", "id": "w1", "status": "completed"}
    (trace,), log = read_rows(tmp_path, observe(1, 0, "generation", [ASKED, CALL, RESULT, searched], [SAID]))
    assert [text for _, text in tell(trace)] == ["Is it far?", "", "12 km", "12 km."]
    assert log.count_losses() == {"malformed_record": 1}
    messages = [ASKED, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, 5]
    assert give_roles(messages) == messages
    hidden = {"type": "reasoning", "encrypted_content": "x", "summary": []}
    assert give_roles([hidden]) == [{"role": "assistant", "parts": []}]
