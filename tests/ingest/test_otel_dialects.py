"""Spans of Langfuse, OpenLLMetry, Pydantic AI and Strands; faults in any dialect."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.otel_entries import check_entries
from tests.ingest.test_otel import chat, read, read_rows, span, tell
from tests.ingest.test_otel import say as say_parts
from tests.ingest.test_otel_faults import JSON_VALUES
from tests.ingest.test_otel_openinference import llm, put, read_one, say
from tracemill.ingest.otel.reader import SOURCE
from tracemill.trace import ToolCall

EXAMPLES = Path(__file__).parents[2] / "examples" / "otel"
CALL = {"id": "k1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def observe(number: int, start: int, kind: str, asked: Any, answered: Any, **more: Any) -> dict[str, Any]:
    """A span as Langfuse's SDK writes it; values that are no text become JSON."""
    values = {"type": kind, "input": asked, "output": answered, **more.pop("more", {})}
    told = {
        f"langfuse.observation.{key.replace('__', '.')}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }
    return {**span(number, start, **more), "attributes": told}


def test_the_example_of_langfuse() -> None:
    (trace,), log = read(EXAMPLES / "langfuse.jsonl")
    assert (log.losses, log.notes) == ([], {})
    assert [(m.role, m.text, m.tool_call_id) for m in trace.messages] == [
        ("system", "You answer at a station kiosk.", None),
        ("user", "When does the next train to Olm leave?", None),
        ("assistant", "", None),
        ("tool", "17:42, platform 3", "call_t1"),
        ("assistant", "At 17:42 from platform 3.", None),
    ]
    assert trace.messages[2].tool_calls == (ToolCall("call_t1", "next_train", '{"to": "Olm"}'),)
    assert (trace.trace_id, trace.model, trace.input_tokens, trace.output_tokens) == ("kiosk-7", "kiosk-small", 102, 20)
    assert [tool["function"]["name"] for tool in trace.tools] == ["next_train"]
    assert trace.source_meta["agent_name"] == "kiosk"


def test_the_example_of_openllmetry() -> None:
    (trace,), log = read(EXAMPLES / "openllmetry.jsonl")
    assert (log.losses, log.notes) == ([], {})
    assert tell(trace) == [
        ("user", "Where is parcel B7?"),
        ("assistant", ""),
        ("tool", '{"place": "Lund"}'),
        ("assistant", "It is in Lund."),
    ]
    assert trace.messages[1].tool_calls == (ToolCall("call_p1", "find_parcel", '{"number": "B7"}'),)
    assert [m.stop_reason for m in trace.messages if m.role == "assistant"] == ["tool_calls", "stop"]
    assert (trace.model, trace.input_tokens, trace.source_meta["agent_name"]) == ("clerk-1-2026", 89, "clerk")
    assert trace.tools[0]["function"]["parameters"]["properties"] == {"number": {"type": "string"}}


ANSWER = [("user", "Hi"), ("assistant", "Ho")]


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        ("Hi", "Ho", ANSWER),
        ([say("user", "Hi")], say("assistant", "Ho"), ANSWER),
        ({"messages": [say("user", "Hi")]}, {"content": "Ho", "role": None}, ANSWER),
        ({"input": "Hi", "instructions": "Be brief."}, "Ho", [("system", "Be brief."), *ANSWER]),
        ({"input": [say("user", "Hi")], "tools": []}, [say("assistant", "Ho")], ANSWER),
        (say("user", "Hi"), "Ho", ANSWER),
        ("7", "8", [("user", "7"), ("assistant", "8")]),
        ("Hi", None, ANSWER[:1]),
    ],
    ids=["text", "messages", "kwargs", "responses", "input_list", "message", "numbers", "failed"],
)
def test_what_a_generation_of_langfuse_holds(tmp_path: Path, asked: Any, answered: Any, expected: list[Any]) -> None:
    assert tell(read_one(tmp_path, observe(1, 0, "generation", asked, answered))) == expected


