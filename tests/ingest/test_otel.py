"""OpenTelemetry spans: conversations, sub-agents, tool spans, older shapes, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.otel_entries import check_entries
from tracemill.ingest.otel.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import Trace

EXAMPLE = Path(__file__).parents[2] / "examples" / "otel" / "traces.jsonl"


def span(number: int, start: int, *, parent: int | None = None, trace: str = "t1", **fields: Any) -> dict[str, Any]:
    """A span with flat attributes; keyword ``a`` holds them without ``gen_ai.``."""
    attributes = {f"gen_ai.{name}": value for name, value in fields.pop("a", {}).items()}
    above = {} if parent is None else {"parentSpanId": f"s{parent}"}
    times = {
        "startTimeUnixNano": str((1767434400 + start) * 10**9),
        "endTimeUnixNano": str((1767434401 + start) * 10**9),
    }
    return {"traceId": trace, "spanId": f"s{number}", **above, "name": "n", **times, "attributes": attributes, **fields}


def chat(number: int, start: int, prompt: Any, output: Any, more: Any = None, **fields: Any) -> dict[str, Any]:
    told = {"operation.name": "chat", "input.messages": prompt, "output.messages": output, **(more or {})}
    return span(number, start, a=told, **fields)


def agent(number: int, start: int, name: str, **fields: Any) -> dict[str, Any]:
    more = fields.pop("more", {})
    return span(number, start, a={"operation.name": "invoke_agent", "agent.name": name, **more}, **fields)


def say(role: str, *parts: Any, **fields: Any) -> dict[str, Any]:
    told = [{"type": "text", "content": part} if isinstance(part, str) else part for part in parts]
    return {"role": role, "parts": told, **fields}


def call(call_id: str | None, name: str = "look") -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": {"q": 1}}


def reply(call_id: str | None, response: Any) -> dict[str, Any]:
    return say("tool", {"type": "tool_call_response", "id": call_id, "response": response})


def read(path: Path) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=path.name)
    return list(SOURCE.read_file(path, log, ReadOptions())), log


def read_rows(folder: Path, *rows: Any) -> tuple[list[Trace], LossLog]:
    path = folder / "traces.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    traces, log = read(path)
    head = SOURCE.read_head(path)
    assert not traces or head is not None
    assert not traces or head is None or head.root_session_id in {trace.root_session_id for trace in traces}
    check_entries(path, traces, log)
    return traces, log


def tell(trace: Trace) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in trace.messages if message.origin != "compaction"]


def test_the_example_is_a_conversation_with_a_sub_agent() -> None:
    (main, sub), log = read(EXAMPLE)
    assert (log.losses, log.notes) == ([], {})
    assert (main.trace_id, main.root_session_id, main.model) == ("conv-tour-1", "conv-tour-1", "tourer-large-2026-01")
    assert (main.is_sidechain, main.agent_id, main.success) == (False, None, None)
    assert [message.role for message in main.messages] == ["system", "user", "assistant", "tool", "tool", "assistant"]
    assert main.goal == "Plan a day tour from Orlen to Brask."
    turn = main.messages[2]
    assert turn.reasoning_content == "Route and weather can be asked at once."
    assert [(item.id, item.name) for item in turn.tool_calls] == [
        ("call_1", "get_route"),
        ("call_2", "ask_weather_agent"),
    ]
    assert json.loads(turn.tool_calls[0].arguments) == {"start": "Orlen", "end": "Brask"}
    assert (turn.stop_reason, turn.usage) == ("tool_call", {"input_tokens": 210, "output_tokens": 40})
    answers = [message for message in main.messages if message.role == "tool"]
    assert [(message.tool_call_id, message.text, message.is_error) for message in answers] == [
        ("call_1", '{"error": "timed out"}', True),
        ("call_2", "Dry, 18 degrees.", None),
    ]
    assert (main.input_tokens, main.output_tokens) == (510, 65)
    assert [tool["function"]["name"] for tool in main.tools] == ["get_route", "ask_weather_agent"]
    assert (main.source_meta["service_name"], main.source_meta["agent_name"]) == ("tour-service", "tour planner")
    assert main.started_at is not None
    assert main.started_at.startswith("2026-01-03T10:00:01")
    assert (sub.trace_id, sub.parent_trace_id) == ("conv-tour-1:0000000000000006", "conv-tour-1")
    assert (sub.agent_id, sub.is_sidechain, sub.root_session_id) == ("agent-w", True, "conv-tour-1")
    assert tell(sub) == [("user", "Brask tomorrow?"), ("assistant", "Dry, 18 degrees.")]
    head = SOURCE.read_head(EXAMPLE)
    assert head is not None
    assert head.root_session_id == "conv-tour-1"


def test_structured_text_and_nested_values_read_alike(tmp_path: Path) -> None:
    prompt, output = [say("user", "hi")], [say("assistant", "ho")]
    nested = span(1, 0)
    nested["attributes"] = {"gen_ai": {"operation": {"name": "chat"}, "input": {"messages": prompt}}}
    nested["attributes"]["gen_ai"]["output"] = {"messages": json.dumps(output)}
    kinds = [chat(1, 0, prompt, output), chat(1, 0, json.dumps(prompt), json.dumps(output)), nested]
    for row in kinds:
        (trace,), log = read_rows(tmp_path, row)
        assert (tell(trace), log.losses) == ([("user", "hi"), ("assistant", "ho")], [])


def test_a_console_exporters_span(tmp_path: Path) -> None:
    row = chat(1, 0, [say("user", "hi")], [say("assistant", "ho")])
    context = {"trace_id": "0xt1", "span_id": "0xs1"}
    shape = {"name": "chat", "context": context, "parent_id": None, "start_time": "2026-01-03T10:00:00.000000Z"}
    (trace,), _ = read_rows(tmp_path, {**shape, "attributes": row["attributes"], "status": {"status_code": "UNSET"}})
    assert (trace.trace_id, trace.started_at) == ("t1", "2026-01-03T10:00:00.000000Z")


def test_turns_of_a_conversation_in_several_traces(tmp_path: Path) -> None:
    one, two, three = say("user", "one"), say("assistant", "two"), say("user", "three")
    more = {"conversation.id": "c9"}
    rows = [
        chat(2, 9, [one, two, three], [say("assistant", "four")], more, trace="t2"),
        chat(1, 0, [one], [two], more, trace="t1"),
    ]
    (trace,), _ = read_rows(tmp_path, *rows)
    assert trace.trace_id == "c9"
    assert [text for _, text in tell(trace)] == ["one", "two", "three", "four"]
    assert trace.source_meta["trace_ids"] == ["t1", "t2"]
    assert not any(message.origin == "compaction" for message in trace.messages)


def test_a_provider_that_keeps_the_history_is_told_only_what_is_new(tmp_path: Path) -> None:
    more = {"conversation.id": "c9", "system_instructions": "Be brief."}
    rows = [
        chat(1, 0, [say("user", "one")], [say("assistant", call("k1"))], more),
        chat(2, 2, [reply("k1", "found")], [say("assistant", "two")], more),
        chat(3, 9, [say("user", "three")], [say("assistant", "four")], more, trace="t2"),
    ]
    (trace,), log = read_rows(tmp_path, *rows)
    assert [text for _, text in tell(trace)] == ["Be brief.", "one", "", "found", "two", "three", "four"]
    assert [len(seen) for _, seen in trace.contexts()] == [2, 4, 6]
    assert log.losses == []


def test_requests_without_a_shared_history_are_threads(tmp_path: Path) -> None:
    one, two = say("user", "one"), say("assistant", "two")
    rows = [
        chat(1, 0, [one], [two]),
        chat(2, 2, [say("system", "Give a title."), say("user", "one: two")], [say("assistant", "Title")]),
        chat(3, 4, [one, two, say("user", "three")], [say("assistant", "four")]),
    ]
    (main, side), _ = read_rows(tmp_path, *rows)
    assert [text for _, text in tell(main)] == ["one", "two", "three", "four"]
    assert (side.trace_id, side.parent_trace_id, side.root_session_id) == ("t1:s2", "t1", "t1")
    assert side.is_sidechain


def test_agents_of_another_name_are_side_chains_and_wrappers_are_not(tmp_path: Path) -> None:
    rows = [
        agent(1, 0, "workflow"),
        agent(2, 1, "first", parent=1),
        chat(3, 2, [say("user", "one")], [say("assistant", "two")], parent=2),
        agent(4, 5, "second", parent=1),
        chat(5, 6, [say("user", "five")], [say("assistant", "six")], parent=4),
    ]
    (main, other), _ = read_rows(tmp_path, *rows)
    assert (main.trace_id, main.is_sidechain) == ("t1", False)
    assert (other.trace_id, other.agent_id, other.parent_trace_id) == ("t1:second", "second", "t1")


def test_an_agent_that_tells_its_messages_itself(tmp_path: Path) -> None:
    told = {"input.messages": [say("user", "one")], "output.messages": [say("assistant", "two")]}
    (trace,), _ = read_rows(tmp_path, agent(1, 0, "only", more=told), span(2, 1, parent=1))
    assert tell(trace) == [("user", "one"), ("assistant", "two")]


def test_tool_spans_give_results_that_no_prompt_shows(tmp_path: Path) -> None:
    tool = {"operation.name": "execute_tool", "tool.name": "look", "tool.call.result": {"found": 3}}
    rows = [
        chat(1, 0, [say("user", "one")], [say("assistant", call(None))]),
        span(2, 2, a=tool, status={"code": "STATUS_CODE_OK"}),
        span(3, 3, a={**tool, "tool.call.id": "stray"}),
    ]
    (trace,), log = read_rows(tmp_path, *rows)
    answer = trace.messages[-1]
    assert (answer.tool_call_id, answer.text, answer.is_error) == (
        trace.messages[1].tool_calls[0].id,
        '{"found": 3}',
        False,
    )
    assert log.count_losses() == {"unpaired_result": 1}


def test_a_rewritten_history_shows_what_was_seen(tmp_path: Path) -> None:
    rows = [
        chat(1, 0, [say("user", "one")], [say("assistant", "two")]),
        chat(2, 2, [say("user", "one"), say("assistant", "two"), say("user", "three")], [say("assistant", "four")]),
        chat(3, 4, [say("user", "one"), say("user", "summary")], [say("assistant", "five")]),
    ]
    (trace,), _ = read_rows(tmp_path, *rows)
    assert [[message.text for message in seen] for _, seen in trace.contexts()] == [
        ["one"],
        ["one", "two", "three"],
        ["one", "summary"],
    ]


LOOK = {"id": "k1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("gen_ai.system.message", {"content": "Be brief."}),
    ("gen_ai.user.message", {"content": "one"}),
    ("gen_ai.assistant.message", {"tool_calls": [LOOK]}),
    ("gen_ai.tool.message", {"id": "k1", "content": "found"}),
    ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "two"}}),
]
TOLD = [("system", "Be brief."), ("user", "one"), ("assistant", ""), ("tool", "found"), ("assistant", "two")]


def flatten_body(body: dict[str, Any], shape: str) -> dict[str, Any]:
    """Attributes of a span's event hold text: the whole body in one, or each field in its own."""
    if shape == "content":
        return {"gen_ai.event.content": json.dumps(body)}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in body.items()}


