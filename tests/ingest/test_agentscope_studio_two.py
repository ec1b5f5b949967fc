"""AgentScope Studio with spans of AgentScope 2: its own messages as prompts, states of tools, replies that waited.

The spans have the attributes that AgentScope 2.0.11 gives them, shortened.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests import agentscope_database as db
from tests.agentscope_database import Json
from tracemill.ingest.source import LossLog
from tracemill.trace import Message, ToolCall, Trace

ZERO = 1_791_183_600_000_000_000  # 2026-10-05T07:00:00Z
PICTURE = {"type": "base64", "data": "QUJD", "media_type": "image/png"}


def text(words: str) -> Json:
    return {"type": "text", "content": words}


def call(call_id: str) -> Json:
    return {"type": "tool_call", "id": call_id, "name": "add", "arguments": {"a": 1}}


def block(words: str) -> Json:
    return {"type": "text", "text": words, "id": "b1", "created_at": "2026-10-05T09:00:00", "finished_at": None}


def response(call_id: str, *blocks: Json) -> Json:
    return {"type": "tool_call_response", "id": call_id, "response": json.dumps(blocks)}


def said(role: str, *parts: Json) -> Json:
    return {"role": role, "parts": list(parts), "name": role, "finish_reason": "stop"}


OPENING = [said("system", text("You add.")), said("user", text("What is 1+2?"))]
THOUGHT = {"type": "reasoning", "content": "Use it."}


def make_span(span_id: str, second: float, operation: str, parent: str = "a1", trace: str = "t1", **told: Any) -> Json:
    """A row of ``span_table``; attributes that are lists are JSON text, as AgentScope writes them."""
    attributes = {"gen_ai.operation.name": operation, "gen_ai.conversation.id": "run-1"}
    attributes |= {name.replace("__", "."): value for name, value in told.items()}
    return {
        **{"id": span_id, "traceId": trace, "spanId": span_id, "parentSpanId": parent, "name": f"{operation} x"},
        **{
            "startTimeUnixNano": str(ZERO + round(second * 1e9)),
            "endTimeUnixNano": str(ZERO + round(second * 1e9) + 1),
        },
        **{"status": '{"code": 1}', "statusCode": 1, "operationName": operation, "instrumentationVersion": "2.0.11"},
        **{"conversationId": attributes["gen_ai.conversation.id"], "attributes": json.dumps(attributes)},
    }


def make_agent(span_id: str, second: float, reply_id: str, **told: Any) -> Json:
    told = {"gen_ai__agent__name": "Robin", "agentscope__agent__reply_id": reply_id, **told}
    return make_span(span_id, second, "invoke_agent", "", **told)


def make_model(span_id: str, second: float, prompt: list[Json], *parts: Json, **told: Any) -> Json:
    answer = [{"role": "assistant", "parts": list(parts), "finish_reason": told.pop("finish_reason", "stop")}]
    told = {
        "gen_ai__request__model": "m-1",
        "gen_ai__usage__input_tokens": 10,
        "gen_ai__usage__output_tokens": 5,
        **told,
    }
    messages = {"gen_ai__input__messages": json.dumps(prompt), "gen_ai__output__messages": json.dumps(answer)}
    return make_span(span_id, second, "chat", **{**told, **messages})


def make_tool(span_id: str, second: float, call_id: str, state: str, *blocks: Json, **told: Any) -> Json:
    result = {"content": list(blocks), "state": state, "metadata": {}, "id": call_id}
    told = {"gen_ai__tool__call__id": call_id, "gen_ai__tool__call__result": json.dumps(result), **told}
    return make_span(span_id, second, "execute_tool", **told)


def read_rows(folder: Path, *rows: Json, by: str = "reply") -> tuple[list[Trace], LossLog]:
    path = db.write_database(folder / "database.sqlite", [], "new")
    with closing(sqlite3.connect(path)) as database, database:
        for row in rows:
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            database.execute(f"INSERT INTO span_table ({names}) VALUES ({marks})", tuple(row.values()))
    return db.read(path, by)


def show(trace: Trace) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in trace.messages]


REPLY = said("assistant", THOUGHT, text("I count."), call("c1"), call("c2"), response("c1", block("3")))
REPLY["parts"] += [response("c2", block("boom")), call("c3"), response("c3", block("4"))]


def make_reply() -> list[Json]:
    first = said("assistant", *REPLY["parts"][:6])
    return [
        make_agent("a1", 0, "r1", gen_ai__input__messages=json.dumps(OPENING[1:])),
        make_model("m1", 1, OPENING, *REPLY["parts"][:4]),
        make_tool("x1", 2, "c1", "success", block("3")),
        make_tool("x2", 2.5, "c2", "error", block("boom")),
        make_model("m2", 3, [*OPENING, first], call("c3")),
        make_tool("x3", 4, "c3", "denied", block("4")),
        make_model("m3", 5, [*OPENING, REPLY], text("It is 3.")),
    ]


def test_a_reply_that_is_one_message_in_its_prompts(tmp_path: Path) -> None:
    (trace,), log = read_rows(tmp_path, *make_reply())
    calls = tuple(ToolCall(name, "add", '{"a": 1}') for name in ("c1", "c2", "c3"))
    bare = [replace(message, timestamp=None, usage=None, model=None) for message in trace.messages]
    assert bare == [
        Message("system", "You add.", "injected"),
        Message("user", "What is 1+2?", "human"),
        Message("assistant", "I count.", "model", "Use it.", calls[:2]),
        Message("tool", "3", "tool", tool_call_id="c1", is_error=False),
        Message("tool", "boom", "tool", tool_call_id="c2", is_error=True),
        Message("assistant", tool_calls=calls[2:]),
        Message("tool", "4", "tool", tool_call_id="c3", is_error=True),
        Message("assistant", "It is 3."),
    ]
    times = [(message.timestamp or "")[:19] for message in trace.messages[2:]]
    assert times == [f"2026-10-05T07:00:0{second}" for second in (1, 2, 2, 3, 4, 5)]
    turns = [message for message in trace.messages if message.role == "assistant"]
    assert [turn.usage for turn in turns] == [{"input_tokens": 10, "output_tokens": 5}] * 3
    assert (trace.model, trace.input_tokens, log.losses, log.notes) == ("m-1", 30, [], {})


@pytest.mark.parametrize("by", ["reply", "run"])
def test_the_next_reply_does_not_repeat_the_message(tmp_path: Path, by: str) -> None:
    whole = said("assistant", *REPLY["parts"], text("It is 3."))
    again = said("user", text("Again?"))
    second = [
        make_agent("a2", 10, "r2", gen_ai__input__messages=json.dumps([again])),
        make_model("m4", 11, [*OPENING, whole, again], text("Again."), trace="t2"),
    ]
    second[1]["parentSpanId"], second[0]["traceId"] = "a2", "t2"
    traces, log = read_rows(tmp_path, *make_reply(), *second, by=by)
    last = show(traces[-1])
    assert last[-2:] == [("user", "Again?"), ("assistant", "Again.")]
    assert (len(traces), len(last)) == ((2, 3) if by == "reply" else (1, 10))
    assert (log.losses, log.notes) == ([], {})


def test_a_reply_that_waited_for_a_person_is_one_reply(tmp_path: Path) -> None:
    rows = make_reply()
    waited = {"agentscope__agent__incoming_event_type": "user_confirm_result"}
    later = [make_agent("a2", 1.5, "r1", **waited), make_agent("a3", 4.5, "r1", **waited)]
    for span, parent in ((rows[2], "a2"), (rows[3], "a2"), (rows[4], "a2"), (rows[5], "a2"), (rows[6], "a3")):
        span["parentSpanId"], span["traceId"] = parent, parent
    alone = show(read_rows(tmp_path / "a", *make_reply())[0][0])
    (trace,), log = read_rows(tmp_path / "b", *rows, *later)
    assert (show(trace), trace.trace_id, log.losses, log.notes) == (alone, "t1", [], {})
    assert (trace.started_at or "")[:19] == "2026-10-05T07:00:00"
    assert (trace.ended_at or "")[:19] == "2026-10-05T07:00:04"
    for row in later:  # the id of a reply that failed before it began is that of the one before it
        row["attributes"] = row["attributes"].replace("incoming_event_type", "x")
    assert len(read_rows(tmp_path / "c", *rows, *later)[0]) == 3


def test_results_that_no_prompt_holds_come_from_the_tools(tmp_path: Path) -> None:
    rows = make_reply()[:4]
    (trace,), log = read_rows(tmp_path, *rows)
    assert [(m.text, m.is_error) for m in trace.messages if m.role == "tool"] == [("3", False), ("boom", True)]
    assert (log.losses, log.notes) == ([], {})


@pytest.mark.parametrize(
    ("told", "content"),
    [
        (
            [{"type": "data", "id": "b", "source": PICTURE}],
            ({"type": "image", "media_type": "image/png", "size_bytes": 3},),
        ),
        ([{"type": "text", "text": "no id"}], '[{"type": "text", "text": "no id"}]'),
        ([{"row": 1}], '[{"row": 1}]'),
    ],
    ids=["picture", "text_of_a_tool", "table"],
)
def test_blocks_and_text_that_looks_like_them(tmp_path: Path, told: list[Json], content: Any) -> None:
    reply = said("assistant", call("c1"), response("c1", *told))
    rows = [make_agent("a1", 0, "r1"), make_model("m1", 1, OPENING, call("c1"))]
    (trace,), log = read_rows(tmp_path, *rows, make_model("m2", 2, [*OPENING, reply], text("Ok.")))
    assert [message.content for message in trace.messages if message.role == "tool"] == [content]
    assert log.losses == []


def test_an_answer_that_was_interrupted_says_so(tmp_path: Path) -> None:
    rows = [make_agent("a1", 0, "r1"), make_model("m1", 1, OPENING, text("It"), finish_reason="interrupted")]
    (trace,), _ = read_rows(tmp_path, *rows)
    assert trace.messages[-1].stop_reason == "interrupted"
    (trace,), _ = read_rows(tmp_path, *make_reply())
    assert {message.stop_reason for message in trace.messages} == {None}


@pytest.mark.parametrize(("provider", "count"), [("anthropic", 17), ("openai", 10)])
def test_what_anthropic_keeps_in_a_cache_is_prompt(tmp_path: Path, provider: str, count: int) -> None:
    told = {"gen_ai__provider__name": provider, "agentscope__usage__cache_input_tokens": 4}
    told |= {"agentscope__usage__cache_creation_input_tokens": 3}
    (trace,), _ = read_rows(tmp_path, make_agent("a1", 0, "r1"), make_model("m1", 1, OPENING, text("3"), **told))
    assert trace.input_tokens == count


def test_replies_without_a_session_are_runs_of_their_own(tmp_path: Path) -> None:
    rows: list[Json] = []
    for number in ("1", "2"):
        rows += [
            make_agent(f"a{number}", 0, number),
            make_model(f"m{number}", 1, OPENING, text("3"), parent=f"a{number}"),
        ]
    for row in rows:
        row["conversationId"], row["traceId"] = "[no_session_id]", f"t{row['id'][1]}"
    traces, _ = read_rows(tmp_path, *rows, by="run")
    assert [trace.root_session_id for trace in traces] == ["t1", "t2"]


def test_a_table_from_between_the_generations(tmp_path: Path) -> None:
    traces, _ = read_rows(tmp_path, *make_reply())
    with closing(sqlite3.connect(tmp_path / "database.sqlite")) as database, database:
        database.execute("ALTER TABLE span_table RENAME COLUMN conversationId TO runId")
    renamed, log = db.read(tmp_path / "database.sqlite")
    assert (renamed, log.losses) == (traces, [])