def test_what_langfuse_holds_that_is_no_message(tmp_path: Path) -> None:
    rows = [observe(1, 0, "generation", "Hi", "Ho"), observe(2, 2, "generation", {"q": 1}, {"score": 3}, trace="t2")]
    traces, log = read_rows(tmp_path, *rows)
    assert [tell(trace) for trace in traces] == [ANSWER]
    assert log.count_losses() == {"malformed_record": 2, "no_messages": 1}


def test_only_generations_are_read(tmp_path: Path) -> None:
    kinds = ("span", "event", "chain", "retriever", "guardrail", "evaluator", "embedding")
    others = [observe(n, n, kind, "Hi", "Ho") for n, kind in enumerate(kinds, 2)]
    assert read_rows(tmp_path, *others)[0] == []
    old = observe(1, 0, "span", "Hi", "Ho", more={"model__name": "m1"})
    trace = read_one(tmp_path, old, *others)
    assert (tell(trace), trace.model) == (ANSWER, "m1")
    agent = observe(1, 0, "agent", "Hi", "Ho")
    assert tell(read_one(tmp_path, agent)) == ANSWER
    assert tell(read_one(tmp_path, observe(1, 0, "agent", {"args": ["Hi"]}, "Ho"))) == ANSWER[1:]


@pytest.mark.parametrize(
    ("more", "is_read"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.request.model": "m1"}, True),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m1"}, False),
        ({"langfuse.observation.type": "chain", "gen_ai.request.model": "m1"}, False),
        ({}, False),
    ],
    ids=["operation", "model", "embeddings", "chain", "nothing"],
)
def test_a_span_of_ones_own_with_what_langfuse_shows(tmp_path: Path, more: dict[str, str], is_read: bool) -> None:
    told = {"langfuse.observation.input": "Hi", "langfuse.observation.output": "Ho", **more}
    traces, _ = read_rows(tmp_path, {**span(1, 0), "attributes": told})
    assert [tell(trace) for trace in traces] == ([ANSWER] if is_read else [])


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"input": 10, "output": 3, "total": 13}, (10, 3)),
        ({"input": 10, "input_cached_tokens": 90, "output": 3, "output_reasoning_tokens": 4, "total": 107}, (100, 7)),
        ({"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}, (10, 3)),
        ({"input_tokens": 10, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 2}}, (10, 3)),
        ({"total": 13}, (None, None)),
    ],
    ids=["plain", "types", "chat", "responses", "total"],
)
def test_usage_of_langfuse(tmp_path: Path, details: Any, expected: tuple[Any, Any]) -> None:
    trace = read_one(tmp_path, observe(1, 0, "generation", "Hi", "Ho", more={"usage_details": details}))
    assert (trace.input_tokens, trace.output_tokens) == expected


def test_a_failed_tool_of_langfuse(tmp_path: Path) -> None:
    rows = [
        observe(1, 0, "generation", "Hi", {"tool_calls": [CALL]}),
        observe(2, 2, "tool", {}, "no", name="look", more={"level": "ERROR"}),
    ]
    trace = read_one(tmp_path, *rows)
    assert [(m.tool_call_id, m.text, m.is_error) for m in trace.messages[2:]] == [("k1", "no", True)]