def make_event_rows(shape: str) -> list[Any]:
    row = span(1, 0, a={"operation.name": "chat", "response.model": "m1"})
    if shape == "records":
        keys = {"traceId": "t1", "spanId": "s1"}
        tag = {"stringValue": ""}
        records = [
            {**keys, "timeUnixNano": str(10**18 + n), "eventName": name, "body": {"stringValue": json.dumps(body)}}
            for n, (name, body) in enumerate(EVENTS)
        ]
        other = {"timeUnixNano": "5", "body": tag}
        return [row, {"resourceLogs": [{"scopeLogs": [{"logRecords": [*records, other]}]}]}]
    row["events"] = [{"name": name, "attributes": flatten_body(body, shape)} for name, body in EVENTS]
    return [row]


@pytest.mark.parametrize("shape", ["records", "content", "flat"])
def test_events_a_message(tmp_path: Path, shape: str) -> None:
    (trace,), log = read_rows(tmp_path, *make_event_rows(shape))
    assert (tell(trace), log.losses, log.notes) == (TOLD, [], {})
    assert (trace.model, trace.tool_call_count) == ("m1", 1)


def test_indexed_attributes(tmp_path: Path) -> None:
    told = {
        "prompt.0.role": "user",
        "prompt.0.content": "one",
        "prompt.1.role": "assistant",
        "prompt.1.tool_calls.0.id": "k1",
        "prompt.1.tool_calls.0.name": "look",
        "prompt.1.tool_calls.0.arguments": "{}",
        "prompt.2.role": "tool",
        "prompt.2.tool_call_id": "k1",
        "prompt.2.content": "found",
        "completion.0.content": "two",
        "completion.0.finish_reason": "stop",
    }
    (trace,), log = read_rows(tmp_path, span(1, 0, a=told))
    assert (tell(trace), log.losses, log.notes) == (TOLD[1:], [], {})
    assert trace.messages[-1].stop_reason == "stop"


def test_parts_that_are_no_text(tmp_path: Path) -> None:
    image = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}
    link = {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}
    sound = {"type": "blob", "modality": "audio", "content": "AAAA"}
    (trace,), log = read_rows(
        tmp_path, chat(1, 0, [say("user", "see", image, link, sound, 5)], [say("assistant", "ok")])
    )
    assert trace.messages[0].content == (
        {"type": "text", "text": "see"},
        {"type": "image", "media_type": "image/png", "size_bytes": 3},
        {"type": "image", "media_type": "unknown", "size_bytes": 0, "url": "https://example.org/a.png"},
    )
    assert log.count_losses() == {"malformed_record": 1, "unknown_content_block": 1}


def test_of_several_choices_the_first_goes_on(tmp_path: Path) -> None:
    output = [say("assistant", "a"), say("assistant", "b")]
    (trace,), log = read_rows(tmp_path, chat(1, 0, [say("user", "one")], output, {"request.choice.count": "2"}))
    assert (trace.final_assistant_message, log.count_losses()) == ("a", {"abandoned_branch": 1})
    (trace,), log = read_rows(tmp_path, chat(1, 0, [say("user", "one")], output))
    assert (trace.final_assistant_message, log.losses) == ("b", [])
