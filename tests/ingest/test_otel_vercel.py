"""Spans of Vercel's AI SDK: the shapes of its versions, steps with tools, nested calls, failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_otel import read_rows, span, tell
from tests.ingest.test_otel_collector import list_pairs
from tests.ingest.test_otel_openinference import read_one
from tracemill.trace import ToolCall

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
RULES = {"role": "system", "content": "Be brief."}
ASKED = {"role": "user", "content": [{"type": "text", "text": "Is it dry in Olm?"}]}


def put(number: int, start: int, what: str, told: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A span of the SDK; values that are no text become JSON, lists stay lists."""
    values = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in told.items()}
    named = {"ai.operationId": what, "operation.name": f"{what} forecast", "resource.name": "forecast"}
    attributes = {**named, **{f"ai.{key}": value for key, value in values.items()}}
    return {**span(number, start, **fields), "name": what, "attributes": attributes}


def generate(number: int, start: int, prompt: list[Any], answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    told = {"model.id": "m1", "model.provider": "p.chat", "prompt.messages": json.dumps(prompt)}
    told |= {f"response.{key}": value for key, value in answer.items()} | fields.pop("more", {})
    return put(number, start, "ai.generateText.doGenerate", told, **fields)


def tell_calls(*, is_old: bool) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The answer with a call, then the call and its result as the next prompt has them, and the tool's span."""
    keys = {"toolCallId": "k1", "toolName": "weather"}
    text = '{ "city": "Olm" }'
    answer = {"toolCallType": "function", **keys, "args": text} if is_old else {**keys, "input": text}
    call = {"type": "tool-call", **keys, "args" if is_old else "input": {"city": "Olm"}}
    output: dict[str, Any] = {"result": {"rain": 0}} if is_old else {"output": {"type": "json", "value": {"rain": 0}}}
    result = {"type": "tool-result", **keys, **output}
    ran = {"toolCall.name": "weather", "toolCall.id": "k1", "toolCall.args": {"city": "Olm"}}
    return json.dumps([answer]), call, result, {**ran, "toolCall.result": {"rain": 0}}


@pytest.mark.parametrize("is_old", [True, False], ids=["version_4", "version_5"])
@pytest.mark.parametrize("is_tagged", [True, False], ids=["otlp", "flat"])
def test_steps_with_a_tool(tmp_path: Path, is_old: bool, is_tagged: bool) -> None:
    calls, call, result, ran = tell_calls(is_old=is_old)
    tool = {
        "type": "function",
        "name": "weather",
        "description": "d",
        "parameters" if is_old else "inputSchema": SCHEMA,
    }
    usage = ("promptTokens", "completionTokens") if is_old else ("inputTokens", "outputTokens")
    counts = {f"usage.{usage[0]}": 30, f"usage.{usage[1]}": 4, "prompt.tools": [json.dumps(tool)]}
    prompt = [RULES, ASKED]
    thought = {"type": "reasoning", "text": "Look it up."}
    again = [*prompt, {"role": "assistant", "content": [thought, call]}, {"role": "tool", "content": [result]}]
    first = {"text": "", "toolCalls": calls, "finishReason": "tool-calls", "reasoning": "Look it up."}
    outer = {"prompt": {"system": "Be brief.", "prompt": "Is it dry in Olm?"}, "telemetry.functionId": "forecast"}
    rows = [
        generate(2, 1, prompt, first, more=counts, parent=1),
        put(3, 2, "ai.toolCall", ran, parent=1, status={"code": 1}),
        generate(4, 3, again, {"text": "Yes.", "finishReason": "stop", "model": "m1-2026"}, more=counts, parent=1),
        put(1, 0, "ai.generateText", {**outer, "response.text": "Yes."}),
    ]
    if is_tagged:
        rows = [{**row, "attributes": list_pairs(row["attributes"])} for row in rows]
    trace = read_one(tmp_path, *rows)
    told = [("system", "Be brief."), ("user", "Is it dry in Olm?"), ("assistant", ""), ("tool", '{"rain": 0}')]
    assert tell(trace) == [*told, ("assistant", "Yes.")]
    turn, answer = trace.messages[2:4]
    assert (turn.reasoning_content, turn.stop_reason, turn.model) == ("Look it up.", "tool-calls", "m1")
    assert turn.tool_calls == (ToolCall("k1", "weather", '{"city": "Olm"}'),)
    assert (answer.tool_call_id, answer.is_error) == ("k1", False)
    assert (trace.input_tokens, trace.output_tokens, trace.model) == (60, 8, "m1-2026")
    function = {"name": "weather", "description": "d", "parameters": SCHEMA}
    assert trace.tools == ({"type": "function", "function": function},)
    assert (trace.source_meta["agent_name"], trace.source_meta["provider"]) == ("forecast", "p.chat")
    assert not any(message.origin == "compaction" for message in trace.messages)


@pytest.mark.parametrize(
    ("what", "answer", "expected"),
    [
        ("ai.streamText.doStream", {"response.text": "Yes."}, [("assistant", "Yes.")]),
        ("ai.generateObject.doGenerate", {"response.object": '{"dry": true}'}, [("assistant", '{"dry": true}')]),
        ("ai.streamObject.doStream", {"response.object": '{"dry": true}'}, [("assistant", '{"dry": true}')]),
        ("ai.generateText.doGenerate", {"result.text": "Yes.", "finishReason": "stop"}, [("assistant", "Yes.")]),
        ("ai.streamText.doStream", {}, []),
    ],
    ids=["stream", "object", "object_stream", "version_3", "broken_off"],
)
def test_every_function_that_asks_a_model(
    tmp_path: Path, what: str, answer: dict[str, Any], expected: list[Any]
) -> None:
    row = put(1, 0, what, {"prompt.messages": json.dumps([ASKED]), **answer})
    trace = read_one(tmp_path, row)
    assert tell(trace) == [("user", "Is it dry in Olm?"), *expected]
    if "finishReason" in answer:
        assert trace.messages[1].stop_reason == "stop"
    del row["attributes"]["ai.operationId"]
    assert tell(read_one(tmp_path, {**row, "name": f"{what} forecast"})) == tell(trace)


def test_what_the_conventions_say_of_a_request_goes_before(tmp_path: Path) -> None:
    row = generate(1, 0, [ASKED], {"text": "Yes."}, more={"usage.promptTokens": 1})
    told = {"gen_ai.request.model": "m2", "gen_ai.usage.input_tokens": 9, "gen_ai.system": "p"}
    trace = read_one(tmp_path, {**row, "attributes": {**row["attributes"], **told}})
    assert (trace.model, trace.input_tokens, tell(trace)[1]) == ("m2", 9, ("assistant", "Yes."))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ({"prompt": "Hi"}, [("user", "Hi")]),
        ({"system": "Be brief.", "messages": [ASKED]}, [("system", "Be brief."), ("user", "Is it dry in Olm?")]),
        ({"prompt": [{"role": "user", "content": "Hi"}]}, [("user", "Hi")]),
    ],
    ids=["text", "messages", "list"],
)
def test_a_call_without_its_requests_is_one(tmp_path: Path, prompt: Any, expected: list[Any]) -> None:
    row = put(
        1, 0, "ai.streamText", {"prompt": prompt, "response.text": "Ho", "usage.inputTokens": 3, "model.id": "m1"}
    )
    trace = read_one(tmp_path, row)
    assert tell(trace) == [*expected, ("assistant", "Ho")]
    assert (trace.input_tokens, trace.model) == (3, "m1")