@pytest.mark.parametrize("is_snake", [True, False], ids=["export", "api"])
def test_exported_observations_of_langfuse(tmp_path: Path, is_snake: bool) -> None:
    def make(number: int, kind: str, second: int, asked: Any, answered: Any, **more: Any) -> dict[str, Any]:
        ids = {"id": f"o{number}", "traceId": "t1", "parentObservationId": "o9", "sessionId": "s1", **more}
        times = {"startTime": f"2026-01-03 10:00:0{second}.000000", "endTime": f"2026-01-03 10:00:0{second}.500000"}
        row = {**ids, **times, "type": kind, "name": "look", "input": asked, "output": answered, "level": "DEFAULT"}
        if not is_snake:
            return row
        named = {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): value for key, value in row.items()}
        return {**named, "input": json.dumps(asked) if not isinstance(asked, str) else asked}

    usage = {"input": 5, "output": 2}
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    told = [say("user", "Hi"), turn, say("tool", "found", tool_call_id="k1")]
    rows = [
        make(1, "GENERATION", 1, told[:1], turn, providedModelName="m1", usageDetails=usage),
        make(2, "TOOL", 2, {"q": 1}, "found"),
        make(3, "GENERATION", 3, told, {"role": "assistant", "content": "Ho"}),
        make(9, "AGENT", 0, "Hi", "Ho", parentObservationId=None),
    ]
    trace = read_one(tmp_path, *rows)
    assert [text for _, text in tell(trace)] == ["Hi", "", "found", "Ho"]
    assert (trace.trace_id, trace.model, trace.input_tokens) == ("s1", "m1", 5)
    assert trace.started_at is not None
    assert trace.started_at.startswith("2026-01-03")
    assert trace.source_meta["trace_ids"] == ["t1"]


def test_a_row_with_an_id_and_a_type_is_no_observation(tmp_path: Path) -> None:
    row = {"id": "1", "trace_id": "2", "type": "user", "start_time": "2026-01-03", "messages": [say("user", "Hi")]}
    assert (
        read_rows(
            tmp_path, row, {**row, "type": "span"}, {**row, "type": "GENERATIONS"}, {**row, "type": "SPAN", "id": None}
        )[0]
        == []
    )


