"""Step logs whose requests are logged before the newest results and notes are put into the prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.ingest.step_log.prompts import complete_prompt
from tracemill.ingest.step_log.reader import SOURCE
from tracemill.trace import Trace

SYSTEM = {"role": "system", "content": "You repair."}
TASK = {"role": "user", "content": "GOAL:\nFix it."}
NOTE = {"role": "system", "content": "DRIVER NOTE:\n- slower"}
Json = dict[str, Any]


def row(kind: str, **payload: Any) -> Json:
    return {"ts": 1767225600.0, "kind": kind, "payload": payload, "run_id": "r1", "meta": {"model": "m"}}


def ask(step: int, *messages: Json) -> Json:
    return row("llm_request", t=step, messages=list(messages))


def act(step: int, action: Json, raw: Json | None = None) -> Json:
    return row("llm_action", t=step, raw=raw or action, action=action)


def call(name: str, **fields: Any) -> Json:
    return {"type": "tool_call", "name": name, "args": {"rel_path": f"{name}.py"}, **fields}


def give(step: int, output: str, *, ok: bool = True) -> Json:
    return row("tool_result", t=step, tool="read_file", args={}, obs={"ok": ok, "output": output, "meta": {}})


def said(action: Json) -> Json:
    return {"role": "assistant", "content": json.dumps(action)}


def shown(text: str) -> Json:
    return {"role": "user", "content": f"[tool_result]\n{text}"}


def native(call_id: str, name: str, arguments: Json) -> Json:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def answer(call_id: str, text: str) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def read(folder: Path, *rows: Json) -> tuple[Trace, LossLog]:
    path = folder / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    log = LossLog(path=path.name)
    (trace,) = SOURCE.read_file(path, log, ReadOptions())
    return trace, log


def tell(trace: Trace) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in trace.messages]


def test_a_result_that_only_the_next_request_shows_answers_its_own_call(tmp_path: Path) -> None:
    one, two, last = call("one"), call("two"), {"type": "final", "summary": "Done.", "changes": []}
    start = (SYSTEM, TASK, said(one))
    trace, log = read(
        tmp_path,
        ask(0, SYSTEM, TASK),
        act(0, one),
        give(0, "first", ok=False),
        ask(1, *start),
        act(1, two),
        give(1, "second"),
        ask(2, *start, shown("first"), said(two)),
        act(2, last),
    )
    assert tell(trace) == [
        ("system", "You repair."),
        ("user", "GOAL:\nFix it."),
        ("assistant", ""),
        ("tool", "first"),
        ("assistant", ""),
        ("tool", "second"),
        ("assistant", "Done."),
    ]
    assert [message.is_error for message in trace.messages if message.role == "tool"] == [True, False]
    assert [len(seen) for _, seen in trace.contexts()] == [2, 4, 6]
    assert (log.losses, log.notes) == ([], {})


def test_notes_that_waited_for_a_result_come_before_the_turn_that_saw_them(tmp_path: Path) -> None:
    start = (SYSTEM, TASK, native("c1", "grep", {"pattern": "a"}), answer("c1", "none"))
    grep = {"type": "tool_call", "name": "grep", "args": {"pattern": "a"}}
    trace, log = read(
        tmp_path,
        ask(0, SYSTEM, TASK),
        act(0, grep),
        give(0, "none", ok=False),
        row("reflection", t=0, reflection={"notes": ["slower"]}),
        ask(1, *start),
        act(1, call("read_file")),
        give(1, "text"),
        ask(2, *start, NOTE, native("c2", "read_file", {"rel_path": "read_file.py"}), answer("c2", "text")),
        act(2, {"type": "final", "summary": "Done.", "changes": []}),
    )
    assert [role for role, _ in tell(trace)] == [
        "system", "user", "assistant", "tool", "system", "assistant", "tool", "assistant"
    ]  # fmt: skip
    contexts = [[message.role for message in seen] for _, seen in trace.contexts()]
    assert contexts[1] == ["system", "user", "assistant", "tool", "system"]
    assert (log.losses, log.notes) == ([], {})


def test_a_correction_after_what_was_no_action_stays_where_it_is(tmp_path: Path) -> None:
    correction = {"role": "user", "content": "That was no JSON."}
    trace, _ = read(
        tmp_path,
        ask(0, TASK),
        row("llm_parse_error", t=0, error="bad", raw={"type": "invalid_json", "raw_text": "Hm."}),
        ask(1, TASK, {"role": "assistant", "content": "Hm."}, correction),
        act(1, {"type": "final", "summary": "Done.", "changes": []}),
    )
    assert [text for _, text in tell(trace)] == ["GOAL:\nFix it.", "Hm.", "That was no JSON.", "Done."]


def test_what_the_model_wrote_after_its_action_is_kept(tmp_path: Path) -> None:
    trace, log = read(
        tmp_path,
        ask(0, TASK),
        act(0, call("one", thought="First this.")),
        row("llm_trailing_text", t=0, trailing='{"type": "final"}'),
        give(0, "text"),
        act(1, call("two")),
        row("llm_trailing_text", t=1, trailing="More."),
        row("llm_trailing_text", t=1),
    )
    assert [text for role, text in tell(trace) if role == "assistant"] == ['First this.\n\n{"type": "final"}', "More."]
    assert log.count_losses() == {"malformed_record": 1}


def test_a_thought_is_told_once(tmp_path: Path) -> None:
    """As an argument where the model wrote it there, as words of the turn where it stands beside them."""
    apart = {"type": "tool_call", "name": "grep", "args": {"pattern": "a"}, "thought": "Where?"}
    inside = {"type": "tool_call", "name": "grep", "args": {"pattern": "a", "thought": "Where?"}}
    last = {"type": "final", "summary": "Done.", "changes": [], "thought": "All green."}
    trace, _ = read(
        tmp_path, ask(0, TASK), act(0, apart, inside), give(0, "x"), act(1, apart), give(1, "x"), act(2, last)
    )
    turns = [message for message in trace.messages if message.role == "assistant"]
    assert [turn.text for turn in turns] == ["", "Where?", "Done."]
    assert [json.loads(turn.tool_calls[0].arguments) for turn in turns[:2]] == [inside["args"], apart["args"]]
    assert [turn.reasoning_content for turn in turns] == [None, None, "All green."]


def test_the_first_versions_of_the_agent_call_the_action_obj(tmp_path: Path) -> None:
    again = {"role": "user", "content": "GOAL:\nFix it.\n\nSTATE (compact):\n{}"}
    last = {"type": "final", "summary": "Done.", "changes": []}
    trace, log = read(
        tmp_path,
        ask(0, SYSTEM, TASK),
        row("llm_action", t=0, obj=call("one")),
        give(0, "text"),
        ask(1, SYSTEM, again),
        row("llm_action", t=1, obj=last),
    )
    assert [message.origin for message in trace.messages] == [
        "injected", "human", "model", "tool", "injected", "compaction", "model"
    ]  # fmt: skip
    assert [[message.text for message in seen] for _, seen in trace.contexts()][1] == ["You repair.", again["content"]]
    assert (trace.final_assistant_message, log.losses) == ("Done.", [])


@pytest.mark.parametrize(
    ("prompt", "following", "result", "added"),
    [
        ([TASK], [TASK, NOTE, said({}), TASK], None, [NOTE]),
        ([TASK], [TASK, NOTE], None, []),
        ([TASK], [NOTE, NOTE, said({})], None, []),
        ([TASK], [], "text", []),
        ([TASK, said({}), NOTE], [], "text", [{"role": "tool", "content": "text"}]),
        ([TASK, said({})], [], None, []),
        ([], [], "text", []),
    ],
    ids=["a note", "no turn after it", "another prompt", "nothing lacks", "a result lacks", "no result", "empty"],
)
def test_a_prompt_is_completed(prompt: list[Any], following: list[Any], result: str | None, added: list[Any]) -> None:
    assert complete_prompt(prompt, following, result) == [*prompt, *added]