def test_a_call_inside_a_tool_is_a_side_chain(tmp_path: Path) -> None:
    calls, _, _, ran = tell_calls(is_old=False)
    rows = [
        put(1, 0, "ai.generateText", {"prompt": {"prompt": "Is it dry in Olm?"}}),
        generate(2, 1, [ASKED], {"toolCalls": calls}, parent=1),
        put(3, 2, "ai.toolCall", ran, parent=1),
        put(4, 3, "ai.generateText", {"prompt": {"prompt": "Olm?"}}, parent=3),
        generate(5, 4, [{"role": "user", "content": "Olm?"}], {"text": "Dry."}, parent=4),
    ]
    (main, side), log = read_rows(tmp_path, *rows)
    assert log.losses == []
    assert [text for _, text in tell(main)] == ["Is it dry in Olm?", "", '{"rain": 0}']
    assert (tell(side), side.parent_trace_id) == ([("user", "Olm?"), ("assistant", "Dry.")], main.trace_id)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"output": {"type": "text", "value": "dry"}}, ("dry", None)),
        ({"output": {"type": "error-text", "value": "no"}}, ("no", True)),
        ({"output": {"type": "error-json", "value": {"code": 5}}}, ('{"code": 5}', True)),
        ({"output": {"type": "execution-denied", "reason": "not now"}}, ("not now", True)),
        ({"output": {"type": "content", "value": [{"type": "text", "text": "a"}]}}, ("a", None)),
        ({"output": "plain"}, ("plain", None)),
        ({"result": "plain"}, ("plain", None)),
        ({"result": "bad", "isError": True}, ("bad", True)),
    ],
    ids=["text", "error", "error_json", "denied", "content", "plain", "old", "old_error"],
)
def test_results_of_tools_in_a_prompt(tmp_path: Path, output: dict[str, Any], expected: tuple[Any, Any]) -> None:
    calls, call, _, _ = tell_calls(is_old=False)
    result = {"type": "tool-result", "toolCallId": "k1", "toolName": "weather", **output}
    again = [ASKED, {"role": "assistant", "content": [call]}, {"role": "tool", "content": [result]}]
    trace = read_one(tmp_path, generate(1, 0, [ASKED], {"toolCalls": calls}), generate(2, 2, again, {"text": "Yes."}))
    assert (trace.messages[2].text, trace.messages[2].is_error) == expected
    assert [text for _, text in tell(trace)] == ["Is it dry in Olm?", "", expected[0], "Yes."]