def test_a_result_of_langchain_and_an_agent_of_openllmetry(tmp_path: Path) -> None:
    def loop(number: int, start: int, told: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {**span(number, start, **fields), "attributes": told}

    asked = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi", "llm.request.type": "chat"}
    calls = {"gen_ai.completion.0.tool_calls": json.dumps([CALL]), "llm.response.finish_reason": "tool_calls"}
    output = {"traceloop.entity.output": json.dumps({"output": "found", "kwargs": {}})}
    tool = {"traceloop.span.kind": "tool", "traceloop.entity.name": "look", **output}
    embedding = {"llm.request.type": "embedding", "gen_ai.prompt.0.content": "x"}
    rows = [loop(1, 0, {**asked, **calls}), loop(2, 2, tool), loop(3, 4, embedding)]
    trace = read_one(tmp_path, *rows)
    assert [text for _, text in tell(trace)] == ["Hi", "", "found"]
    assert (trace.messages[1].stop_reason, trace.messages[2].tool_call_id) == ("tool_calls", "k1")


def test_prompts_with_an_index_may_be_nested(tmp_path: Path) -> None:
    prompt = {"0": {"role": "user", "content": "Hi"}, "10": {"role": "user", "content": "more"}, "2": "plain"}
    told = {"gen_ai": {"prompt": prompt, "completion": {"0": {"content": "Ho"}}}}
    trace = read_one(tmp_path, {**span(1, 0), "attributes": told})
    assert tell(trace) == [("user", "Hi"), ("user", "plain"), ("user", "more"), ("assistant", "Ho")]


def test_pydantic_ai_before_it_followed_the_conventions(tmp_path: Path) -> None:
    events = [
        {"event.name": "gen_ai.system.message", "role": "system", "content": "Be brief."},
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Hi"},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "tool_calls": [CALL]}},
    ]
    asked = {"gen_ai.operation.name": "chat", "events": json.dumps(events), "gen_ai.response.finish_reasons": "tool"}
    tool = {"gen_ai.tool.name": "look", "gen_ai.tool.call.id": "k1", "tool_arguments": "{}", "tool_response": "found"}
    rows = [{**span(1, 0), "attributes": asked}, {**span(2, 2), "attributes": tool}]
    trace = read_one(tmp_path, *rows)
    assert [text for _, text in tell(trace)] == ["Be brief.", "Hi", "", "found"]
    assert (trace.messages[2].stop_reason, trace.messages[3].tool_call_id) == ("tool", "k1")


def test_a_request_that_names_a_tool_is_a_request(tmp_path: Path) -> None:
    told = {"tool.name": "look", "input.messages": [say("user", "Hi")], "output.messages": [say("assistant", "Ho")]}
    assert tell(read_one(tmp_path, span(1, 0, a=told))) == ANSWER


def test_blocks_of_bedrock_in_events(tmp_path: Path) -> None:
    def tell_event(name: str, blocks: Any, key: str = "content") -> dict[str, Any]:
        return {"name": name, "attributes": {key: json.dumps(blocks)}}

    used = {"toolUse": {"toolUseId": "k1", "name": "look", "input": {"q": 1}}}
    given = {"toolResult": {"toolUseId": "k1", "status": "error", "content": [{"text": "no"}]}}
    first = tell_event("gen_ai.user.message", [{"text": "Hi"}])
    row = {
        **span(1, 0, a={"operation.name": "chat"}),
        "events": [first, tell_event("gen_ai.choice", [used], "message")],
    }
    again = [first, tell_event("gen_ai.assistant.message", [used]), tell_event("gen_ai.tool.message", [given])]
    last = tell_event("gen_ai.choice", [{"text": "Ho"}], "message")
    rows = [row, {**span(2, 2, a={"operation.name": "chat"}), "events": [*again, last]}]
    trace = read_one(tmp_path, *rows)
    assert [text for _, text in tell(trace)] == ["Hi", "", "no", "Ho"]
    assert trace.messages[1].tool_calls == (ToolCall("k1", "look", '{"q": 1}'),)
    assert (trace.messages[2].tool_call_id, trace.messages[2].is_error) == ("k1", True)


GOOD = chat(9, 9, [say_parts("user", "alone")], [say_parts("assistant", "too")], trace="t9")
ROWS = [
    put("AGENT", 1, 0, {"agent.name": "a", "input.value": "Hi", "session.id": "s"}),
    llm(2, 1, [say("user", "Hi")], [say("assistant", calls=[("k1", "look", "{}")])], parent=1),
    put("TOOL", 3, 2, {"tool.name": "look", "tool.id": "k1", "output.value": "found"}, parent=1),
    llm(4, 3, [say("user", "Hi")], [say("assistant", "Ho")], more={"llm.tools.0.tool.json_schema": "{}"}),
    observe(5, 4, "generation", [say("user", "Hi")], say("assistant", "Ho"), more={"usage_details": {"input": 1}}),
    {**span(6, 5), "attributes": {"traceloop.span.kind": "tool", "traceloop.entity.output": "{}"}},
    {**span(7, 6), "attributes": {"events": "[]", "gen_ai.tool.name": "x", "llm.request.functions.0.name": "f"}},
    {"id": "o", "traceId": "t2", "type": "GENERATION", "startTime": "2026-01-03", "input": "Hi", "output": {}},
    observe(
        8, 7, "generation", [{"type": "function_call_output", "output": 1}], {"type": "function_call", "name": "f"}
    ),
    {
        **span(10, 8),
        "name": "ai.generateText.doGenerate",
        "attributes": {
            "ai.prompt.messages": [
                {"role": "tool", "content": [{"type": "tool-result", "output": {"type": "content"}}]}
            ],
            "ai.prompt.tools": ["{}"],
            "ai.response.toolCalls": [{"toolCallId": "k1", "toolName": "f", "input": "{}"}],
        },
    },
]


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES, st.integers(0, len(ROWS) - 1), st.data())
def test_no_value_of_a_dialect_can_take_a_neighbour_along(value: Any, place: int, data: st.DataObject) -> None:
    changed = json.loads(json.dumps(ROWS))
    holder = changed[place].get("attributes", changed[place])
    name = data.draw(st.sampled_from(sorted(holder)))
    holder[data.draw(st.sampled_from([name, f"{name}.0", name.rpartition(".")[0] or name]))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in [*changed, GOOD]), encoding="utf-8")
        traces, log = read(path)
        SOURCE.read_head(path)
        check_entries(path, traces, log)
    assert [("user", "alone"), ("assistant", "too")] in [tell(trace) for trace in traces]