def test_a_tool_that_fails_has_a_status_and_no_result(tmp_path: Path) -> None:
    calls, call, _, ran = tell_calls(is_old=False)
    del ran["toolCall.result"]
    result = {
        "type": "tool-result",
        "toolCallId": "k1",
        "toolName": "weather",
        "output": {"type": "text", "value": "no"},
    }
    again = [ASKED, {"role": "assistant", "content": [call]}, {"role": "tool", "content": [result]}]
    rows = [generate(1, 0, [ASKED], {"toolCalls": calls}), put(2, 1, "ai.toolCall", ran, status={"code": 2})]
    trace = read_one(tmp_path, *rows, generate(3, 2, again, {"text": "Yes."}))
    assert (trace.messages[2].text, trace.messages[2].is_error) == ("no", True)


def test_tools_answer_the_calls_that_they_name(tmp_path: Path) -> None:
    calls = [{"toolCallId": key, "toolName": "roll", "input": "{}"} for key in ("k1", "k2")]
    ran = [
        {"toolCall.name": "roll", "toolCall.id": key, "toolCall.args": {}, "toolCall.result": f'"{key} rolled"'}
        for key in ("k2", "k1")
    ]
    rows = [put(n, n, "ai.toolCall", told) for n, told in enumerate(ran, 2)]
    trace = read_one(tmp_path, generate(1, 0, [ASKED], {"toolCalls": json.dumps(calls)}), *rows)
    assert [(m.tool_call_id, m.text) for m in trace.messages[2:]] == [("k1", "k1 rolled"), ("k2", "k2 rolled")]


def test_images_and_files(tmp_path: Path) -> None:
    link = "https://example.org/a.png"
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image", "image": "AAAA", "mimeType": "image/png"},
        {"type": "image", "image": link},
        {"type": "file", "mediaType": "image/jpeg", "data": "data:image/jpeg;base64,AAAA"},
        {"type": "file", "mediaType": "application/pdf", "data": "AAAA"},
    ]
    (trace,), log = read_rows(tmp_path, generate(1, 0, [{"role": "user", "content": parts}], {"text": "ok"}))
    assert trace.messages[0].content == (
        {"type": "text", "text": "see"},
        {"type": "image", "media_type": "image/png", "size_bytes": 3},
        {"type": "image", "media_type": "unknown", "size_bytes": 0, "url": link},
        {"type": "image", "media_type": "image/jpeg", "size_bytes": 3},
    )
    assert log.count_losses() == {"unknown_content_block": 1}


def test_an_image_that_a_tool_gave(tmp_path: Path) -> None:
    calls, call, _, _ = tell_calls(is_old=False)
    blocks = [{"type": "text", "text": "a"}, {"type": "media", "mediaType": "image/png", "data": "AAAA"}]
    blocks += [{"type": "image-url", "url": "https://example.org/a.png"}]
    output = {"type": "content", "value": blocks}
    result = {"type": "tool-result", "toolCallId": "k1", "toolName": "weather", "output": output}
    again = [ASKED, {"role": "assistant", "content": [call]}, {"role": "tool", "content": [result]}]
    trace = read_one(tmp_path, generate(1, 0, [ASKED], {"toolCalls": calls}), generate(2, 2, again, {"text": "Yes."}))
    assert trace.messages[2].content == (
        {"type": "text", "text": "a"},
        {"type": "image", "media_type": "image/png", "size_bytes": 3},
        {"type": "image", "media_type": "unknown", "size_bytes": 0, "url": "https://example.org/a.png"},
    )


def test_a_session_goes_on_over_traces(tmp_path: Path) -> None:
    more = {"telemetry.metadata.sessionId": "chat-7"}
    said = {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}
    later = [ASKED, said, {"role": "user", "content": [{"type": "text", "text": "And now?"}]}]
    rows = [
        generate(1, 0, [ASKED], {"text": "Yes."}, more=more),
        generate(2, 9, later, {"text": "Still."}, more=more, trace="t2"),
    ]
    trace = read_one(tmp_path, *rows)
    assert (trace.trace_id, [text for _, text in tell(trace)]) == (
        "chat-7",
        ["Is it dry in Olm?", "Yes.", "And now?", "Still."],
    )


def test_embeddings_and_names_that_only_begin_alike_are_none_of_it(tmp_path: Path) -> None:
    rows = [put(1, 0, "ai.embed.doEmbed", {"values": ["x"], "model.id": "e"}), put(2, 0, "ai.embed", {"value": "x"})]
    rows += [{**span(3, 0), "attributes": {"airport.code": "OLM", "session.id": "browser"}}]
    traces, log = read_rows(tmp_path, *rows, generate(4, 3, [ASKED], {"text": "Yes."}, trace="t2"))
    assert ([tell(trace) for trace in traces], log.losses) == (
        [[("user", "Is it dry in Olm?"), ("assistant", "Yes.")]],
        [],
    )
    told = {
        "gen_ai.input.messages": [{"role": "user", "content": "Hi"}],
        "airport.code": "OLM",
        "session.id": "browser",
    }
    assert read_one(tmp_path, {**span(1, 0), "attributes": told}).trace_id == "t1"


@pytest.mark.parametrize("value", [None, 5, "x", "[", "[5]", '{"a": 1}', [5], {"role": 3}], ids=repr)
@pytest.mark.parametrize("name", ["prompt.messages", "prompt.tools", "response.toolCalls", "response.text", "prompt"])
def test_no_value_can_take_the_rest_along(tmp_path: Path, name: str, value: Any) -> None:
    row = generate(1, 0, [ASKED], {"text": "Yes."})
    outer = put(2, 0, "ai.generateText", {"prompt": {"prompt": "Hi"}, "response.text": "Ho"}, trace="t2")
    for changed in (row, outer):
        changed["attributes"][f"ai.{name}"] = value
    good = generate(3, 0, [ASKED], {"text": "Yes."}, trace="t3")
    traces, _ = read_rows(tmp_path, row, outer, good)
    assert ("t3", [("user", "Is it dry in Olm?"), ("assistant", "Yes.")]) in [(t.trace_id, tell(t)) for t in traces]
